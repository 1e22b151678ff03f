"""The controller: starts the processes, kills one at a random moment, starts it again, and remembers what they said."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from random import Random

from tests.torture import roles

from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["Child", "Torture"]

PATIENCE_S = 120
"""How long nobody may say anything before the whole is given up as stuck."""
MOST_LINES = 500
"""How much may be acknowledged between two kills: about two seconds' work."""
COMMANDS_AT_ONCE = 2
WORKERS = ("metrics", "metrics", "predictions", "predictions", "watch", "read", "change")
COMMANDS = (
    "runs list",
    "runs best",
    "status",
    "sql",
    "data list",
    "data versions",
    "models list",
    "quality check",
    "data ingest",
    "retrain status",
    "doctor",
    "doctor --mend",
    "store health",
    "store backup",
    "store compact",
    "store restore --yes",
)
QUERIES = (
    "FROM runs",
    "SELECT key, count(*) FROM metrics GROUP BY key",
    "SELECT max(version) FROM predictions",
)
ANSWERS = {"doctor": (0, 1), "doctor --mend": (0, 1), "runs best": (0, 2), "quality check": (0, 3)}
"""Exit codes of commands that may say no: a killed process left something to mend; no run has a gate's metric; the
watchdog has judged the same rows first."""
DATA = """
sources:
  rows:
    path: rows-*.csv
    format: csv
    key: id
    columns: {id: integer, amount: number}
"""


@dataclass
class Child:
    """One process, and what it said."""

    role: str
    name: str
    process: subprocess.Popen[str]
    stderr: Path
    words: str = ""
    """The command, where it is one."""
    killed: bool = False
    said: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def complaint(self) -> str:
        """What it said on stderr."""
        return self.stderr.read_text(errors="replace")


class Torture:
    """A workspace, the processes on it, and the kills.

    Parameters
    ----------
    folder
        Where the workspace and the processes' stderr go.
    seed
        Whom to kill after how much work, and what the processes do; what the machine makes of it is chance.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = Random(seed)
        self.folder = folder
        self.workspace = Workspace(folder / "product")
        self.workspace.root.mkdir()
        (self.workspace.root / "mlcycle.yaml").write_text("name: torture\n")
        (self.workspace.root / "data.yaml").write_text(DATA)
        self.workspace.inbox.mkdir()
        Store.create(self.workspace)
        self.children: list[Child] = []
        self.files: dict[str, Path] = {}
        """Every file that was offered, by name."""
        self.problems: list[str] = []
        self._said: Queue[tuple[Child, str | None]] = Queue()

    def run(self, kills: int) -> None:
        """Let all work, kill as often, and let those that live come to their end."""
        with self._working() as working:
            for role in WORKERS:
                working.append(self._start(role))
            for _ in range(kills):
                if sum(bool(child.words) for child in working) < COMMANDS_AT_ONCE:
                    working.append(self._command())
                self._drop()
                self._listen(self.chance.randrange(1, MOST_LINES))
                working[:] = [child for child in working if not child.ended]
                victim = self.chance.choice(working)
                self._kill(victim)
                working.remove(victim)
                if not victim.words:
                    working.append(self._start(victim.role))
            # The last ones come to work, too, and end as a user ends them.
            self._listen(MOST_LINES)

    @contextmanager
    def _working(self) -> Iterator[list[Child]]:
        working: list[Child] = []
        try:
            yield working
            for child in working:
                assert child.process.stdin is not None
                child.process.stdin.close()
            while not all(child.ended for child in working):
                self._hear()
        finally:
            for child in self.children:
                if child.process.poll() is None:
                    child.process.kill()
                child.process.wait()
                assert child.process.stdin is not None
                child.process.stdin.close()

    def _start(self, role: str) -> Child:
        name = f"{role}-{len(self.children)}"
        root, seed = str(self.workspace.root), str(self.chance.randrange(1 << 30))
        return self._begin(role, name, [str(Path(roles.__file__)), role, root, name, seed])

    def _command(self) -> Child:
        words = self.chance.choice(COMMANDS)
        more = []
        if words == "sql":
            more = [self.chance.choice(QUERIES)]
        elif words == "data ingest":
            # A new file, or one that the watchdog may be taking in at this moment.
            old = [*self.files.values()]
            again = bool(old) and self.chance.random() < 0.5
            more = [str(self.chance.choice(old) if again else self._write(self.folder))]
        place = ["-w", str(self.workspace.root)]
        line = ["-m", "mlcycle_app", *place, *words.split(), *more, "--json"]
        return self._begin("command", f"command-{len(self.children)}", line, words=" ".join([words, *more]))

    def _begin(self, role: str, name: str, line: list[str], words: str = "") -> Child:
        stderr = self.folder / f"{name}.stderr"
        with stderr.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, *line],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=self.folder,
            )
        child = Child(role, name, process, stderr, words)
        self.children.append(child)
        threading.Thread(target=self._read, args=(child,), daemon=True).start()
        return child

    def _read(self, child: Child) -> None:
        assert child.process.stdout is not None
        with child.process.stdout as lines:
            for line in lines:
                if line.endswith("\n"):  # the last one may have been cut by the kill
                    self._said.put((child, line.rstrip("\n")))
        self._said.put((child, None))

    def _listen(self, lines: int) -> None:
        for _ in range(lines):
            self._hear()

    def _hear(self) -> None:
        child, line = self._said.get(timeout=PATIENCE_S)
        if line is not None:
            child.said.append(line)
            return
        child.ended = True
        code = child.process.wait()
        assert child.process.stdin is not None
        child.process.stdin.close()
        verb = next(
            (verb for verb in sorted(COMMANDS, key=len, reverse=True) if child.words.startswith(verb)), ""
        )
        if not child.killed and code not in ANSWERS.get(verb, (0,)):
            self.problems.append(f"{child.name} {child.words} ended with {code}: {child.complaint}")
            if not child.words:
                raise RuntimeError(self.problems[-1])

    def _kill(self, child: Child) -> None:
        child.killed = True
        child.process.kill()
        while not child.ended:
            self._hear()

    def _write(self, folder: Path) -> Path:
        number = len(self.files)
        rows = "".join(f"{number * 100 + i},{i}\n" for i in range(self.chance.randrange(1, 100)))
        path = folder / f"rows-{number}.csv"
        path.write_text(f"id,amount\n{rows}")
        self.files[path.name] = path
        return path

    def _drop(self) -> None:
        """Bring a file into the inbox as a careful program does: under a hidden name, then renamed."""
        made = self._write(self.folder)
        hidden = self.workspace.inbox / f".{made.name}"
        shutil.copyfile(made, hidden)
        hidden.replace(self.workspace.inbox / made.name)
