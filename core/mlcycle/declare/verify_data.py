"""What data and check declarations say about each other: keys, times and rules name columns that exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mlcycle.declare.document import Document, Where
from mlcycle.declare.model import (
    CHECK_KINDS,
    Check,
    Checks,
    Data,
    Mend,
    Source,
    all_columns,
    keys_of,
    kinds_of,
)
from mlcycle.declare.names import suggestion

__all__ = ["DIMENSIONS", "column", "no_column", "table", "verify_checks", "verify_data", "zone"]

DIMENSIONS = ("consistency", "completeness", "timeliness", "accuracy")
MOMENTS = ("date", "timestamp")
RESERVED = ("spine",)
"""Table names that SQL views use for something else."""


def verify_data(document: Document, data: Data) -> None:
    """Refuse sources whose key, time or known column is not declared, or is no moment."""
    seen: dict[str, str] = {}
    for name, source in data.sources.items():
        where: Where = ("sources", name)
        if name.casefold() in RESERVED or not name.strip():
            raise document.error(where, f"no source may be called `{name}`", key=True)
        if name.casefold() in seen:
            raise document.error(
                where,
                f"`{name}` and `{seen[name.casefold()]}` differ only in case; SQL cannot tell them apart",
                key=True,
            )
        seen[name.casefold()] = name
        _verify_source(document, where, source)


def _verify_source(document: Document, where: Where, source: Source) -> None:
    columns = all_columns(source)
    if not source.path.strip():
        raise document.error((*where, "path"), "`path` is empty; it names a file or a glob")
    if not source.columns:
        raise document.error((*where, "columns"), "`columns` is empty; a source needs at least one column")
    for position, key in enumerate(keys_of(source.key)):
        at: Where = (*where, "key") if isinstance(source.key, str) else (*where, "key", position)
        column(document, at, key, columns, "this source")
    if not keys_of(source.key):
        raise document.error((*where, "key"), "`key` is empty", hint="key: row_number numbers the rows")
    for role in ("time", "known"):
        named = getattr(source, role)
        if named is not None:
            moment(document, (*where, role), named, columns, "this source")
    if source.time_zone is not None:
        zone(document, (*where, "time_zone"), source.time_zone)
    if source.table is not None and source.format != "sqlite":
        raise document.error(
            (*where, "table"), f"`table` is for sqlite files; this source is {source.format}", key=True
        )


def verify_checks(document: Document, checks: Checks, data: Data) -> None:
    """Refuse checks of an unknown table or column, and checks that state no rule or several."""
    source = table(document, ("table",), checks.table, data)
    columns = all_columns(source)
    for dimension in DIMENSIONS:
        for position, check in enumerate(getattr(checks, dimension)):
            _verify_check(document, (dimension, position), check, columns, data, checks.table)


def _verify_check(
    document: Document, where: Where, check: Check, columns: Mapping[str, str], data: Data, name: str
) -> None:
    kinds = kinds_of(check)
    if len(kinds) != 1:
        said = " and ".join(f"`{kind}`" for kind in kinds) or "none"
        raise document.error(
            where, f"a check states exactly one rule, found {said}", hint=f"one of {', '.join(CHECK_KINDS)}"
        )
    kind = kinds[0]
    for at, named in _columns_of(check, kind):
        column(document, (*where, *at), named, columns, name, key=bool(at) and at[-1] == named)
    _verify_shape(document, (*where, kind), check, columns, data)
    if isinstance(check.then, Mend):
        column(document, (*where, "then", "column"), check.then.column, columns, name)
    if check.then is not None and kind in ("rows", "fresh"):
        raise document.error(
            (*where, "then"), f"`{kind}` judges the batch: there are no rows to mend or set aside", key=True
        )
    if kind == "readable" and (isinstance(check.then, Mend) or check.readable is False):
        raise document.error(
            where, "lines that cannot be read are set aside: `readable: true`, `then: set_aside`"
        )


def _columns_of(check: Check, kind: str) -> Iterable[tuple[Where, str]]:
    value = getattr(check, kind)
    if kind in ("not_null", "unique"):
        if isinstance(value, str):
            yield (kind,), value
        else:
            yield from (((kind, position), one) for position, one in enumerate(value))
    elif isinstance(value, dict):
        yield from (((kind, one), one) for one in value)


def _verify_shape(
    document: Document, where: Where, check: Check, columns: Mapping[str, str], data: Data
) -> None:
    value = getattr(check, str(where[-1]))
    if isinstance(value, dict | list) and not value:
        raise document.error(where, f"`{where[-1]}` is empty")
    if check.rows is not None and len(check.rows) != 2:
        raise document.error(where, "`rows` is [least, most]; null leaves a side open")
    for named, sides in (check.between or {}).items():
        if len(sides) != 2:
            raise document.error((*where, named), "`between` is [lowest, highest]; null leaves a side open")
    for named, target in (check.exists_in or {}).items():
        _verify_reference(document, (*where, named), target, data)
    for named, other in (check.not_after or {}).items():
        moment(document, (*where, named), named, columns, "this table")
        if other != "as_of":
            moment(document, (*where, named), other, columns, "this table", also=("as_of",))
    for named in check.fresh or {}:
        moment(document, (*where, named), named, columns, "this table")
    if check.where is not None and not check.where.strip():
        raise document.error((*where[:-1], "where"), "`where` is empty; leave it out to check every row")


def _verify_reference(document: Document, where: Where, target: str, data: Data) -> None:
    for name, source in data.sources.items():
        if target.startswith(f"{name}."):
            column(document, where, target[len(name) + 1 :], all_columns(source), name)
            return
    if "." not in target:
        raise document.error(where, f"`{target}` must be written as `table.column`")
    table(document, where, target.split(".", 1)[0], data)


def table(document: Document, where: Where, name: str, data: Data) -> Source:
    """Return a declared source.

    Raises
    ------
    DeclarationError
        If no source carries the name.
    """
    if name not in data.sources:
        hint = "" if data.sources else "declare it in data.yaml"
        raise document.error(
            where,
            f"unknown table `{name}`{suggestion(name, data.sources, what='declared sources')}",
            hint=hint,
        )
    return data.sources[name]


def column(
    document: Document, where: Where, name: str, columns: Mapping[str, str], owner: str, *, key: bool = False
) -> str:
    """Return the type of a declared column.

    Raises
    ------
    DeclarationError
        If there is no such column; names the nearest.
    """
    if name not in columns:
        raise document.error(where, no_column(name, columns, owner), key=key)
    return columns[name]


def no_column(name: str, columns: Iterable[str], owner: str) -> str:
    """Return the message for a column that is not declared."""
    return f"`{name}` is no column of {owner}{suggestion(name, columns, what='its columns')}"


def moment(
    document: Document,
    where: Where,
    name: str,
    columns: Mapping[str, str],
    owner: str,
    *,
    also: tuple[str, ...] = (),
) -> None:
    """Refuse a column that is not declared or is neither a date nor a timestamp."""
    if name not in columns:
        raise document.error(where, no_column(name, [*columns, *also], owner))
    if columns[name] not in MOMENTS:
        raise document.error(
            where, f"`{name}` is declared as {columns[name]}; a moment is a date or a timestamp"
        )


def zone(document: Document, where: Where, name: str) -> None:
    """Refuse a time zone that nobody knows; without a zone database on this machine nothing is refused."""
    if name == "UTC":
        return
    from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError  # 5 ms that UTC does not need

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        if isinstance(error, ValueError) or any(Path(folder).is_dir() for folder in TZPATH):
            raise document.error(
                where, f"unknown time zone `{name}`", hint="write a name such as Europe/Berlin, or UTC"
            ) from error
