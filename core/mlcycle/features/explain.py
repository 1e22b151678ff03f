"""Why a feature has its value: the rows that gave it, and those that the moment hides.

Values come from the compiled relation that training sets come from. Rows come from the same conditions over the same
events, one feature at a time, with the place of each row beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mlcycle import clock, data
from mlcycle.data import records as deliveries
from mlcycle.data.model import BATCH_NUMBER
from mlcycle.declare.model import Window, keys_of
from mlcycle.engines.local import literal, quote
from mlcycle.features.foreign import one_row
from mlcycle.features.model import Explained, Explanation, LeftOut, SourceRow
from mlcycle.features.resolve import ResolvedView, function_of
from mlcycle.features.rows import fetch
from mlcycle.features.tables import Opened, opened
from mlcycle.features.windows import (
    IN_TIME,
    KNOWN,
    NEVER,
    NEWEST,
    epoch,
    event_rank,
    events_sql,
    inputs,
    matches,
    ranked,
    row_struct,
    span_of,
    timeless_rank,
)
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["explain"]

MOST = 20
"""Rows shown of those that gave a value, unless said."""
ONE = '"__one" s'
PAIRS = f'{ONE} JOIN "__traced" e ON TRUE'
BY_PLACE = "e.__file, e.__line"
USED = "<used>"
LINE = "file_row_number"
"""A column of this name hides where the rows of its table lie."""


def explain(
    workspace: Workspace, key: str | Sequence[Any], as_of: datetime | None = None, *, most: int = MOST
) -> Explanation:
    """Return one entity's features at a moment, each with the rows that gave it and those it does not see yet.

    Parameters
    ----------
    workspace
        Where.
    key
        The entity as predictions carry it (several keys joined by `|`), or the key values in their order.
    as_of
        The moment, now unless said. Features of the spine's own row come from its newest one up to then.
    most
        Rows to show of those that gave a value; all are counted.

    Returns
    -------
    Explanation
        The values are those of `get`. Views in SQL are not traced to rows, and say so.

    Raises
    ------
    NotFoundError
        As `get` does.
    """
    moment = as_of or clock.now()
    with opened(workspace) as tables:
        trace = _Trace(workspace, tables, most)
        relation = one_row(tables, key, moment, table=trace.place(tables.features.spine.table))
        compiled = tables.compile(as_of=moment, relation=relation)
        found = next(fetch(tables, compiled).instances())
        spine = tables.spine(as_of=moment, relation=relation)
        tables.session.execute(f'CREATE OR REPLACE TEMP TABLE "__one" AS {spine}')
        explained = {
            one.feature: one
            for view in tables.resolved
            for one in trace.view(view, found["features"], moment)
        }
        # An SQL view lists its features only once it is compiled.
        for feature in compiled.features:
            if feature.name not in explained:
                value = found["features"][feature.name]
                explained[feature.name] = _untraced(feature.name, feature.view, value)
        return Explanation(
            entity=found["entity"],
            as_of=None if found["as_of"] is None else datetime.fromisoformat(found["as_of"]),
            asked=moment,
            features=tuple(explained[feature.name] for feature in compiled.features),
            dataset_versions=tables.versions,
        )


def _untraced(feature: str, view: str, value: Any) -> Explained:
    note = "the view is SQL of its own, which is not traced to rows"
    return Explained(feature, view, "the view's own SQL", value, None, None, (), (), note)


@dataclass(frozen=True)
class _Asked:
    """One feature's question to the events of a view."""

    feature: str
    how: str
    inside: str
    """Whether an event is in the window, its times apart."""
    matter: str
    """Whether it will be, once its time has come."""
    gives: str
    """Whether an event in the window gives the value; USED stands for the condition of being in it."""
    value: str
    """What the feature takes from an event."""
    only: bool = False
    """One event gives it, the first of equal ones."""
    fill: float | None = None


class _Trace:
    """Looks for the rows behind the features of one spine row."""

    def __init__(self, workspace: Workspace, tables: Opened, most: int) -> None:
        self._workspace, self._tables, self._most = workspace, tables, most
        self._session = tables.session
        self._batches: dict[str, list[str]] = {}
        self._placed: set[str] = set()

    def place(self, table: str) -> str:
        """Return the name under which a table's rows say where they lie."""
        name = f"__placed_{table}"
        if table not in self._placed and table in self._tables.catalog:
            self._placed.add(table)
            if LINE in self._tables.catalog[table]:
                select = f"SELECT *, '' AS __file, CAST(NULL AS BIGINT) AS __line FROM {quote(table)}"
                self._session.execute(f"CREATE OR REPLACE VIEW {quote(name)} AS {select}")
            else:
                self._session.table(name, self._version(table).parts, places=True)
        return name

    def view(self, view: ResolvedView, values: dict[str, Any], moment: datetime) -> Iterator[Explained]:
        """Explain a view's features; none of a view in SQL."""
        if view.kind == "sql":
            return
        if view.kind == "own row":
            yield from self._own_row(view, values, moment)
            return
        self._collect(view)
        in_time = IN_TIME if view.time else "TRUE"
        known = KNOWN if view.time or view.known else "TRUE"
        for asked in _questions(view):
            yield self._answer(view, asked, values[asked.feature], in_time, known)

    def _collect(self, view: ResolvedView) -> None:
        """Keep all events of the entity, with what the view's features ask of each and where it lies."""
        columns = self._tables.catalog[view.table]
        rank = event_rank(view) if view.time else timeless_rank(columns)
        extra = [*self._identity(view.table), f"{rank} AS __rank", f"{row_struct(columns)} AS __r"]
        events = events_sql(
            view, columns, *inputs(view), relation=f"{quote(self.place(view.table))} e", extra=extra
        )
        same = " AND ".join(matches(view)) or "TRUE"
        self._session.execute(
            f'CREATE OR REPLACE TEMP TABLE "__traced" AS SELECT e.* FROM {ONE} JOIN ({events}) e ON {same}'
        )

    def _answer(self, view: ResolvedView, asked: _Asked, value: Any, in_time: str, known: str) -> Explained:
        used = f"{asked.inside} AND {in_time} AND {known}"
        gives = f"{used} AND {asked.gives.replace(USED, used)}"
        future = f"{asked.matter} AND NOT {in_time}"
        unknown = f"{asked.inside} AND {in_time} AND NOT {known}"
        counts = self._session.one(
            f"SELECT count(*) FILTER ({used}) AS used, count(*) FILTER ({gives}) AS gives, "
            f"count(*) FILTER ({future}) AS future, count(*) FILTER ({unknown}) AS unknown FROM {PAIRS}"
        )
        most = 1 if asked.only else self._most
        rows = self._rows(view.table, asked.value, gives, f"e.__t DESC NULLS LAST, {BY_PLACE}", most)
        left_out = []
        if view.time:
            first = self._rows(view.table, asked.value, future, f"e.__t, e.__k, {BY_PLACE}", 1)
            left_out.append(LeftOut("in the future", counts["future"], first[0] if first else None))
        if view.known:
            first = self._rows(view.table, asked.value, unknown, f"e.__k, e.__t, {BY_PLACE}", 1)
            left_out.append(LeftOut("not yet known", counts["unknown"], first[0] if first else None))
        empty = not rows or (asked.only and rows[0].value is None)
        note = f"no row gave a value: {asked.fill:g} is filled in" if asked.fill is not None and empty else ""
        if asked.only and counts["gives"] > 1:
            note = f"the first of {counts['gives']} equal rows"
        return Explained(
            asked.feature,
            view.name,
            asked.how,
            value,
            counts["used"],
            min(counts["gives"], 1) if asked.only else counts["gives"],
            tuple(rows),
            tuple(left_out),
            note,
        )

    def _own_row(self, view: ResolvedView, values: dict[str, Any], moment: datetime) -> Iterator[Explained]:
        spine = self._tables.features.spine
        placed = quote(self.place(spine.table))
        time = epoch(f"e.{quote(spine.time)}") if spine.time else "CAST(NULL AS BIGINT)"
        same = " AND ".join(f"s.{quote(key)} = e.{quote(key)}" for key in self._tables.keys)
        listed = ", ".join(self._identity(spine.table))
        self._session.execute(
            f'CREATE OR REPLACE TEMP TABLE "__traced" AS SELECT {listed}, {time} AS __t, NULL AS __k, '
            "e.__file = s.__file AND e.__line IS NOT DISTINCT FROM s.__line AS __own "
            f"FROM {ONE} JOIN {placed} e ON {same}"
        )
        rows = self._rows(spine.table, "NULL", "e.__own", BY_PLACE, 1)
        later = f"e.__t > epoch_us({literal(moment)})"
        first = self._rows(spine.table, "NULL", later, f"e.__t, {BY_PLACE}", 1)
        count = self._session.one(f"SELECT count(*) FILTER ({later}) AS n FROM {PAIRS}")["n"]
        left_out = (LeftOut("in the future", count, first[0] if first else None),) if spine.time else ()
        for feature, text in view.view.features.items():
            how = f"{text}, of the newest row up to the moment"
            yield Explained(feature, view.name, how, values[feature], 1, 1, tuple(rows), left_out)

    def _identity(self, table: str) -> list[str]:
        """Return what says of a row which one it is."""
        source = self._tables.declarations.data.sources.get(table)
        columns = self._tables.catalog[table]
        names = [name for name in keys_of(source.key) if name in columns] if source else []
        key = ", ".join(f"e.{quote(name)}::VARCHAR" for name in names)
        number = f"e.{quote(BATCH_NUMBER)}" if BATCH_NUMBER in columns else "CAST(NULL AS BIGINT)"
        return [
            f"nullif(concat_ws(', ', {key or 'NULL'}), '') AS __key",
            "e.__file AS __file",
            "e.__line AS __line",
            f"{number} AS __batch",
        ]

    def _rows(self, table: str, value: str, where: str, order: str, most: int) -> list[SourceRow]:
        found = self._session.rows(
            f"SELECT e.__file, e.__line, e.__batch, e.__key, make_timestamp(e.__t) AS at, "
            # A row without any time is taken as known since 1970.
            f"CASE WHEN e.__k < {NEVER} AND (e.__t IS NOT NULL OR e.__k <> 0) THEN make_timestamp(e.__k) END "
            f"AS known, {value} AS value "
            f"FROM {PAIRS} WHERE {where} ORDER BY {order} LIMIT {int(most)}"
        )
        return [self._row(table, row) for row in found]

    def _row(self, table: str, row: dict[str, Any]) -> SourceRow:
        return SourceRow(
            dataset=table,
            part=row["__file"].replace("\\", "/").rpartition("/")[2].removesuffix(".parquet"),
            row=row["__line"],
            batch=self._batch(table, row["__batch"]),
            key=row["__key"],
            event_time=row["at"],
            known_at=row["known"],
            value=row["value"],
        )

    def _batch(self, table: str, number: int | None) -> str | None:
        if table not in self._batches:
            arrived = deliveries.batches(Store(self._workspace), source=table)
            self._batches[table] = [batch.path for batch in arrived]
        known = self._batches[table]
        return known[number - 1] if number is not None and 0 < number <= len(known) else None

    def _version(self, table: str) -> data.DatasetVersion:
        wanted = self._tables.versions.get(table)
        versions = data.list_versions(self._workspace, table)
        return next((one for one in versions if one.dataset_version == wanted), versions[-1])


def _questions(view: ResolvedView) -> Iterator[_Asked]:
    for feature, text in view.view.features.items():
        what = "the newest row" if view.time else "the newest batch's row"
        newest = f"{NEWEST} IS NOT DISTINCT FROM (SELECT max({NEWEST}) FROM {PAIRS} WHERE {USED})"
        yield _Asked(feature, f"{text}, of {what}", "TRUE", "TRUE", newest, "NULL", only=True)
    values, conditions = inputs(view)
    for feature, window in view.view.windows.items():
        function, argument = function_of(view.name, feature, window)
        span = span_of(window)
        asked = _Asked(
            feature,
            _how(function, argument, window),
            inside=span.condition(conditions) or "TRUE",
            matter=f"e.{conditions[window.where]}" if window.where else "TRUE",
            gives="TRUE",
            value=f"e.{values[argument]}" if argument in values else "NULL",
            fill=None if function == "count" else window.fill,
        )
        yield replace(asked, **_giving(view, window, function, asked.value, values))


def _giving(
    view: ResolvedView, window: Window, function: str, value: str, values: dict[str, str]
) -> dict[str, Any]:
    """Return which of a window's events give its value."""
    if function == "latest":
        span = span_of(window)
        windows = view.view.windows.values()
        alike = [one.latest for one in windows if one.latest is not None and span_of(one) == span]
        rank = ranked([values[text] for text in alike])
        best = f"(SELECT max({rank}) FROM {PAIRS} WHERE {USED})"
        return {"gives": f"{rank} IS NOT DISTINCT FROM {best}", "only": True}
    if function in ("min", "max", "days_since"):
        number = f"CAST({value} AS TIMESTAMP)" if function == "days_since" else value
        best = f"(SELECT {'min' if function == 'min' else 'max'}({number}) FROM {PAIRS} WHERE {USED})"
        return {"gives": f"{number} = {best}"}
    return {"gives": "TRUE" if value == "NULL" else f"{value} IS NOT NULL"}


def _how(function: str, argument: str, window: Window) -> str:
    words = [f"{function.replace('_', ' ')} {'of rows' if argument == '*' else argument}"]
    if window.over:
        words.append(f"over {window.over}")
    if window.until:
        words.append(f"until {window.until} before")
    if window.where:
        words.append(f"where {window.where}")
    return ", ".join(words)
