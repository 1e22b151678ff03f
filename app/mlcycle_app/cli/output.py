"""The only writer of stdout: JSON for programs, aligned columns for people. Words go to stderr by `say`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any
from unicodedata import category

__all__ = ["Answer", "emit", "plain", "say"]

_SIGN = "\N{REPLACEMENT CHARACTER}"
CELL = 60
"""Characters after which a table cell is cut; `--json` cuts nothing."""
LINE = 400
"""Characters after which a value beside its name is cut."""
NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


@dataclass(frozen=True)
class Answer:
    """What a command found."""

    data: Any
    """A list of objects for tables, one object otherwise."""
    columns: tuple[str, ...] = ()
    """Columns of the table for people; all of them unless said."""
    text: str = ""
    """Said on stdout instead of a table."""
    quiet: bool = False
    """Nothing on stdout but for `--json`."""
    empty: str = "nothing yet"
    """Said on stderr when a table has no row."""
    code: int = 0


def plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses as objects, times as ISO 8601, paths as text.

    JSON has no NaN and no infinities: they become the words "NaN", "Infinity" and "-Infinity", as in the journal.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return NOT_FINITE[str(value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") else str(value)


def emit(answer: Answer, *, as_json: bool) -> None:
    """Write an answer to stdout."""
    data = plain(answer.data)
    if as_json:
        print(json.dumps(data, ensure_ascii=False))
        return
    if answer.quiet:
        return
    if answer.text:
        print(_shown(answer.text))
    elif isinstance(data, list):
        if not data:
            say(answer.empty)
        else:
            print(_shown(_table(data, answer.columns or tuple(data[0]))))
    else:
        width = max((len(key) for key in data), default=0)
        for key, value in data.items():
            print(_shown(f"{key.replace('_', ' '):<{width}}  {_beside(value)}".rstrip()))


def say(text: str) -> None:
    """Say something to the person, on stderr."""
    print(_shown(text), file=sys.stderr)


def _shown(text: str) -> str:
    """Return text without what a terminal would obey: control characters become a sign, newlines and tabs stay."""
    return text if text.isprintable() else "".join(_SIGN if _commands(sign) else sign for sign in text)


def _commands(sign: str) -> bool:
    return sign not in "\n\t" and category(sign) in ("Cc", "Cf")


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    cells = [[cell if len(cell) <= CELL else cell[: CELL - 1] + "…" for cell in row] for row in cells]
    widths = [max(len(column), *(len(row[i]) for row in cells)) for i, column in enumerate(columns)]
    right = [all(_is_number(row.get(column)) for row in rows) for column in columns]
    lines = [_line([column.replace("_", " ") for column in columns], widths, right)]
    lines += [_line(row, widths, right) for row in cells]
    return "\n".join(lines)


def _beside(value: Any) -> str:
    """Return what stands beside a name: one line, or a table or a list of its own below it."""
    gap = "\n" + " " * 4
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return gap + _table(value, tuple(value[0])).replace("\n", gap)
    if isinstance(value, dict) and any(isinstance(item, dict | list) for item in value.values()):
        names = max(len(str(key)) for key in value)
        return gap + gap.join(
            f"{str(key).replace('_', ' '):<{names}}  {_cut(_cell(item))}".rstrip()
            for key, item in value.items()
        )
    return _cut(_cell(value))


def _cut(text: str) -> str:
    return text if len(text) <= LINE else f"{text[: LINE - 1]}… ({len(text)} characters: --json has them all)"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if flush else cell.ljust(width)
        for cell, width, flush in zip(cells, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | None) or value in NOT_FINITE.values()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={_cell(item)}" for key, item in value.items())
    return str(value).replace("\n", " ")
