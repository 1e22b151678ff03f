"""Write the sample's files: a year of history with known defects, two clean monthly drops, and a manifest.

    customers.csv      CSV          who they are
    sessions.jsonl     JSON lines   uses of the app; late, duplicated and cut-off lines
    payments.parquet   Parquet      monthly charges
    tickets.sqlite     SQLite       support tickets
    cancellations.csv  CSV          labels, each with the day it became known, 30 days after its snapshot

Counts in the manifest are of rows as a reader finds them: a line that cannot be parsed is malformed and
nothing else, a duplicated row counts its other defects again, and a duplicate is each row after the first.
`quarantined` counts the rows that cannot be mended, each once: surplus duplicates, malformed lines, negative
seconds, null amounts, orphans. The rest is mended: an unknown plan, an impossible age, a sign-up in the
future and a closing before the opening become NULL, amounts sent in cents are divided by 100.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from mlcycle_sample.simulate import Payment, Progress, Rows, Session, month_of, simulate

__all__ = ["DEFAULT_SEED", "DROPS", "HISTORY", "SOURCES", "generate", "write_story"]

DEFAULT_SEED = 20250101
HISTORY = "history"
DROPS = ("drops/2026-01", "drops/2026-02")
SOURCES = ("customers", "sessions", "payments", "tickets", "labels")

_DEFECTS = (
    "customers_duplicate_id",
    "customers_bad_plan",
    "customers_age_missing",
    "customers_age_impossible",
    "customers_future_signup",
    "sessions_duplicate_id",
    "sessions_malformed_line",
    "sessions_negative_seconds",
    "sessions_late_arrival",
    "payments_null_amount",
    "payments_in_cents",
    "payments_orphan_customer",
    "tickets_closed_before_opened",
    "tickets_orphan_customer",
)
_CENTS_DAY = date(2025, 8, 4)
_CUT_OFF = 9
"""Characters missing at the end of a malformed line."""


@dataclass
class _Delivery:
    """One folder being written: its months, whether defects go in, and what was counted on the way."""

    folder: Path
    first: int
    last: int
    spoilt: bool
    defects: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_DEFECTS, 0))
    rows: dict[str, int] = field(default_factory=dict)
    aside: dict[str, int] = field(default_factory=dict)

    def holds(self, moment: date) -> bool:
        return self.first <= month_of(moment) <= self.last

    def span(self, rows: Sequence[Session] | Sequence[Payment]) -> range:
        """Return the positions of this delivery's rows; each month's rows lie together, in order."""
        begin = bisect_left(rows, self.first, key=_month_of_row)
        return range(begin, bisect_right(rows, self.last, begin, key=_month_of_row))

    def hit(self, number: int, every: int, defect: str, times: int = 1) -> bool:
        """Whether this row gets the defect, which is then counted `times`."""
        if not self.spoilt or number % every:
            return False
        self.defects[defect] += times
        return True


def generate(folder: Path, seed: int = DEFAULT_SEED, progress: Progress | None = None) -> dict[str, Any]:
    """Write `history/`, `drops/2026-01/`, `drops/2026-02/` and `manifest.json` into a folder.

    Parameters
    ----------
    folder
        Made if missing; files of an earlier call are replaced.
    seed
        0 to 2**64 - 1: the same story with other numbers.
    progress
        Called with the share that is done and a few words.

    Returns
    -------
    dict
        The manifest: for each folder the rows of each source as a reader finds them, `cancel_rate`, `defects`
        and `quarantined`.
    """
    places = {name: folder / name for name in (HISTORY, *DROPS)}
    return write_story(places, folder / "manifest.json", seed, progress)


def write_story(
    places: dict[str, Path], manifest_file: Path, seed: int = DEFAULT_SEED, progress: Progress | None = None
) -> dict[str, Any]:
    """Write the three deliveries into the folders of `places`, by name, and the manifest into its file.

    Returns
    -------
    dict
        The manifest, as of `generate`.
    """
    tell = progress or _tell_nobody
    rows = simulate(seed, lambda share, words: tell(0.6 * share, words))
    manifest = {}
    months = {HISTORY: (1, 12, True), DROPS[0]: (13, 13, False), DROPS[1]: (14, 14, False)}
    for number, (name, (first, last, spoilt)) in enumerate(months.items()):
        tell(0.6 + 0.13 * number, f"writing {name}")
        manifest[name] = _write_delivery(_Delivery(places[name], first, last, spoilt), rows)
    manifest_file.parent.mkdir(parents=True, exist_ok=True)
    manifest_file.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    tell(1.0, "files are written")
    return manifest


def _month_of_row(row: Session | Payment) -> int:
    return month_of(row.ts)


def _tell_nobody(_share: float, _words: str) -> None:
    pass


def _write_delivery(delivery: _Delivery, rows: Rows) -> dict[str, Any]:
    delivery.folder.mkdir(parents=True, exist_ok=True)
    _write_customers(delivery, rows)
    _write_sessions(delivery, rows)
    _write_payments(delivery, rows)
    _write_tickets(delivery, rows)
    labels = [row for row in rows.labels if delivery.holds(row.snapshot_date - timedelta(days=1))]
    delivery.rows["labels"] = len(labels)
    header = ["customer_id", "snapshot_date", "cancelled_30d", "known_at"]
    _write_csv(delivery.folder / "cancellations.csv", header, labels)
    leavers = sum(row.cancelled_30d for row in labels)
    return {
        **delivery.rows,
        "cancel_rate": round(leavers / max(1, len(labels)), 4),
        "defects": {name: count for name, count in delivery.defects.items() if count},
        "quarantined": delivery.aside if delivery.spoilt else {},
    }


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        count = 0
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _write_customers(delivery: _Delivery, rows: Rows) -> None:
    header = ["customer_id", "signup_date", "plan", "region", "age", "channel"]
    spoilt = _customer_rows(delivery, rows)
    delivery.rows["customers"] = _write_csv(delivery.folder / "customers.csv", header, spoilt)
    delivery.aside["customers"] = delivery.defects["customers_duplicate_id"]


def _customer_rows(delivery: _Delivery, rows: Rows) -> Iterator[list[object]]:
    for customer_id, signup, plan, region, age, channel, month in rows.customers:
        if not delivery.first <= month <= delivery.last:
            continue
        row: list[object] = [customer_id, signup, plan, region, age, channel]
        if delivery.hit(customer_id, 97, "customers_bad_plan"):
            row[2] = "premiun"
        if delivery.hit(customer_id, 41, "customers_age_missing"):
            row[4] = ""
        elif delivery.hit(customer_id, 211, "customers_age_impossible"):
            row[4] = 210
        if delivery.hit(customer_id, 307, "customers_future_signup"):
            row[1] = "2031-01-01"
        yield row
        if delivery.hit(customer_id, 83, "customers_duplicate_id"):
            yield row


def _write_sessions(delivery: _Delivery, rows: Rows) -> None:
    written = aside = 0
    with (delivery.folder / "sessions.jsonl").open("w", encoding="utf-8") as file:
        for number in delivery.span(rows.sessions):
            session = rows.sessions[number]
            text, copies, lost = _session_lines(delivery, number, session)
            file.write(text * copies)
            written += copies
            aside += lost
    delivery.rows["sessions"] = written
    delivery.aside["sessions"] = aside


def _session_lines(delivery: _Delivery, number: int, session: Session) -> tuple[str, int, int]:
    """Return one line, how often it is written, and how many of the copies cannot be mended."""
    seconds, arrived = session.seconds, session.ts + timedelta(minutes=3)
    cut = delivery.hit(number, 997, "sessions_malformed_line")
    copies = 2 if not cut and delivery.hit(number, 307, "sessions_duplicate_id") else 1
    seen = 0 if cut else copies
    negative = delivery.hit(number, 401, "sessions_negative_seconds", seen)
    if negative:
        seconds = -seconds
    if delivery.hit(number, 151, "sessions_late_arrival", seen):
        arrived = session.ts + timedelta(days=6)
    # As json.dumps writes it, in a third of its time; no value needs escaping.
    line = (
        f'{{"session_id": {number}, "customer_id": {session.customer_id}, "ts": "{_seconds(session.ts)}", '
        f'"seconds": {seconds!r}, "app": "{session.app}", "arrived_at": "{_seconds(arrived)}"}}'
    )
    lost = copies if negative or cut else copies - 1
    return (line[:-_CUT_OFF] if cut else line) + "\n", copies, lost


def _seconds(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _write_payments(delivery: _Delivery, rows: Rows) -> None:
    # polars (0.2 CPU s to import) is needed here alone, and looking at the manifest needs none of it.
    import polars as pl

    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "payment_id": pl.Int32,
        "customer_id": pl.Int32,
        "ts": pl.Datetime("us"),
        "amount": pl.Float64,
        "status": pl.String,
    }
    payments = list(_payment_rows(delivery, rows))
    frame = pl.DataFrame(payments, schema=schema, orient="row")
    frame.write_parquet(delivery.folder / "payments.parquet", compression="snappy")
    delivery.rows["payments"] = len(payments)


def _payment_rows(delivery: _Delivery, rows: Rows) -> Iterator[tuple[int, int, datetime, float | None, str]]:
    aside = 0
    for number in delivery.span(rows.payments):
        customer_id, moment, price, status = rows.payments[number]
        amount: float | None = price
        empty = delivery.hit(number, 257, "payments_null_amount")
        if empty:
            amount = None
        elif moment.date() == _CENTS_DAY and delivery.hit(0, 1, "payments_in_cents"):
            amount = price * 100
        orphan = delivery.hit(number, 613, "payments_orphan_customer")
        aside += empty or orphan
        yield number, customer_id + 900_000 * orphan, moment, amount, status
    delivery.aside["payments"] = aside


def _write_tickets(delivery: _Delivery, rows: Rows) -> None:
    path = delivery.folder / "tickets.sqlite"
    path.unlink(missing_ok=True)
    tickets = list(_ticket_rows(delivery, rows))
    connection = sqlite3.connect(path)
    try:
        connection.execute(
            "CREATE TABLE tickets(ticket_id INTEGER PRIMARY KEY, customer_id INTEGER, opened_at TEXT,"
            " closed_at TEXT, topic TEXT, satisfaction INTEGER)"
        )
        connection.executemany("INSERT INTO tickets VALUES (?,?,?,?,?,?)", tickets)
        connection.commit()
    finally:
        connection.close()
    delivery.rows["tickets"] = len(tickets)
    delivery.aside["tickets"] = delivery.defects["tickets_orphan_customer"]


def _ticket_rows(delivery: _Delivery, rows: Rows) -> Iterator[tuple[int, int, str, str, str, int]]:
    for number, (customer_id, opened, closed, topic, satisfaction) in enumerate(rows.tickets):
        if not delivery.holds(opened):
            continue
        backwards = delivery.hit(number, 173, "tickets_closed_before_opened")
        end = opened - timedelta(hours=3) if backwards else closed
        orphan = delivery.hit(number, 389, "tickets_orphan_customer")
        start_text = opened.isoformat(sep=" ", timespec="seconds")
        end_text = end.isoformat(sep=" ", timespec="seconds")
        yield number, customer_id + 800_000 * orphan, start_text, end_text, topic, satisfaction
