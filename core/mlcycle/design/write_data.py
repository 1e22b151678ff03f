"""The text of `data.yaml` and `checks/<table>.yaml` for a profiled file, with what the profile saw as comments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from mlcycle.declare import scalar
from mlcycle.declare.model import ROW_NUMBER
from mlcycle.design.plan import Plan
from mlcycle.design.profile import Column, FileProfile

__all__ = ["checks_yaml", "comment", "data_yaml", "describe"]

LISTED = 20
"""Values up to which a set is proposed."""
SHOWN = 28
"""Characters of a value in a comment."""


def comment(text: object) -> str:
    """Return text that is safe in a comment: one line, printable, short."""
    shown = "".join(one if one.isprintable() else "?" for one in str(text))
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


def describe(column: Column) -> str:
    """Return what the profile saw in a column, for a comment."""
    said = []
    if column.missing:
        share = 100 * column.missing / column.rows
        said.append(f"{share:.1f} % missing" if share >= 0.1 else f"{column.missing:,} missing")
    said.append(f"{column.distinct:,} distinct")
    if column.type != "text" and column.least is not None:
        said.append(f"{comment(_short(column.least))} to {comment(_short(column.greatest))}")
    elif column.examples:
        said.append("such as " + ", ".join(comment(example) for example in column.examples))
    return ", ".join(said)


def data_yaml(profile: FileProfile, plan: Plan, source: str, path: str) -> str:
    """Return `data.yaml`: one source with all columns of the file."""
    lines = [
        "# Where the data comes from. A file of the same name in inbox/ is a further batch of it.",
        f"# Seen in the file: {profile.rows:,} rows, {len(profile.columns)} columns.",
        "sources:",
        f"  {scalar(source)}:",
        f"    path: {scalar(path)}",
        f"    format: {profile.format}",
    ]
    if profile.table is not None:
        lines.append(f"    table: {scalar(profile.table)}")
    keys = [plan.key] if plan.time is None or plan.key == ROW_NUMBER else [plan.key, plan.time]
    written = scalar(keys[0]) if len(keys) == 1 else f"[{', '.join(scalar(key) for key in keys)}]"
    lines += [f"    # {comment_line(plan.key_why)}", f"    key: {written}"]
    if plan.time is not None:
        lines += [
            "    # when a row became true; a feature never sees a row before its time",
            f"    time: {scalar(plan.time)}",
        ]
    else:
        lines.append("    # time: COLUMN # when a row became true; without one the rows are timeless")
    lines.append("    columns: # integer, number, text, boolean, date or timestamp")
    lines += [f"      {scalar(one.name)}: {one.type} # {describe(one)}" for one in profile.columns.values()]
    return "\n".join(lines) + "\n"


def comment_line(text: str) -> str:
    """Return text that is safe in a comment, however long."""
    return "".join(one if one.isprintable() else "?" for one in text)


def checks_yaml(profile: FileProfile, plan: Plan, source: str, now: datetime) -> str:
    """Return `checks/<table>.yaml`: what holds of the file today, so that the first batch passes."""
    columns = profile.columns
    keys = [plan.key] if plan.time is None else [plan.key, plan.time]
    lines = [
        "# What a batch has to fulfil. Everything proposed here held for the file it was made from.",
        "# `severity: warning` lets a batch through; without it a broken rule refuses the batch.",
        f"table: {scalar(source)}",
        "",
        "consistency:",
    ]
    if profile.format in ("csv", "tsv", "jsonl"):
        lines += [
            "  - readable: true # lines that cannot be parsed are kept aside, never dropped",
            "    then: set_aside",
        ]
    if plan.key != ROW_NUMBER:
        written = scalar(keys[0]) if len(keys) == 1 else f"[{', '.join(scalar(key) for key in keys)}]"
        lines += [f"  - unique: {written}", "    then: set_aside # the rows after the first"]
    lines += list(_sets(profile, plan))
    lines += ["", "completeness:", *_filled(profile, plan), "  - rows: [1, null]", "", "timeliness:"]
    time = columns[plan.time] if plan.time is not None else None
    if time is not None and time.greatest is not None and _moment(time.greatest) <= now:
        lines += [
            f"  - not_after: {{{scalar(time.name)}: as_of}} # no row from the future",
            "    severity: warning",
        ]
    elif time is not None:
        lines.append(
            f"  # - not_after: {{{scalar(time.name)}: as_of}} # did not hold: some rows lie in the future"
        )
    else:
        lines.append("  # - fresh: {COLUMN: 3d} # needs a column of dates or timestamps")
    lines += ["", "accuracy:", *_ranges(profile, plan)]
    return "\n".join(lines) + "\n"


def _sets(profile: FileProfile, plan: Plan) -> Iterator[str]:
    for column in profile.columns.values():
        is_target = column.name == plan.target and plan.task != "regression"
        wanted = is_target or (
            column.type == "text" and 1 < column.distinct <= LISTED and column.name != plan.key
        )
        if not wanted or column.type == "boolean" or column.distinct > LISTED:
            continue
        values = sorted((value for value, _ in column.values), key=lambda value: (str(type(value)), value))
        written = ", ".join(scalar(value) for value in values)
        yield f"  - in_set: {{{scalar(column.name)}: [{written}]}}"
        if not is_target:
            yield "    severity: warning # a new value may be news, not an error"


def _filled(profile: FileProfile, plan: Plan) -> Iterator[str]:
    needed = (plan.target, plan.key, plan.time)
    for column in profile.columns.values():
        name = scalar(column.name)
        if column.name == plan.time and column.missing:
            yield f"  - not_null: {name} # {column.missing:,} rows have no moment; nothing can be asked about them"
            yield "    then: set_aside"
        elif column.missing:
            least = math.floor(100 * (1 - column.missing / column.rows)) / 100
            yield f"  # - {{not_null: {name}, mostly: {least}, severity: warning}} # {describe(column)}"
        else:
            yield f"  - not_null: {name}"
            if column.name not in needed:
                yield "    severity: warning"


def _ranges(profile: FileProfile, plan: Plan) -> Iterator[str]:
    for column in profile.columns.values():
        if not column.numeric or column.least is None or column.name == plan.key:
            continue
        if column.name == plan.target and plan.task != "regression":
            continue
        sides = f"[{scalar(column.least)}, {scalar(column.greatest)}]"
        yield f"  - between: {{{scalar(column.name)}: {sides}}} # as seen; widen it to what is possible"
        yield "    severity: warning"


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
