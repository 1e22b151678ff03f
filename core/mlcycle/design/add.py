"""One more requirement at the end of `design.yaml`; every other character of the file stays as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlcycle.declare import load, scalar
from mlcycle.declare.document import Document, parse, read
from mlcycle.declare.model import Scalar
from mlcycle.design.model import Requirement
from mlcycle.design.sync import list_requirements, sync
from mlcycle.errors import UsageError, WorkspaceError
from mlcycle.ids import new_id
from mlcycle.workspace import Workspace

__all__ = ["add"]

FILE = "design.yaml"


def add(
    workspace: Workspace,
    requirement_id: str,
    *,
    role: str,
    metric: str,
    comparison: str,
    value: float,
    phases: Sequence[str],
    statement: str = "",
    params: Mapping[str, Scalar] | None = None,
    owner: str = "",
    budget: float | None = None,
) -> Requirement:
    """Write a requirement into `design.yaml` and take it over.

    Returns
    -------
    Requirement
        As the store has it now.

    Raises
    ------
    DeclarationError
        If it does not fit what is declared; then nothing is written.
    UsageError
        If the file keeps its requirements in one line (`[...]`).
    """
    path = workspace.root / FILE
    text = read(path, Path(FILE)) if path.is_file() else ""
    said: dict[str, str] = {
        "id": scalar(requirement_id),
        "role": scalar(role),
        "statement": scalar(statement) if statement else "",
        "metric": scalar(metric),
        "params": _mapping(params) if params else "",
        "comparison": f'"{comparison}"',
        "value": scalar(value),
        "budget": "" if budget is None else scalar(budget),
        "phases": f"[{', '.join(scalar(phase) for phase in phases)}]",
        "owner": scalar(owner) if owner else "",
    }
    lines = [f"{name}: {written}" for name, written in said.items() if written]
    grown = _insert(text, lines)
    load(workspace, unsaved={FILE: grown})
    _replace(path, grown)
    sync(workspace)
    return next(one for one in list_requirements(workspace) if one.requirement_id == requirement_id)


def _mapping(params: Mapping[str, Scalar]) -> str:
    return "{" + ", ".join(f"{scalar(name)}: {scalar(value)}" for name, value in params.items()) + "}"


def _insert(text: str, item: Sequence[str]) -> str:
    document = parse(text, Path(FILE))
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.removesuffix(end).split(end) if text else []
    root = document.value or {}
    if "requirements" not in root:
        return _joined([*lines, *([""] if lines else []), "requirements:", *_block(item, "  ")], end)
    if root["requirements"]:
        at, indent = _end_of_list(document, lines), _indent(document, lines)
        return _joined([*lines[:at], "", *_block(item, indent), *lines[at:]], end)
    row = document.keys["requirements",][0] - 1
    value_row, value_column = document.values["requirements",]
    if isinstance(root["requirements"], list):  # an empty `[]`
        line = lines[value_row - 1]
        lines[value_row - 1] = (
            line[: value_column - 1] + line[value_column - 1 :].replace("[]", "", 1)
        ).rstrip()
    return _joined([*lines[: row + 1], *_block(item, "  "), *lines[row + 1 :]], end)


def _block(item: Sequence[str], indent: str) -> list[str]:
    return [f"{indent}{'- ' if number == 0 else '  '}{line}" for number, line in enumerate(item)]


def _indent(document: Document, lines: Sequence[str]) -> str:
    row, column = document.values["requirements", 0]
    before = lines[row - 1][: column - 1]
    if before.strip() != "-":
        raise UsageError(
            f"{FILE} writes its requirements in one line",
            hint="write one `- id: ...` block a requirement, then try again",
        )
    return before[: before.index("-")]


def _end_of_list(document: Document, lines: Sequence[str]) -> int:
    """Return the index of the line after the last item, before what belongs to the next key."""
    start = document.keys["requirements",][0]
    following = [row - 1 for where, (row, _) in document.keys.items() if len(where) == 1 and row > start]
    at = min(following, default=len(lines))
    while at > 0 and (not lines[at - 1].strip() or (following and lines[at - 1].startswith("#"))):
        at -= 1
    return at


def _joined(lines: Sequence[str], end: str) -> str:
    return end.join(lines) + end


def _replace(path: Path, text: str) -> None:
    copy = path.with_name(f".{path.name}.{new_id()[-8:]}")
    try:
        copy.write_bytes(text.encode())
        copy.replace(path)
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise WorkspaceError(f"{path} cannot be written: {error.strerror}") from error
