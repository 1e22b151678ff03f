"""A workspace from another hand: looking at it runs nothing it brought, and reads nothing but it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.fixtures.old_stores import unpack

from mlcycle.journal.frame import control, encode, frame
from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.commands import COMMANDS

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(os.name != "posix", reason="plants links and pipes")]

TESTS = Path(__file__).parents[1]
PLANTED = "planted-0utside-content"
"""Stands in every file outside the workspace, and in the environment."""
MARK = "what-the-w0rkspace-says"
"""Stands in the workspace's own rows: it may be shown."""

READING: dict[str, tuple[str, ...]] = {
    "status": (),
    "doctor": (),
    "sql": ("SELECT * FROM runs",),
    "schema": (),
    "trace": ("rmse",),
    "config show": (),
    "config path": (),
    "show": ("data",),
    "design list": (),
    "design check": (),
    "data list": (),
    "data versions": (),
    "data profile": ("homes",),
    "quality history": (),
    "quality explain": ("homes rows",),
    "quality suggest": ("homes",),
    "quality quarantine": (),
    "features list": (),
    "features get": ("7",),
    "features explain": ("7",),
    "features lint": (),
    "runs list": (),
    "runs show": ("trees",),
    "runs compare": ("trees", "linear"),
    "runs best": ("rmse",),
    "models list": (),
    "models show": (),
    "models audit": (),
    "images list": (),
    "deploy list": (),
    "deploy logs": (),
    "deploy stats": (),
    "monitor show": (),
    "monitor windows": (),
    "monitor alerts": (),
    "retrain status": (),
    "store health": (),
}
"""Commands that look, with what to type after them."""
CHANGING = {
    *(
        "demo",
        "init",
        "web",
        "design add",
        "design edit",
        "runs stop",
        "data ingest",
        "quality check",
        "features build",
        "train",
        "sweep",
        "run",
    ),
    *("models register", "models gate", "models promote", "models rollback", "images build", "serve"),
    *(
        "deploy start",
        "deploy stop",
        "deploy swap",
        "predict",
        "monitor run",
        "monitor ack",
        "monitor labels",
    ),
    *("watch", "retrain propose", "retrain run", "retrain judge", "retrain approve", "retrain reject"),
    *("store backup", "store restore", "store export", "store compact", "store retain", "store import"),
}
QUESTIONS = (
    ("sql", "SELECT * FROM metrics LIMIT 3"),
    ("sql", "SELECT * FROM aliases"),
    ("sql", "SELECT count(run_id) AS n FROM runs"),
    ("sql", "SELECT to_json(r) AS j FROM runs AS r LIMIT 1"),
    ("sql", "SELECT content FROM read_text('{outside}/secret.txt')"),
    ("runs", "list", "--json"),
)

STORED = (("runs", "list"), ("status",), ("doctor",), ("sql", "SELECT * FROM runs"))
"""Commands enough where the store cannot be opened."""
DECLARED = (
    *(("design", "check"), ("design", "list"), ("status",), ("features", "lint"), ("features", "get", "7")),
    *(("features", "list"), ("data", "list"), ("trace", "rmse"), ("retrain", "status")),
)
"""Commands that read declarations."""
SOURCE = "sources: {x: {path: '%s', format: csv, key: a, columns: {a: text}}}\n"
SPINE = "spine: {table: homes, key: home, target: price}\nviews:\n  v:\n"
PEEK = "(SELECT content FROM read_text('{outside}/secret.txt'))"
DECLARATIONS = (
    ("training.yaml", "model: !!python/object/apply:os.system ['touch {canary}']\n"),
    ("features.yaml", "spine: !!python/name:os.system\n"),
    ("training.yaml", "model: x\ntask: regression\nsplit: {newest: 1}\nmodels: {a: {kind: 'train:fit'}}\n"),
    ("mlcycle.yaml", "name: x\nincludes: ['../outside/*.yaml']\n"),
    ("mlcycle.yaml", "name: x\nincludes: ['{outside}/*.yaml']\n"),
    ("mlcycle.yaml", "name: x\nincludes: ['way/*.yaml']\n"),
    ("data.yaml", SOURCE % "{outside}/secret.csv"),
    ("data.yaml", SOURCE % "~/.ssh/id"),
    ("features.yaml", f"{SPINE}    sql: SELECT row_id, {PEEK} AS x FROM spine\n"),
    ("features.yaml", f'{SPINE}    table: homes\n    key: home\n    features: {{x: "{PEEK}"}}\n'),
    ("deploy.yaml", "deployment: ${env:PLANTED}\n"),
    ("design.yaml", "requirements: [{id: '${env:PLANTED}', role: business, metric: rmse, value: 1}]\n"),
)
"""File, and what a stranger might have written there."""


@dataclass(frozen=True)
class Found:
    """What looking at one workspace showed."""

    commands: list[dict[str, Any]]

    def of(self, *words: str) -> dict[str, Any]:
        """Return one command's answer."""
        [found] = [one for one in self.commands if tuple(one["words"][:-2]) == words]
        return found


Look = Callable[..., list[Found]]


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has been round the cycle, brought up to today's schema."""
    root = unpack(1, tmp_path_factory.mktemp("brought"))
    with Store.create(Workspace(root)).transaction("seed"):
        pass
    shutil.rmtree(root / ".mlcycle" / "backup", ignore_errors=True)
    return root


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Files of whoever looks, that are nobody else's business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text(PLANTED)
    (folder / "secret.csv").write_text(f"home,size,rooms,price\n{PLANTED},1,2,3\n")
    (folder / "secret.yaml").write_text(f"{PLANTED}: {PLANTED}\n")
    run = "01990000-0000-7000-8000-000000000001"
    start = {"kind": "start", "run_id": run, "name": PLANTED, "experiment": "x", "started_at": "2026-01-01"}
    (folder / "1-1-x.jnl").write_bytes(control("start", format=1, namespace="") + frame(encode(start)))
    with duckdb.connect() as connection:
        query = f"SELECT 1 AS home, 2.0 AS size, 3 AS rooms, 4 AS price, '{PLANTED}' AS more"
        connection.execute(f"COPY ({query}) TO '{folder}/secret.parquet'")
    return folder


@pytest.fixture
def hostile(brought: Path, tmp_path: Path) -> Workspace:
    """A copy with Python source under every name that somebody might load, and a repository that runs things."""
    root = tmp_path / "hostile"
    shutil.copytree(brought, root)
    canary = tmp_path / "canary"
    source = f"import pathlib\npathlib.Path({str(canary)!r}).touch()\n"
    names = (
        "train",
        "sitecustomize",
        "usercustomize",
        "conftest",
        "yaml",
        "click",
        "duckdb",
        "numpy",
        "features",
    )
    for name in (*names, "checks/__init__", "mlcycle/__init__", "mlcycle_app/__init__"):
        path = root / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    git = root / ".git"
    (git / "objects").mkdir(parents=True)
    (git / "refs").mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "config").write_text(
        f"[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch {canary}\n\tpager = touch {canary}\n"
        f'[filter "x"]\n\tclean = touch {canary}\n\tprocess = touch {canary}\n[alias]\n\tstatus = !touch {canary}\n'
    )
    (root / ".gitattributes").write_text("* filter=x\n")
    return Workspace(root)


@pytest.fixture
def look(tmp_path: Path, outside: Path) -> Callable[..., list[Found]]:
    """Look at workspaces, by default with every reading command and the UI; what must hold for all is held here."""

    def looked(
        *workspaces: Workspace,
        ui: bool = True,
        open_rows: bool = False,
        words: Sequence[tuple[str, ...]] | None = None,
    ) -> list[Found]:
        chosen = words or [*((*command.split(), *more) for command, more in READING.items()), *QUESTIONS]
        commands = [[word.replace("{outside}", str(outside)) for word in one] for one in chosen]
        roots = [str(workspace.root) for workspace in workspaces]
        todo = {"workspaces": roots, "commands": commands, "outside": str(outside)}
        answer = _look(tmp_path, todo | {"ui": ui, "open_rows": open_rows})
        assert not (tmp_path / "canary").exists(), "something that the workspace brought was run"
        assert answer["deeds"] == []
        for one in [one for group in answer["commands"] for one in group]:
            text = one["out"] + one["err"]
            assert PLANTED not in text, one
            assert "Traceback" not in text and "unexpected" not in one["err"], one
            assert "\x1b" not in text and "\x07" not in text, one
            assert one["code"] in (0, 1, 2, 3), one
        for one in answer["ui"]:
            assert PLANTED not in str(one["screens"])
            assert one["crash"] == "" and one["code"] == 0
        copied = [path for workspace in workspaces for path in workspace.root.rglob("*") if _says(path)]
        assert copied == [], "content from outside was taken into the workspace"
        return [Found(group) for group in answer["commands"]]

    return looked


@pytest.fixture
def several(hostile: Workspace) -> Callable[[int], list[Workspace]]:
    """Make more copies of the hostile workspace."""

    def copied(count: int) -> list[Workspace]:
        places = [hostile.root.with_name(f"hostile-{number}") for number in range(count)]
        return [Workspace(Path(shutil.copytree(hostile.root, place))) for place in places]

    return copied


def test_every_command_is_said_to_look_or_to_change() -> None:
    words = {command.words for command in COMMANDS}
    assert words <= READING.keys() | CHANGING
    assert READING.keys() <= words


def test_a_whole_workspace_is_read_and_its_code_is_not_run(hostile: Workspace, look: Look) -> None:
    [found] = look(hostile)
    for words in (("status",), ("runs", "list"), ("data", "profile", "homes"), ("features", "get", "7")):
        assert found.of(*words)["code"] == 0, found.of(*words)
    [elsewhere] = [one for one in found.commands if "read_text" in str(one["words"])]
    assert elsewhere["code"] == 2 and "disabled by configuration" in elsewhere["err"]


def test_stored_views_that_read_elsewhere_are_never_read(
    hostile: Workspace, outside: Path, look: Look
) -> None:
    peek = f"(SELECT content FROM read_text('{outside}/secret.txt'))"
    with duckdb.connect(str(hostile.database)) as connection:
        for view in ("runs", "aliases", "params", "windows", "deployments"):
            columns = [row[0] for row in connection.execute(f"DESCRIBE {view}").fetchall()]
            listed = ", ".join(f'{peek} AS "{column}"' for column in columns)
            connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT {listed}")
        connection.execute(
            f"CREATE OR REPLACE VIEW live_metric AS SELECT * REPLACE ({peek} AS key) FROM metric"
        )
        connection.execute(f"CREATE VIEW more AS SELECT content FROM read_text('{outside}/*')")
    [found] = look(hostile)
    assert found.of("status")["code"] == 0
    assert found.of("runs", "show", "trees")["code"] == 0


def test_stored_views_that_read_elsewhere_are_not_read_where_nothing_can_be_written(
    hostile: Workspace, outside: Path
) -> None:
    with duckdb.connect(str(hostile.database)) as connection:
        connection.execute(
            f"CREATE OR REPLACE VIEW live_metric AS SELECT * REPLACE ("
            f"(SELECT content FROM read_text('{outside}/secret.txt')) AS key) FROM metric"
        )
    if os.getuid() == 0:
        done = subprocess.run(
            ["mount", "--bind", "-o", "ro", hostile.root, hostile.root], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("mounting is not permitted here")
    else:
        hostile.home.chmod(0o500)
    try:
        rows = Store(hostile).read("SELECT DISTINCT key FROM metrics")
    finally:
        if os.getuid() == 0:
            subprocess.run(["umount", "-l", hostile.root], check=True)
        else:
            hostile.home.chmod(0o700)
    assert {"key": "loss"} in rows and PLANTED not in str(rows)


def test_macros_in_the_place_of_functions_are_refused_by_name(
    hostile: Workspace, outside: Path, look: Look
) -> None:
    peek = f"(SELECT content FROM read_text('{outside}/secret.txt'))"
    with duckdb.connect(str(hostile.database)) as connection:
        for signature in ("count(x)", "arg_max(x, y)", "to_json(x)", "max(x)", "current_setting(x)"):
            connection.execute(f"CREATE MACRO {signature} AS {peek}")
        connection.execute(f"CREATE MACRO duckdb_tables() AS TABLE SELECT {peek} AS table_name")
        connection.execute(f"CREATE MACRO duckdb_functions() AS TABLE SELECT {peek} AS function_name")
    [found] = look(hostile)
    said = found.of("runs", "list")
    assert said["code"] == 3 and "macro" in said["err"] and "doctor --mend" in said["err"]
    assert "macro" in found.of("doctor")["out"]


def test_links_that_lead_out_are_not_followed(hostile: Workspace, outside: Path, look: Look) -> None:
    for stream in ("run", "metric"):
        (hostile.journal / stream / "1-1-x.jnl").symlink_to(outside / "1-1-x.jnl")
    for part in list(hostile.data.iterdir()):
        part.unlink()
        part.symlink_to(outside / "secret.parquet")
    for artifact in [path for path in hostile.artifacts.rglob("*") if path.is_file()]:
        artifact.unlink()
        artifact.symlink_to(outside / "secret.txt")
    (hostile.tmp / "pid1-x.json").symlink_to(outside / "secret.txt")
    inbox = hostile.root / "inbox"
    inbox.mkdir(exist_ok=True)
    for path in (hostile.root / "homes.csv", inbox / "homes.csv"):
        path.unlink(missing_ok=True)
        path.symlink_to(outside / "secret.csv")
    [found] = look(hostile)
    assert found.of("status")["code"] == 0


def test_a_declaration_that_is_a_link_out_is_not_read(
    several: Callable[[int], list[Workspace]], outside: Path, look: Look
) -> None:
    names = ("design.yaml", "checks/more.yaml", "mlcycle.yaml")
    workspaces = several(len(names))
    for workspace, name in zip(workspaces, names, strict=True):
        (workspace.root / name).unlink(missing_ok=True)
        (workspace.root / name).symlink_to(outside / "secret.yaml")
    for found in look(*workspaces, ui=False, words=DECLARED):
        assert found.of("design", "check")["code"] == 2


def test_links_in_the_tools_own_folder_are_refused(
    several: Callable[[int], list[Workspace]], outside: Path, look: Look
) -> None:
    names = ("ui.log", "store.lock", "store.duckdb", "journal", "tmp", "error.log", "store.duckdb.wal")
    workspaces = several(len(names))
    for workspace, name in zip(workspaces, names, strict=True):
        path = workspace.home / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(outside / "secret.txt" if name != "journal" else outside)
    found = look(*workspaces, ui=False, words=STORED)
    for name, one in zip(names, found, strict=True):
        said = one.of("runs", "list")
        assert said["code"] == 3 and f"{name} is a link" in said["err"]
    assert (outside / "secret.txt").read_text() == PLANTED


def test_pipes_are_not_waited_for(hostile: Workspace, look: Look) -> None:
    for stream in ("run", "metric", "prediction", "sys", "bad", "other"):
        (hostile.journal / stream).mkdir(exist_ok=True)
        os.mkfifo(hostile.journal / stream / "1-1-x.jnl")
    taken = [*hostile.data.iterdir(), *(path for path in hostile.artifacts.rglob("*") if path.is_file())]
    for path in [*taken, hostile.root / "homes.csv", hostile.root / "monitor.yaml"]:
        path.unlink()
        os.mkfifo(path)
    (hostile.root / "inbox").mkdir(exist_ok=True)
    for path in (hostile.tmp / "pid1-x.json", hostile.root / "inbox" / "homes.csv", hostile.root / "x.yaml"):
        os.mkfifo(path)
    os.mkfifo(hostile.root / "checks" / "more.yaml")
    look(hostile)


def test_pipes_in_the_tools_own_folder_are_refused(
    several: Callable[[int], list[Workspace]], look: Look
) -> None:
    names = ("holder.json", "store.duckdb", "gate.lock")
    workspaces = several(len(names))
    for workspace, name in zip(workspaces, names, strict=True):
        (workspace.home / name).unlink(missing_ok=True)
        os.mkfifo(workspace.home / name)
    for name, one in zip(names, look(*workspaces, ui=False, words=STORED), strict=True):
        said = one.of("runs", "list")
        assert said["code"] == 3 and f"{name} is no file" in said["err"]


def test_declarations_run_nothing_and_read_nothing_outside(
    several: Callable[[int], list[Workspace]], outside: Path, tmp_path: Path, look: Look
) -> None:
    workspaces = several(len(DECLARATIONS))
    for workspace, (file, text) in zip(workspaces, DECLARATIONS, strict=True):
        (workspace.root / "way").symlink_to(outside)
        filled = text.replace("{canary}", str(tmp_path / "canary")).replace("{outside}", str(outside))
        (workspace.root / file).write_text(filled)
    look(*workspaces, ui=False, words=DECLARED)


def test_rows_that_name_files_and_servers_elsewhere_are_only_shown(
    hostile: Workspace, outside: Path, look: Look
) -> None:
    escape = "\x1b]0;owned\x07\x1b[31m[@click=app.quit]x[/] [/nope] [bold " + MARK
    up = f"../../../../../../../../..{outside}/secret"
    with duckdb.connect(str(hostile.database)) as connection:
        for statement in (
            "UPDATE run_start SET name = $text WHERE name NOT IN ('trees', 'linear')",
            "UPDATE run_start SET command = $text, environment = to_json([$text])",
            "UPDATE param SET value = $text",
            "UPDATE part SET sha256 = $up",
            "UPDATE artifact SET sha256 = $secret",
            "UPDATE model_version SET sha256 = $secret",
            "UPDATE training_set_version SET sha256 = $up",
            "UPDATE batch SET raw_part = $up, path = $text",
            "UPDATE deployment SET state = 'running', pid = 1, url = 'http://127.0.0.1:9', why = $text",
            "UPDATE check_result SET observed = $text, examples = to_json([$text])",
            "UPDATE decision SET reasons = [$text], decided_by = $text",
            "UPDATE alias SET since = TIMESTAMP '1900-01-01 00:00:00'",
        ):
            known = {"text": escape, "up": up, "secret": f"{outside}/secret.txt"}
            used = {name: value for name, value in known.items() if f"${name}" in statement}
            connection.execute(statement, used)
    look(hostile, open_rows=True)


def test_running_what_it_brought_asks_first(hostile: Workspace, tmp_path: Path) -> None:
    (hostile.root / "train.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    )
    words = ("run", "--", sys.executable, "-P", "train.py")
    refused = _typed(tmp_path, hostile.root, *words)
    assert refused.returncode == 2 and "train.py" in refused.stderr
    assert "--trust" in refused.stderr and "MLCYCLE_TRUST=1" in refused.stderr
    assert not (tmp_path / "ran").exists()
    assert _typed(tmp_path, hostile.root, "run", "--trust", *words[1:]).returncode == 0
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    assert _typed(tmp_path, hostile.root, *words).returncode == 0
    assert (tmp_path / "ran").exists()


def _says(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and PLANTED.encode() in path.read_bytes()


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLCYCLE_", "XDG_"))}
    return kept | {"HOME": str(home / "home"), "PLANTED": PLANTED, "TEXTUAL_ANIMATIONS": "none"}


def _look(home: Path, todo: dict[str, Any]) -> dict[str, Any]:
    path = os.pathsep.join([str(TESTS.parent), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-P", str(TESTS / "e2e" / "looking.py")],
        input=json.dumps(todo) + "\n",
        capture_output=True,
        text=True,
        cwd=todo["workspaces"][0],
        env=_environment(home) | {"PYTHONPATH": path},
        timeout=90,  # a pipe that is waited for
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _typed(home: Path, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "mlcycle_app", *words],
        capture_output=True,
        text=True,
        cwd=root,
        env=_environment(home),
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
