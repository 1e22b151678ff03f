"""What the store tells others about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

__all__ = ["Backup", "Finding", "FoldReport", "Health", "Report", "Restored"]

Level = Literal["note", "mend", "damaged"]


@dataclass(frozen=True)
class FoldReport:
    """What one fold took from the journal."""

    records: int = 0
    """Records put into tables."""
    bad: int = 0
    """Lines set aside in `journal/bad`."""
    removed: int = 0
    """Segments deleted: finished, and folded to the last byte."""
    left: int = 0
    """Bytes that were seen and left for the next step."""
    killed: int = 0
    """Runs of killed processes whose end was written, for the next step."""

    def __add__(self, other: FoldReport) -> FoldReport:
        """Return both together; what is left is what the later one left."""
        return FoldReport(
            self.records + other.records,
            self.bad + other.bad,
            self.removed + other.removed,
            other.left,
            self.killed + other.killed,
        )


@dataclass(frozen=True)
class Health:
    """How far the store is behind, and what it was not able to keep."""

    backlog_bytes: int
    """Bytes of journal not folded yet."""
    segments: int
    """Segments in the journal."""
    bad_lines: int
    """Lines set aside in the last 30 days."""
    refused: int
    """Records that writers reported as refused in the last 30 days, this process's included."""
    holder: str
    """Who holds the store exclusively now: pid and command; empty if nobody does."""
    generation: int | None = None
    """Number of the generation that the log goes to, a folder of `.mlcycle/backup`."""
    copied_at: datetime | None = None
    """When the newest copy of the store was made; None if it began with the store itself."""
    log_bytes: int = 0
    """Bytes of changes and folded segments kept since that copy."""


@dataclass(frozen=True)
class Finding:
    """One thing that doctor saw."""

    level: Level
    """note: nothing to do; mend: `mlcycle doctor --mend` can; damaged: it cannot."""
    what: str
    """What is the matter, in one sentence."""
    where: str
    """A path inside the workspace or the name of a row."""


@dataclass(frozen=True)
class Report:
    """All that doctor saw, the worst first."""

    findings: tuple[Finding, ...]
    mended: tuple[Finding, ...] = ()
    """What was put right before looking; empty if nothing was asked to be."""

    @property
    def exit_code(self) -> int:
        """0 if healthy (notes are), 1 if something is to be mended or is damaged."""
        return int(any(finding.level != "note" for finding in self.findings))


@dataclass(frozen=True)
class Backup:
    """A copy of the store, or of the workspace."""

    generation: int
    """The generation that was begun; that of the copied store if the copy went to another place."""
    path: Path
    bytes: int
    """Bytes copied; contents that were there already are not copied again."""
    files: int
    """Contents copied: data parts, artifacts, archives and what the user wrote."""
    created_at: datetime


@dataclass(frozen=True)
class Restored:
    """A store made again."""

    source: str
    """The generation's folder, or the backup, that it began with."""
    changes: int
    """Transactions done once more from the log."""
    records: int
    """Records of the journal taken in once more."""
    missing: tuple[Finding, ...]
    """What could not be had back; empty if all is there."""
    set_aside: str
    """Where the former file is, in the workspace; empty if there was none."""
