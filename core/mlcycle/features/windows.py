"""SQL of one view: window aggregates, newest rows, rows by key, and the user's own SELECT.

Each builder returns common table expressions that meet the spine by `__rid`, and for each feature the expression
that reads it from them. The spine (`__spine`) offers `__rid`, the keys, `__as_of` and `__cutoff` as timestamps, and
`__t` and `__hi`, the same two as microseconds since the epoch: integers, so that a day is always 24 hours and no
session time zone plays a part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlcycle.data.model import BATCH_NUMBER
from mlcycle.declare.model import Window
from mlcycle.engines.local import literal, quote
from mlcycle.features.resolve import Catalog, ResolvedView, function_of, microseconds

__all__ = [
    "IN_TIME",
    "KNOWN",
    "MANY_ROWS",
    "NEVER",
    "NEWEST",
    "Span",
    "ViewSql",
    "as_sql",
    "epoch",
    "event_rank",
    "event_view",
    "events_sql",
    "inputs",
    "known_sql",
    "matches",
    "own_view",
    "ranked",
    "row_struct",
    "span_of",
    "sql_view",
    "timeless_rank",
    "timeless_view",
    "user_sql",
]

READ = {"count": "coalesce({0}, 0)", "days_since": "date_diff('day', {0}, s.__as_of)"}
"""How a feature is read from its aggregate, where not as it is: no row at all counts 0."""

SUMS = ("sum", "avg")

NEWEST = "{'rank': e.__rank, 'r': e.__r}"
"""The struct whose maximum holds an entity's newest row; of equal ranks the greatest values."""
IN_TIME, KNOWN = "e.__t <= s.__hi", "e.__k <= s.__hi"
"""Whether an event had happened, and was known, at the cutoff."""

NEVER = "9223372036854775807"
MANY_ROWS = "its sql returns more than one row for a row_id"


@dataclass
class ViewSql:
    """What one view adds to the statement."""

    view: str
    tables: dict[str, str] = field(default_factory=dict)
    """CTE name to its query, in order."""
    features: dict[str, str] = field(default_factory=dict)
    """Feature to the expression over `s` (the spine) and the CTEs."""
    joins: list[str] = field(default_factory=list)
    """CTEs to be joined to the spine by `__rid`."""
    fills: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """Which events of an entity a window sees, as a filter over the joined pair."""

    over: int | None
    until: int | None
    where: str | None

    def condition(self, conditions: Mapping[str, str], bound: int | None = None) -> str:
        """Return the filter over an event `e` and a spine row `s`; empty for all, `bound` is tested elsewhere."""
        parts = [f"e.{conditions[self.where]}"] if self.where else []
        if self.over is not None and self.over != bound:
            parts.append(f"e.__t > s.__t - {self.over}")
        if self.until is not None:
            parts.append(f"e.__t <= s.__t - {self.until}")
        return " AND ".join(parts)


def epoch(column: str) -> str:
    """Return SQL for a time as microseconds since the epoch; NULL for NULL and for infinity."""
    moment = f"CAST({column} AS TIMESTAMP)"
    return f"CASE WHEN isfinite({moment}) THEN epoch_us({moment}) END"


def event_view(resolved: ResolvedView, catalog: Catalog, number: int) -> ViewSql:
    """Compile windows, and expressions over the newest row, of a table with event times."""
    sql = ViewSql(resolved.name)
    if resolved.view.features:
        _newest(sql, resolved, catalog[resolved.table], f"__n{number}", event_rank(resolved))
    if resolved.view.windows:
        _windows(sql, resolved, catalog[resolved.table], f"__v{number}")
    return sql


def timeless_view(resolved: ResolvedView, catalog: Catalog, number: int) -> ViewSql:
    """Compile expressions over a table without event time: by key the row of the newest batch."""
    sql = ViewSql(resolved.name)
    columns = catalog[resolved.table]
    _newest(sql, resolved, columns, f"__n{number}", timeless_rank(columns))
    return sql


def event_rank(resolved: ResolvedView) -> str:
    """Return the struct whose maximum is the newest row of a table with event times."""
    return f"{{'t': {epoch(quote(resolved.time or ''))}, 'k': {known_sql(resolved)}}}"


def timeless_rank(columns: Mapping[str, str]) -> str:
    """Return the struct whose maximum is the newest row of a table without."""
    return f"{{'b': {quote(BATCH_NUMBER) if BATCH_NUMBER in columns else '0'}}}"


def own_view(
    resolved: ResolvedView, columns: Mapping[str, str], number: int, hidden: tuple[str, str] | None
) -> ViewSql:
    """Compile expressions over the spine's own row; `hidden` is the target and the column of when it was known."""
    name = f"__o{number}"
    # a column of the table called as_of would hide the moment that expressions may use
    star = "* EXCLUDE (as_of)" if "as_of" in columns else "*"
    if hidden is not None:
        target, known = (quote(column) for column in hidden)
        late = f"CASE WHEN coalesce(CAST({known} AS TIMESTAMP), __as_of) <= __cutoff THEN {target} END"
        star = f"{star} REPLACE ({late} AS {target})"
    listed = _expressions(resolved, columns)
    return ViewSql(
        resolved.name,
        tables={name: f"SELECT __rid, {listed} FROM (SELECT {star}, __as_of AS as_of FROM __spine)"},
        features={feature: f"{name}.__f{i}" for i, feature in enumerate(resolved.view.features)},
        joins=[name],
    )


def sql_view(resolved: ResolvedView, keys: list[str], columns: list[str], number: int) -> ViewSql:
    """Compile the user's SELECT: the spine and the clean tables are what it sees; `columns` are its features."""
    name, user = f"__q{number}", user_sql(resolved, keys)
    message = literal(f"view {resolved.name}: {MANY_ROWS}")
    listed = ", ".join(f"{quote(column)} AS __f{i}" for i, column in enumerate(columns))
    checked = (
        f"SELECT row_id AS __rid, {listed} FROM ({user}) "
        f"QUALIFY CASE WHEN count(*) OVER (PARTITION BY row_id) > 1 THEN error({message}) ELSE TRUE END"
    )
    return ViewSql(
        resolved.name,
        tables={name: checked},
        features={column: f"{name}.__f{i}" for i, column in enumerate(columns)},
        joins=[name],
        fills=dict(resolved.view.fills),
    )


def user_sql(resolved: ResolvedView, keys: list[str]) -> str:
    """Return the user's SELECT of an SQL view with the relation `spine` before it."""
    listed = ", ".join(quote(key) for key in keys)
    spine = f"SELECT __rid AS row_id, {listed}, __as_of AS as_of, __cutoff AS cutoff FROM __spine"
    select = (resolved.view.sql or "").strip().rstrip(";")
    return f"WITH spine AS ({spine}) SELECT * FROM (\n{select}\n)"


def as_sql(text: str, columns: Mapping[str, str]) -> str:
    """Return a declared text as SQL: a column's name, which may be a keyword or have blanks, else an expression."""
    return quote(text) if text in columns else f"(\n{text}\n)"


def _windows(sql: ViewSql, resolved: ResolvedView, columns: Mapping[str, str], name: str) -> None:
    windows = resolved.view.windows
    spans = {feature: span_of(window) for feature, window in windows.items()}
    overs = [span.over for span in spans.values()]
    bound = None if None in overs else max(over for over in overs if over is not None)
    values, conditions = inputs(resolved)
    kept = {span: _filter(span.condition(conditions, bound)) for span in spans.values()}
    selected: dict[str, str] = {}
    newest = {span: f"__m{i}" for i, span in enumerate(kept)}
    for i, (feature, window) in enumerate(windows.items()):
        span, (function, argument) = spans[feature], function_of(resolved.name, feature, window)
        if function == "latest":
            alike = [w.latest for f, w in windows.items() if w.latest is not None and spans[f] == span]
            selected[newest[span]] = f"max({ranked([values[other] for other in alike])}){kept[span]}"
            sql.features[feature] = f"{name}.{newest[span]}.{values[argument]}"
        else:
            selected[f"__f{i}"] = _aggregate(function, values.get(argument, ""), kept[span])
            sql.features[feature] = READ.get(function, "{0}").format(f"{name}.__f{i}")
        if window.fill is not None:
            sql.fills[feature] = window.fill
    listed = ", ".join(f"{expression} AS {column}" for column, expression in selected.items())
    lower = [] if bound is None else [f"e.__t > s.__t - {bound}"]
    pairs = " AND ".join([*matches(resolved), IN_TIME, KNOWN, *lower])
    events = events_sql(resolved, columns, values, conditions)
    sql.tables[name] = (
        f"SELECT s.__rid, {listed} FROM __spine s JOIN ({events}) e ON {pairs} GROUP BY s.__rid"
    )
    sql.joins.append(name)


def _aggregate(function: str, value: str, kept: str) -> str:
    if function == "count":
        return (f"count(e.{value})" if value else "count(*)") + kept
    if function == "days_since":
        return f"max(CAST(e.{value} AS TIMESTAMP)){kept}"
    if function in SUMS:
        total = f"sum(e.{value}h){kept} + sum(e.{value}l){kept}"
        return f"({total}) / count(e.{value}h){kept}" if function == "avg" else total
    return f"{function}(e.{value}){kept}"


def _halves(value: str) -> list[str]:
    """Split a number into its leading 24 bits and the rest.

    Halves of values of like size add up without rounding, so that a sum is the same in whatever order threads meet
    the rows; a plain sum of doubles differs in its last bits from run to run.
    """
    number = f"CAST({value} AS DOUBLE)"
    high = f"coalesce(CAST(TRY_CAST({number} AS FLOAT) AS DOUBLE), {number})"
    rest = f"CASE WHEN isfinite({high}) THEN {number} - {high} ELSE 0 END"
    return [f"{high} AS {value}h", f"CASE WHEN {value} IS NOT NULL THEN {rest} END AS {value}l"]


def _filter(condition: str) -> str:
    return f" FILTER ({condition})" if condition else ""


def span_of(window: Window) -> Span:
    """Return a declared window in microseconds."""
    over, until = (microseconds(text) if text else None for text in (window.over, window.until))
    return Span(over, until, window.where)


def inputs(resolved: ResolvedView) -> tuple[dict[str, str], dict[str, str]]:
    """Name each distinct argument and condition of a view's windows, to be evaluated once an event."""
    values: dict[str, str] = {}
    conditions: dict[str, str] = {}
    for feature, window in resolved.view.windows.items():
        function, argument = function_of(resolved.name, feature, window)
        if (function, argument) != ("count", "*"):
            values.setdefault(argument, f"__x{len(values)}")
        if window.where:
            conditions.setdefault(window.where, f"__w{len(conditions)}")
    return values, conditions


def events_sql(
    resolved: ResolvedView,
    columns: Mapping[str, str],
    values: Mapping[str, str],
    conditions: Mapping[str, str],
    *,
    relation: str | None = None,
    extra: Sequence[str] = (),
) -> str:
    """Return the SELECT of a table's rows as events: keys, times, and each argument and condition evaluated once.

    Parameters
    ----------
    resolved, columns
        The view, and its table's columns and types.
    values, conditions
        Texts to column names; see `inputs`.
    relation
        What stands for the table: quoted SQL.
    extra
        Further columns to select.
    """
    listed = [f"{quote(column)} AS __k{i}" for i, (_, column) in enumerate(resolved.keys)]
    time = epoch(quote(resolved.time)) if resolved.time else "CAST(NULL AS BIGINT)"
    listed += [f"{time} AS __t", f"{known_sql(resolved)} AS __k"]
    listed += [f"{as_sql(text, columns)} AS {name}" for text, name in (*values.items(), *conditions.items())]
    listed += extra
    functions = [
        function_of(resolved.name, feature, window) for feature, window in resolved.view.windows.items()
    ]
    summed = dict.fromkeys(values[argument] for function, argument in functions if function in SUMS)
    halves = [half for name in summed for half in _halves(name)]
    events = f"SELECT {', '.join(listed)} FROM {relation or quote(resolved.table)}"
    return f"SELECT {', '.join(['*', *halves])} FROM ({events})" if halves else events


def known_sql(resolved: ResolvedView) -> str:
    """Return when a row became known, in microseconds: NULL is its event time, infinity never."""
    time = epoch(quote(resolved.time)) if resolved.time else "0"
    if resolved.known is None:
        return time
    known = quote(resolved.known)
    return f"CASE WHEN {known} IS NULL THEN {time} ELSE coalesce({epoch(known)}, {NEVER}) END"


def row_struct(columns: Mapping[str, str]) -> str:
    """Return a table's row as a struct; its column `as_of`, if any, gives way to the moment asked about."""
    listed = ", ".join(f"{literal(column)}: {quote(column)}" for column in columns if column != "as_of")
    return f"{{{listed}}}"


def matches(resolved: ResolvedView) -> list[str]:
    """Return the conditions that an event is of a spine row's entity."""
    return [f"s.{quote(key)} = e.__k{i}" for i, (key, _) in enumerate(resolved.keys)]


def ranked(arguments: list[str]) -> str:
    """Return the struct whose maximum is the newest event: time, known time, then the greatest values, NULL least."""
    parts = ["'t': e.__t", "'k': e.__k"]
    for argument in dict.fromkeys(arguments):
        parts += [f"'n{argument}': e.{argument} IS NOT NULL", f"'{argument}': e.{argument}"]
    return f"{{{', '.join(parts)}}}"


def _newest(sql: ViewSql, resolved: ResolvedView, columns: Mapping[str, str], name: str, rank: str) -> None:
    """Add the expressions over an entity's newest row by `rank`, of the rows that the cutoff lets through."""
    keys = [f"{quote(column)} AS __k{i}" for i, (_, column) in enumerate(resolved.keys)]
    extra = [*keys, f"{rank} AS __rank", f"{row_struct(columns)} AS __r"]
    if resolved.time:
        extra.append(f"{epoch(quote(resolved.time))} AS __t")
    if resolved.known or resolved.time:
        extra.append(f"{known_sql(resolved)} AS __k")
    table = f"SELECT {', '.join(extra)} FROM {quote(resolved.table)}"
    newest = f"max({NEWEST}).r AS __r"
    if resolved.known or resolved.time:
        times = ([IN_TIME] if resolved.time else []) + [KNOWN]
        on = " AND ".join([*matches(resolved), *times])
        sql.tables[f"{name}r"] = (
            f"SELECT s.__rid, {newest} FROM __spine s JOIN ({table}) e ON {on} GROUP BY s.__rid"
        )
        on = "e.__rid = s.__rid"
    else:
        by = [f"__k{i}" for i in range(len(resolved.keys))]
        group = f" GROUP BY {', '.join(by)}" if by else ""
        sql.tables[f"{name}r"] = f"SELECT {', '.join([*by, newest])} FROM ({table}) e{group}"
        on = " AND ".join(matches(resolved)) or "TRUE"
    sql.tables[name] = (
        f"SELECT __rid, {_expressions(resolved, columns)} FROM (SELECT s.__rid, s.__as_of AS as_of, unnest(e.__r) "
        f"FROM __spine s LEFT JOIN {name}r e ON {on})"
    )
    sql.features |= {feature: f"{name}.__f{i}" for i, feature in enumerate(resolved.view.features)}
    sql.joins.append(name)


def _expressions(resolved: ResolvedView, columns: Mapping[str, str]) -> str:
    texts = resolved.view.features.values()
    return ", ".join(f"{as_sql(text, columns)} AS __f{i}" for i, text in enumerate(texts))
