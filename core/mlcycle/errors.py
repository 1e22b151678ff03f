"""Every error a user can meet, with the exit code it ends a command with.

MlcycleError                    says what is wrong (message) and what to type next (hint)
├── UsageError             2    the command cannot mean what was typed
│   ├── DeclarationError   2    a YAML file is wrong: file, line, column
│   └── NotFoundError      2    a name that nothing carries
├── NotMet                 1    the answer is no: a check failed, a gate refused
├── TrustError             2    the workspace brought code that nobody has trusted yet
└── CouldNot               3    the environment stands in the way
    ├── WorkspaceError     3    no workspace, a newer one, or one in the wrong place
    ├── Busy               3    another process holds the store longer than the deadline
    ├── DataError          3    a file cannot be read as declared; the batch is refused whole
    └── EngineError        3    a container engine, a server or a query engine said no
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "Busy",
    "CouldNot",
    "DataError",
    "DeclarationError",
    "EngineError",
    "MlcycleError",
    "NotFoundError",
    "NotMet",
    "TrustError",
    "UsageError",
    "WorkspaceError",
]


class MlcycleError(Exception):
    """Base of all errors shown to a user.

    Parameters
    ----------
    message
        What is wrong, in one sentence, naming the thing.
    hint
        What to type or change next; empty when there is nothing to do.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MlcycleError):
    """The command or call cannot mean what was typed."""

    exit_code = 2


class DeclarationError(UsageError):
    """A declaration is wrong; names the file, and line and column when known (both from 1)."""

    def __init__(
        self,
        message: str,
        *,
        file: Path | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        place = ""
        if file is not None:
            place = ":".join(str(part) for part in (file, line, column) if part is not None) + ": "
        super().__init__(place + message, hint=hint)
        self.file, self.line, self.column = file, line, column


class NotFoundError(UsageError, LookupError):
    """No thing of that kind carries that name."""


class NotMet(MlcycleError):
    """The answer is no: a check failed, a gate refused, two things are not equal."""

    exit_code = 1


class TrustError(UsageError):
    """The workspace brought code of its own and nobody has said that it may run."""


class CouldNot(MlcycleError):
    """The environment, the store or an engine stands in the way."""

    exit_code = 3


class WorkspaceError(CouldNot):
    """The folder is no workspace, a newer one, or one that cannot be written."""


class Busy(CouldNot):
    """Another process held the store past the deadline; names its pid and command."""


class DataError(CouldNot, ValueError):
    """A file cannot be read as declared; nothing of the batch was taken."""


class EngineError(CouldNot):
    """A container engine, a model server or a query engine said no."""
