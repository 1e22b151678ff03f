"""Tables as files for other programs: CSV as RFC 4180 has it, and JSON. The CLI's `--csv` and the UI's export are one.

Values stay exact: times as ISO 8601, numbers with all their digits, lists and objects as JSON; nothing is an empty
field, an empty text is `""`. A text that begins with `=`, `+`, `-` or `@` stays as it is too, and a spreadsheet would
take it for a formula: open files with data of others as text there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway
    from mlcycle_app.pages import Arrangement

__all__ = ["FORMS", "csv_line", "export", "plain", "write_csv", "write_json", "write_table", "written"]

FORMS = ("csv", "json")
"""Kinds of file, which are also the ends of their names."""
NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
QUOTED = frozenset(',"\r\n')


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


def csv_line(values: Sequence[Any]) -> str:
    """Return one record with its line end."""
    fields = [_field(value) for value in values]
    # A line with nothing on it would be no record at all.
    return (",".join(fields) if len(fields) != 1 or fields[0] else '""') + "\r\n"


def write_csv(out: IO[str], columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a header and the rows; return how many rows there were."""
    out.write(csv_line(columns))
    count = 0
    for row in rows:
        out.write(csv_line([row.get(column) for column in columns]))
        count += 1
    return count


def write_json(out: IO[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write an array of objects, one a line; return how many there were."""
    count = 0
    for row in rows:
        out.write(",\n" if count else "[\n")
        out.write(json.dumps(plain(row), ensure_ascii=False))
        count += 1
    out.write("\n]\n" if count else "[]\n")
    return count


def write_table(gateway: Gateway, name: str, arranged: Arrangement, form: str, out: IO[str]) -> int:
    """Write every row of a table as it is filtered and sorted, all from one state of the store; return how many.

    Parameters
    ----------
    gateway, name, arranged
        The workspace, the table and its arrangement.
    form
        One of `FORMS`.
    out
        A text file that leaves line ends alone.
    """
    from mlcycle_app.tables import TABLES

    rows = (row for page in gateway.pages(name, arranged) for row in page.rows)
    return write_csv(out, TABLES[name].columns, rows) if form == "csv" else write_json(out, rows)


def export(gateway: Gateway, name: str, arranged: Arrangement, form: str, folder: Path | None = None) -> Path:
    """Write a table into a new file `<table>-<time>.<form>`; return its path.

    Parameters
    ----------
    gateway, name, arranged, form
        As for `write_table`.
    folder
        Where to; the current directory unless said.

    Raises
    ------
    CouldNot
        If the file cannot be written to its end; then there is none.
    """
    with _whole(gateway, name, form, folder) as out:
        write_table(gateway, name, arranged, form, out)
    return Path(out.name)


def written(gateway: Gateway, name: str, text: str, folder: Path | None = None) -> Path:
    """Write a text into a new file `<name>-<time>.txt`; return its path.

    Raises
    ------
    CouldNot
        If the file cannot be written to its end; then there is none.
    """
    with _whole(gateway, name, "txt", folder) as out:
        out.write(text)
    return Path(out.name)


@contextmanager
def _whole(gateway: Gateway, name: str, form: str, folder: Path | None) -> Iterator[IO[str]]:
    """Open a new file that stays only if all of it was written, what the buffer held included."""
    from mlcycle_app.gateway import CouldNot

    out = _fresh(gateway, name, form, folder)
    path = Path(out.name)
    try:
        with out:
            yield out
    except BaseException as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CouldNot(
                f"{path} cannot be written: {error.strerror or error}",
                hint="make room there, or start elsewhere",
            ) from error
        raise


def _fresh(gateway: Gateway, name: str, form: str, folder: Path | None) -> IO[str]:
    """Open a file that was not there."""
    from mlcycle_app.gateway import CouldNot

    stem = f"{name.replace(' ', '-')}-{gateway.wall():%Y%m%dT%H%M%SZ}"
    number, path = 1, Path(f"{stem}.{form}")
    try:
        place = Path.cwd() if folder is None else folder
        while True:
            path = place / (f"{stem}.{form}" if number == 1 else f"{stem}-{number}.{form}")
            try:
                return path.open("x", encoding="utf-8", newline="")
            except FileExistsError:
                number += 1
    except OSError as error:
        raise CouldNot(
            f"{path} cannot be written: {error.strerror}", hint="start in a folder that can be written"
        ) from error


def _field(value: Any) -> str:
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    text = str(value)
    if not text and isinstance(value, str):
        return '""'
    return '"' + text.replace('"', '""') + '"' if QUOTED & set(text) else text
