"""2 Data: what arrived, how it was judged, which rows broke a check and what became of them."""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from mlcycle_app.gateway import MlcycleError, NotFoundError
from mlcycle_app.tui.card import Bins, Card, Curve, Curves, Facts, Listing, Part, Words
from mlcycle_app.tui.cells import harmless
from mlcycle_app.tui.dialogs.rows_of_check import BadRow, RowsOfCheckScreen
from mlcycle_app.tui.dialogs.suggestions import Offer, SuggestionsScreen
from mlcycle_app.tui.keys import keyed, offered, written_key
from mlcycle_app.tui.performing import Performs
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.widgets.pane import Pane
from mlcycle_app.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from mlcycle.quality import ColumnSpread, Explained, FailingRow, Suggestion

__all__ = ["DataView"]

CHECK = """SELECT DISTINCT r.check_id FROM check_results r JOIN checks c USING (check_id)
WHERE c.name = ? AND right(r.batch_id::VARCHAR, 8) = ?"""
BATCH = "SELECT * FROM batches WHERE right(batch_id::VARCHAR, 8) = ?"
RESULTS = """SELECT CASE verdict WHEN 'pass' THEN 'ok' ELSE verdict END AS verdict, c.name AS "check", bad_rows AS bad,
  considered AS n, c.dimension FROM check_results r JOIN checks c USING (check_id)
WHERE right(r.batch_id::VARCHAR, 8) = ? AND r.ts = (SELECT max(ts) FROM check_results WHERE batch_id = r.batch_id)
ORDER BY CASE verdict WHEN 'fail' THEN 0 WHEN 'error' THEN 1 WHEN 'warn' THEN 2 ELSE 3 END, bad_rows DESC, c.name"""
ASIDE = """SELECT q.*, c.name, c.definition, b.path FROM quarantine q LEFT JOIN checks c USING (check_id)
LEFT JOIN batches b USING (batch_id) WHERE right(q.batch_id::VARCHAR, 8) = ? AND q.row_number = ? AND q.reason = ?"""
THERE = "SELECT EXISTS (FROM batches) AS arrived, EXISTS (FROM dataset_versions) AS checked"
NO_DATA = "no data yet: press {key} to ingest a file"
TO_CHECK, TO_SUGGEST = ("quality.check", "check"), ("data.suggest", "suggest", "a")
NOT_JUDGED = "no data is checked yet: press {key} to check what has arrived"
ASIDE_FATE = "it was set aside"
SPREADS = 6
"""Columns of a batch that are drawn; all are listed."""
SHOWN = 12
"""Failing rows in a card; `v` steps through all."""


class DataView(PhaseView):
    """The Data screen."""

    number: ClassVar[int] = 2
    tables: ClassVar[tuple[str, ...]] = ("checks", "batches", "quarantine")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "v", "bad_rows", "rows", id="data.rows", tooltip="step through the rows that broke the check"
        ),
        Binding("a", "suggest", "suggest", id="data.suggest", tooltip="suggest checks, accept some"),
    ]

    @property
    def selected(self) -> Selection:
        """The row under the cursor; a batch is one of a dataset, whatever its list calls it."""
        found = super().selected
        row = found.row
        return (
            found
            if row is None or "source" not in row
            else replace(found, row={**row, "dataset": row["source"]})
        )

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return all about a check, a batch, or a row set aside."""
        if name == "checks":
            return _check_card(self._explain(row))
        if name == "batches":
            return self._batch_card(str(row["batch"]))
        return self._aside_card(row)

    def _explain(self, row: Mapping[str, Any]) -> Explained:
        """Explain a row of the checks; two tables may have checks of one name, so it is asked for by id."""
        batch = str(row["batch"])
        found = self.gateway.rows(CHECK, [row["check"], batch])
        check = found[0]["check_id"] if len(found) == 1 else row["check"]
        explained: Explained = self.gateway.do("quality.explain", check, batch=batch)
        return explained

    def _batch_card(self, batch: str) -> Card:
        found = self.gateway.rows(BATCH, [batch])
        if not found:
            return Card(batch, [Words("it is not there any more")])
        row = found[0]
        facts: list[tuple[str, object]] = [
            ("state", row["state"]),
            ("file", row["path"]),
            ("rows", f"{row['rows']:,}, {row['malformed']:,} of them could not be read"),
            ("set aside", row["set_aside"]),
            ("mended", row["mended"]),
            ("as of", row["as_of"]),
            ("arrived", row["arrived_at"]),
            ("version", row["dataset_version"] or "not admitted"),
            ("learnt from", row["trained"]),
            ("sha256", f"{row['sha256'][:16]}…"),
        ]
        results = Listing(
            "checks",
            self.gateway.rows(RESULTS, [batch]),
            empty=keyed("not judged yet: mlcycle quality check", 2),
        )
        parts: list[Part] = [Facts(facts), results]
        try:
            parts += _spread_parts(self.gateway.do("quality.columns", batch))
        except MlcycleError as error:
            parts.append(Words(error.message, "columns"))
        return Card(
            f"{row['source']} {batch}",
            parts,
            offered(TO_CHECK, ("data.ingest", "ingest"), ("data.profile", "profile"), TO_SUGGEST),
        )

    def _aside_card(self, row: Mapping[str, Any]) -> Card:
        found = self.gateway.rows(ASIDE, [row["batch"], row["row"], row["reason"]])
        if not found:
            return Card("row set aside", [Words("it is not there any more")])
        one = found[0]
        facts: list[tuple[str, object]] = [
            ("why", one["reason"]),
            ("row", f"{one['row_number']:,} of {one['path'] or 'its file'}"),
            ("key", one["row_key"]),
            ("dataset", one["dataset"]),
            ("released", one["released_at"] or "no"),
        ]
        columns = json.loads(one["definition"] or "{}").get("columns", [])
        content = json.loads(one["content"] or "{}")
        # As text, so that no digit is rounded away: what is wrong may be in the last one.
        values = [
            (f"▶ {name}" if name in columns else name, None if value is None else str(value))
            for name, value in content.items()
        ]
        parts: list[Part] = [Facts(facts), Facts(values, "the row as it was read")]
        return Card(
            f"row {one['row_number']:,}", parts, offered(("data.rows", "all rows of this check", "v"))
        )

    # What the view's own keys do

    @work(group="data.rows", exclusive=True)
    async def action_bad_rows(self) -> None:
        """Step through the rows that broke the check under the cursor."""
        found = self.selected
        row = found.row
        if row is None or found.table == "batches":
            self._say("take the cursor to a check")
            return
        try:
            explained, rows, first = await elsewhere(
                lambda: self._rows_of(found.table, row), "read failing rows"
            )
        except MlcycleError as error:
            self._say(error.message)
            return
        if not rows:
            self._say(explained.note or f"no row of this batch breaks {explained.name}")
            return
        self.app.push_screen(
            RowsOfCheckScreen(
                explained.name,
                explained.asks,
                explained.columns,
                rows,
                total=explained.failing,
                source=explained.file or "",
                first=first,
            )
        )

    def _rows_of(self, table: str, row: Mapping[str, Any]) -> tuple[Explained, list[BadRow], int]:
        """Return a check, the rows that broke it, and the place of the one to begin with."""
        found: Explained
        if table == "checks":
            found = self._explain(row)
            bad = [one for one in found.history if one.bad_rows]
            if not found.failing and bad:
                # None here: the newest batch that has some, since that is what one looks for.
                found = self.gateway.do("quality.explain", found.check_id, batch=str(bad[-1].batch_id))
            return found, [_bad(one, found) for one in found.rows], 0
        aside = self.gateway.rows(ASIDE, [row["batch"], row["row"], row["reason"]])
        if not aside:
            raise NotFoundError(f"row {row['row']:,} is not there any more")
        one = aside[0]
        found = self.gateway.do("quality.explain", one["check_id"], batch=row["batch"])
        rows, number = [_bad(bad, found) for bad in found.rows], one["row_number"]
        numbers = [bad.number for bad in rows]
        if number in numbers:
            return found, rows, numbers.index(number)
        # Behind the rows that are shown of so many, or no breach by today's rule: it was kept as it was set aside.
        place = bisect(numbers, number)
        content = json.loads(one["content"] or "{}")
        rows.insert(place, BadRow(number, one["row_key"], ASIDE_FATE, content))
        return found, rows, place

    @work(group="data.suggest", exclusive=True)
    async def action_suggest(self) -> None:
        """Offer checks for the dataset under the cursor; those accepted are written by a job."""
        dataset = (self.selected.row or {}).get("dataset")
        self._say("looking at the newest data …")
        try:
            found = await elsewhere(lambda: self._suggestions(dataset), "suggest checks")
        except MlcycleError as error:
            self._say(error.message)
            return
        self.app.query_one(StatusLine).quiet()
        if not found:
            self._say("nothing to suggest that is not checked already")
            return

        def accept(names: list[str] | None) -> None:
            if names and isinstance(self.app, Performs):
                given = {"accept": names, "dataset": [dataset] if dataset else []}
                self.app.perform("quality suggest", given, ask=False)

        self.app.push_screen(SuggestionsScreen(_title(dataset), _offers(found)), accept)

    def _suggestions(self, dataset: str | None) -> list[Suggestion]:
        [there] = self.gateway.rows(THERE)
        if not there["arrived"]:
            raise NotFoundError(NO_DATA.format(key=written_key("data.ingest")))
        if not there["checked"]:
            raise NotFoundError(NOT_JUDGED.format(key=written_key("quality.check")))
        found: list[Suggestion] = self.gateway.do("quality.suggest", dataset)
        return found

    def lacks(self, words: str) -> str:
        """Say what comes first where there is nothing to describe yet."""
        if words == "data profile" and any(
            pane.is_paged and not pane.rows.display and not pane.arranged.words
            for pane in self.query(Pane)
            if pane.name == "batches"
        ):
            return NO_DATA.format(key=written_key("data.ingest"))
        return super().lacks(words)

    def _say(self, words: str) -> None:
        self.app.query_one(StatusLine).say(words)


def _title(dataset: str | None) -> str:
    return f"checks that {dataset or 'your data'} would pass"


def _offers(found: list[Suggestion]) -> list[Offer]:
    return [Offer(one.name, one.written, one.evidence, one.file) for one in found]


def _bad(row: FailingRow, explained: Explained) -> BadRow:
    fate = ASIDE_FATE if row.set_aside else explained.then
    return BadRow(row.row_number, row.key, fate, row.values)


def _check_card(found: Explained) -> Card:
    facts: list[tuple[str, object]] = [
        ("dimension", found.dimension),
        ("severity", found.severity),
        ("so", found.then),
        ("declared", found.declared or "not any more"),
    ]
    if found.result is not None:
        one = found.result
        facts += [
            ("verdict", "ok" if one.verdict == "pass" else one.verdict),
            ("bad rows", f"{one.bad_rows:,} of {one.considered:,}"),
            ("observed", one.observed),
            ("batch", found.file),
            ("judged", one.ts),
        ]
    parts: list[Part] = [Words(harmless(found.asks)), Facts([fact for fact in facts if fact[1] is not None])]
    if found.note:
        parts.append(Words(harmless(found.note)))
    if found.rows:
        parts.append(Listing("rows that break it", [_shown(row, found) for row in found.rows], most=SHOWN))
    if len(found.history) > 1:
        parts.append(_trend(found))
    history = [
        {
            "verdict": "ok" if one.verdict == "pass" else one.verdict,
            "bad": one.bad_rows,
            "n": one.considered,
            "when": one.ts,
        }
        for one in reversed(found.history)
    ]
    parts.append(
        Listing(
            "results, newest first",
            history,
            most=8,
            empty=keyed("it has not run yet: mlcycle quality check", 2),
        )
    )
    steps = [("data.rows", "steps through the rows", "v")] if found.rows else []
    return Card(found.name, parts, offered(*steps, TO_SUGGEST, TO_CHECK))


def _shown(row: FailingRow, found: Explained) -> dict[str, Any]:
    columns = found.columns or tuple(row.values)[:3]
    values = {name: row.values.get(name) for name in columns}
    return {
        "row": row.row_number,
        "key": row.key,
        **values,
        "became": "set aside" if row.set_aside else "stays",
    }


def _trend(found: Explained) -> Curves:
    judged = [one for one in found.history if one.considered]
    return Curves(
        "bad rows, batch by batch",
        [
            Curve(
                found.name,
                [float(place) for place in range(1, len(judged) + 1)],
                [100 * one.bad_rows / one.considered for one in judged],
            )
        ],
        limit=round(100 * (1 - found.mostly), 6) if found.mostly < 1 else None,
        sign="<=",
        x_label="batch",
        y_label="% of rows",
        height=8,
    )


def _spread_parts(columns: list[ColumnSpread]) -> list[Part]:
    rows = [
        {
            "column": one.column,
            "missing": f"{one.missing:,}"
            + (f", before {one.missing_before:,}" if one.missing_before else ""),
            "different": f"~{one.distinct:,}",
            "from": one.least,
            "to": one.greatest,
        }
        for one in columns
    ]
    parts: list[Part] = [
        Listing(f"columns, {columns[0].rows:,} rows" if columns else "columns", rows, most=40)
    ]
    # What is another in every row names the row: its bins say nothing.
    told = [one for one in columns if len(one.labels) > 1 and not one.distinct > 0.9 * one.rows > 20]
    parts += [
        Bins(
            f"{one.column}, beside the batch before" if one.before else one.column,
            one.labels,
            one.counts,
            one.before,
            n_now=sum(one.counts),
            n_reference=sum(one.before or ()),
        )
        for one in told[:SPREADS]
    ]
    return parts
