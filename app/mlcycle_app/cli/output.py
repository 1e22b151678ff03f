"""The only writer of stdout: JSON or CSV for programs, aligned columns for people. Words go to stderr by `say`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO, TextIOWrapper
from typing import Any
from unicodedata import category

from mlcycle_app.cli.progress import wipe
from mlcycle_app.exporting import plain, write_csv

__all__ = ["Answer", "emit", "object_text", "plain", "say", "table_text"]

_SIGN = "\N{REPLACEMENT CHARACTER}"
CELL = 60
"""Characters after which a table cell is cut; `--json` cuts nothing."""
LINE = 400
"""Characters after which a value beside its name is cut."""
NOT_FINITE = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True)
class Answer:
    """What a command found."""

    data: Any
    """A list of objects for tables, one object otherwise."""
    columns: tuple[str, ...] = ()
    """Columns of the table for people, all of them unless said; and of a CSV without rows."""
    text: str = ""
    """Said on stdout instead of a table."""
    quiet: bool = False
    """Nothing on stdout but for `--json`."""
    empty: str = "nothing yet"
    """Said on stderr when a table has no row."""
    code: int = 0


def emit(answer: Answer, *, as_json: bool, as_csv: bool = False) -> None:
    """Write an answer to stdout."""
    data = plain(answer.data)
    if as_json:
        print(json.dumps(data, ensure_ascii=False))
    elif as_csv:
        _emit_csv(data, answer.columns)
    elif answer.quiet:
        return
    elif answer.text:
        print(_shown(answer.text))
    elif not isinstance(data, list):
        print(_shown(object_text(data)))
    elif data:
        print(_shown(table_text(data, answer.columns or tuple(data[0]))))
    else:
        say(answer.empty)


def _emit_csv(data: Any, columns: Sequence[str]) -> None:
    """Write a table; of one object, a table of one row."""
    rows = data if isinstance(data, list) else [data]
    rows = [row if isinstance(row, dict) else {"value": row} for row in rows]
    names = tuple(dict.fromkeys(name for row in rows for name in row)) or tuple(columns)
    out = StringIO(newline="")
    if names:
        write_csv(out, names, rows)
    # A terminal obeys what it is sent, and ends lines itself; a file or a program gets every value as it is.
    if sys.stdout.isatty():
        print(_shown(out.getvalue().replace("\r\n", "\n")), end="")
        return
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(newline="")
    sys.stdout.write(out.getvalue())


def say(text: str) -> None:
    """Say something to the person, on stderr."""
    wipe()
    print(_shown(text), file=sys.stderr)


def _shown(text: str) -> str:
    """Return text without what a terminal would obey: control characters become a sign, newlines and tabs stay."""
    return text if text.isprintable() else "".join(_SIGN if _commands(sign) else sign for sign in text)


def _commands(sign: str) -> bool:
    return sign not in "\n\t" and category(sign) in ("Cc", "Cf")


def table_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, most: int | None = CELL) -> str:
    """Return plain rows in aligned columns, under their names.

    Parameters
    ----------
    rows, columns
        At least one row, and which of its values are shown.
    most
        Characters after which a cell is cut; None cuts nothing.
    """
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    if most is not None:
        cells = [[cell if len(cell) <= most else cell[: most - 1] + "…" for cell in row] for row in cells]
    widths = [max(len(column), *(len(row[i]) for row in cells)) for i, column in enumerate(columns)]
    right = [all(_is_number(row.get(column)) for row in rows) for column in columns]
    lines = [_line([column.replace("_", " ") for column in columns], widths, right)]
    lines += [_line(row, widths, right) for row in cells]
    return "\n".join(lines)


def object_text(data: Mapping[str, Any]) -> str:
    """Return one plain object, a line a value, the name before it."""
    width = max((len(key) for key in data), default=0)
    return "\n".join(
        f"{key.replace('_', ' '):<{width}}  {_beside(value)}".rstrip() for key, value in data.items()
    )


def _beside(value: Any) -> str:
    """Return what stands beside a name: one line, or a table or a list of its own below it."""
    gap = "\n" + " " * 4
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return gap + table_text(value, tuple(value[0])).replace("\n", gap)
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
    return isinstance(value, int | float | None) or value in NOT_FINITE


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
