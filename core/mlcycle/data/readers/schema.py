"""Which columns a file has and which it should have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlcycle.data.model import BATCH_NUMBER, ROW
from mlcycle.data.readers.found import Delivery
from mlcycle.declare.model import ColumnType, Source
from mlcycle.declare.names import nearest
from mlcycle.errors import DataError

__all__ = ["settle"]

OWN = (ROW, BATCH_NUMBER)
"""Names that parts use themselves."""


def settle(
    delivery: Delivery, present: Sequence[str], *, lines: Mapping[str, int] | int | None = 1
) -> dict[str, ColumnType]:
    """Return the columns to take from a file, in the order of the declaration, added ones last and as text.

    Parameters
    ----------
    present
        The file's columns.
    lines
        Where a column's name stands: one line for all, a line a column, or None where a format has no lines.

    Raises
    ------
    DataError
        If a declared column is missing, or an unexpected one is there and the source says `refuse`; names the
        columns and the nearest ones.
    """
    path, name, source = delivery.shown, delivery.name, delivery.source
    place = _place(path, lines, present, source)
    twice = [column for column, count in Counter(present).items() if count > 1]
    if twice:
        raise DataError(
            f"{place}: two columns are called {_list(twice)}", hint="rename one of them in the file"
        )
    missing = [column for column in source.columns if column not in present]
    added = [column for column in present if column not in source.columns]
    if missing or (added and source.on_schema_change == "refuse"):
        raise DataError(
            f"{place}: the columns of {name} have changed: {_changes(missing, added, present, source)}",
            hint=_hint(name, missing, source),
        )
    columns: dict[str, ColumnType] = dict(source.columns)
    columns.update(dict.fromkeys(added, "text"))
    for column in OWN:
        if column in columns:
            raise DataError(
                f"{place}: a column cannot be called `{column}`",
                hint="rename it in the file and in data.yaml",
            )
    return columns


def _changes(missing: Sequence[str], added: Sequence[str], present: Sequence[str], source: Source) -> str:
    said = []
    for column in missing:
        near = nearest(column, [one for one in added if one in present])
        said.append(f"`{column}` is missing" + (f" (the file has `{near}`)" if near else ""))
    for column in added:
        if source.on_schema_change == "refuse":
            near = nearest(column, source.columns)
            said.append(f"`{column}` is not declared" + (f" (nearest: `{near}`)" if near else ""))
    return "; ".join(said)


def _hint(name: str, missing: Sequence[str], source: Source) -> str:
    if missing or source.on_schema_change == "add":
        return f"mend the file, or change sources.{name}.columns in data.yaml"
    return f"declare them under sources.{name}.columns in data.yaml, or set on_schema_change: add there"


def _place(path: Path, lines: Mapping[str, int] | int | None, present: Sequence[str], source: Source) -> str:
    if lines is None:
        return str(path)
    if isinstance(lines, int):
        return f"{path}:{lines}"
    odd = [lines[column] for column in present if column not in source.columns and column in lines]
    return f"{path}:{min(odd, default=1)}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
