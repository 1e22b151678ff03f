"""From a file's profile to what to declare: task, key, moment, features, and what is left out and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlcycle.declare.model import OWN_COLUMNS, ROW_NUMBER
from mlcycle.declare.names import SCORE, plain_name, suggestion
from mlcycle.design.profile import FEW, TYPED, Column, FileProfile
from mlcycle.engines.local import Session, quote
from mlcycle.errors import DataError, UsageError

__all__ = ["MOMENTS", "Plan", "Task", "make_plan"]

Task = Literal["binary", "multiclass", "regression"]
MOMENTS = ("date", "timestamp")
MOST_CLASSES = 20
SHARE_TO_JUDGE = 0.25
FREE_TEXT = 40
"""Mean characters from which a text is taken for prose."""
SURE_LEAK = 0.99999
"""Correlation with the target from which a column is taken for the target itself."""
_ID_NAME = re.compile(
    r"(^|[_\W])(id|key|uuid|guid|code|index|nr|no|num|number)$|[a-z](Id|ID|Key)$|^(id|Id|ID)", re.ASCII
)


@dataclass(frozen=True)
class Plan:
    """What `init` will declare."""

    task: Task
    target: str
    classes: tuple[object, ...]
    """Values of the target in order, for the two kinds of classification."""
    key: str
    key_why: str
    time: str | None
    newest: int | None
    """Spine times that validate; None: a share by hash."""
    features: Mapping[str, str]
    """Feature to SQL."""
    feature_of: Mapping[str, str]
    """Feature to the column it comes from."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Column to why it is no feature."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Column to the SQL that names it."""


def make_plan(
    session: Session, profile: FileProfile, *, target: str, time: str | None, key: str | None
) -> Plan:
    """Decide what to declare for a file; the session holds its rows in the table `typed`.

    Raises
    ------
    UsageError
        If a named column does not exist or cannot be what it is named as.
    DataError
        If there is nothing to learn: one target value, or no column to learn from.
    """
    columns = profile.columns
    for role, name in (("target", target), ("time", time), ("key", key)):
        if name is not None and name not in columns:
            raise UsageError(
                f"{profile.path} has no column `{name}`{suggestion(name, columns, what='its columns')}",
                hint=f"--{role} COLUMN",
            )
    if len({name for name in (target, time, key) if name}) < sum(1 for name in (target, time, key) if name):
        raise UsageError("--target, --time and --key must name different columns")
    task, classes = _task(profile, columns[target])
    if time is not None and columns[time].type not in MOMENTS:
        raise UsageError(
            f"`{time}` is {columns[time].type}, not a date or a timestamp",
            hint="write its values as 2026-01-31 or 2026-01-31 12:00:00",
        )
    chosen, why = _key(session, profile, target, time, key)
    newest = None if time is None else _newest(session, time)
    left_out = _left_out(session, profile, target, time, chosen)
    references = _references(session, columns)
    features, feature_of = _features(profile, references, (target, time, chosen), left_out)
    if not features:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise DataError(
            f"{profile.path} has no column to learn from ({reasons or 'nothing but target and key'})"
        )
    return Plan(task, target, classes, chosen, why, time, newest, features, feature_of, left_out, references)


def _task(profile: FileProfile, target: Column) -> tuple[Task, tuple[object, ...]]:
    if target.distinct < 2:
        raise DataError(
            f"every row of {profile.path} has the same `{target.name}`: there is nothing to learn",
            hint="choose another --target",
        )
    if target.type in MOMENTS:
        raise UsageError(
            f"`{target.name}` is a {target.type}; a target is a number, a class, or yes and no",
            hint="--target COLUMN",
        )
    classes = tuple(
        sorted((value for value, _ in target.values), key=lambda value: (str(type(value)), value))
    )
    if target.distinct == 2:
        return "binary", classes
    if target.type in ("text", "integer") and target.distinct <= MOST_CLASSES:
        return "multiclass", classes
    if target.type == "text":
        raise UsageError(
            f"`{target.name}` holds {target.distinct:,} different texts; {MOST_CLASSES} classes can be told apart",
            hint="choose another --target, or group its values first",
        )
    return "regression", ()


def _key(
    session: Session, profile: FileProfile, target: str, time: str | None, given: str | None
) -> tuple[str, str]:
    columns = profile.columns
    if given is not None:
        column = columns[given]
        beside = "" if time is None else f" beside `{time}`"
        if column.missing:
            raise UsageError(
                f"`{given}` is missing in {column.missing:,} rows; a key is always there",
                hint="leave --key out to number the rows",
            )
        if not _is_unique(session, profile, [given] if time is None else [given, time]):
            raise UsageError(
                f"`{given}` is not unique{beside}; a key names one row",
                hint="leave --key out to number the rows, or give --time",
            )
        if given.casefold() in OWN_COLUMNS[1:]:
            raise UsageError(
                f"no key may be called `{given}`: training sets have a column of that name",
                hint="rename it in the file",
            )
        return given, "as you said"
    for position, column in enumerate(columns.values()):
        if column.name in (target, time) or column.missing or column.type not in ("integer", "text"):
            continue
        if column.name.casefold() in OWN_COLUMNS[1:]:
            continue
        named = _ID_NAME.search(column.name) is not None
        if column.distinct == profile.rows and (named or (position == 0 and _counts_up(column))):
            return column.name, "unique and never missing"
        if named and time is not None and _is_unique(session, profile, [column.name, time]):
            return column.name, f"unique for each `{time}`"
    if ROW_NUMBER in columns:
        raise UsageError(
            f"no column is a key, and `{ROW_NUMBER}`, which would number the rows, is a column of the file",
            hint="rename it in the file",
        )
    return ROW_NUMBER, "no column is unique, so rows are numbered as they come"


def _counts_up(column: Column) -> bool:
    """A text of its own in every row, or whole numbers without a gap."""
    if column.type == "text":
        return (column.length or 0) < FREE_TEXT
    return bool(column.greatest - column.least + 1 == column.distinct)


def _is_unique(session: Session, profile: FileProfile, names: Iterable[str]) -> bool:
    listed = ", ".join(quote(name) for name in names)
    return (
        int(session.one(f"SELECT count(*) AS n FROM (SELECT DISTINCT {listed} FROM {TYPED})")["n"])
        == profile.rows
    )


def _newest(session: Session, time: str) -> int | None:
    """Return how many of the newest times hold about a quarter of the rows; None if there is one time only."""
    moment = quote(time)
    counted = session.rows(
        f"SELECT count(*) AS n FROM {TYPED} WHERE {moment} IS NOT NULL GROUP BY {moment} ORDER BY {moment} DESC"
    )
    if len(counted) < 2:
        return None
    wanted, seen = SHARE_TO_JUDGE * sum(row["n"] for row in counted), 0
    for position, row in enumerate(counted[:-1], start=1):
        seen += row["n"]
        if seen >= wanted:
            return position
    return len(counted) - 1


def _left_out(
    session: Session, profile: FileProfile, target: str, time: str | None, key: str
) -> dict[str, str]:
    reasons: dict[str, str] = {}
    wanted = profile.columns[target]
    for column in profile.columns.values():
        if column.name in (target, time, key):
            continue
        reason = _unfit(column, profile.rows) or _tells_target(session, column, wanted)
        if reason is None and time is not None and column.type in MOMENTS:
            late = session.one(
                f"SELECT count(*) AS n FROM {TYPED} WHERE {quote(column.name)} > {quote(time)}"
            )["n"]
            if late:
                reason = f"later than `{time}` in {late:,} rows: it comes from the future"
        if reason is not None:
            reasons[column.name] = reason
    return reasons


def _unfit(column: Column, rows: int) -> str | None:
    if column.distinct == 0:
        return "it never has a value"
    if column.distinct == 1:
        return "it has one value only"
    if column.name.casefold() == "as_of":
        return "`as_of` means the moment asked about; rename the column to use it"
    if column.type == "text" and column.distinct > FEW and (column.length or 0) >= FREE_TEXT:
        return f"free text ({column.length:.0f} characters on average)"
    if column.type == "text" and column.distinct == rows - column.missing and column.distinct > MOST_CLASSES:
        return "a text of its own in every row: it names the row, it does not describe it"
    if column.type == "text" and column.distinct > FEW:
        return f"{column.distinct:,} different texts are too many for categories"
    if column.type == "integer" and column.distinct == rows and _ID_NAME.search(column.name):
        return "it looks like an identifier"
    return None


def _tells_target(session: Session, column: Column, target: Column) -> str | None:
    """Say why a column looks like the target in other words."""
    one, two = quote(column.name), quote(target.name)
    both = f"FROM {TYPED} WHERE {one} IS NOT NULL AND {two} IS NOT NULL"
    if column.numeric and target.numeric:
        found = session.one(f"SELECT abs(corr({one}::DOUBLE, {two}::DOUBLE)) AS r {both}")["r"]
        if found is not None and found > SURE_LEAK:
            return "it is the target in other numbers"
    if target.distinct <= MOST_CLASSES and column.distinct <= FEW and column.rows >= 10 * column.distinct:
        pairs = session.one(f"SELECT count(*) AS n FROM (SELECT DISTINCT {one}, {two} {both})")["n"]
        if pairs <= column.distinct:
            return "each of its values goes with one value of the target: it tells the answer"
    return None


def _features(
    profile: FileProfile,
    references: Mapping[str, str],
    taken: tuple[str, str | None, str],
    left_out: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    names = {*OWN_COLUMNS, SCORE, taken[2].casefold()}
    features: dict[str, str] = {}
    feature_of: dict[str, str] = {}
    for column in profile.columns.values():
        if column.name in taken or column.name in left_out:
            continue
        feature, sql = plain_name(column.name), references[column.name]
        if column.type in MOMENTS:
            feature, sql = _days(feature, sql, taken[1])
        while feature.casefold() in names:
            feature += "_value"
        names.add(feature.casefold())
        features[feature], feature_of[feature] = sql, column.name
    return features, feature_of


def _references(session: Session, names: Iterable[str]) -> dict[str, str]:
    keywords = {row["k"] for row in session.rows("SELECT lower(keyword_name) AS k FROM duckdb_keywords()")}
    plain = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
    return {one: one if plain.fullmatch(one) and one.lower() not in keywords else quote(one) for one in names}


def _days(name: str, sql: str, time: str | None) -> tuple[str, str]:
    if time is not None:
        return f"days_since_{name}", f"date_diff('day', {sql}::DATE, as_of::DATE)"
    return f"{name}_day", f"date_diff('day', DATE '1970-01-01', {sql}::DATE)"
