"""What happens at Harbour Box: who joins, opens the app, pays, complains and leaves, month by month.

This module knows the truth (the hidden engagement, the drift of January 2026, the leak by design) and no
file. Files and injected defects belong to `generate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from mlcycle_sample.streams import advance, normal, poisson, uniform

__all__ = [
    "MONTHS",
    "Customer",
    "Label",
    "Payment",
    "Progress",
    "Rows",
    "Session",
    "Ticket",
    "month_of",
    "simulate",
]

Progress = Callable[[float, str], None]
"""Called with the share that is done, 0 to 1, and a few words."""

MONTHS = 14
"""Twelve months of history and two drops, from January 2025."""

_DRIFTED_FROM = 13
_FOUNDERS, _JOIN_A_MONTH, _JOIN_WITH_RESELLER = 1500, 110, 400
_PRICES = {"basic": 9.0, "plus": 19.0, "family": 29.0}
_PLANS = tuple(_PRICES)
_REGIONS = ("north", "south", "east", "west")
_CHANNELS = ("search", "friend", "social")
_TOPICS = ("delivery", "quality", "billing")
_KNOWN_AFTER = timedelta(days=30)
_UNHAPPY = 2


class Customer(NamedTuple):
    """A row of `customers.csv`, and the month of joining, which no file shows."""

    customer_id: int
    signup_date: date
    plan: str
    region: str
    age: int
    channel: str
    month: int


class Session(NamedTuple):
    """One use of the app."""

    customer_id: int
    ts: datetime
    seconds: float
    app: str


class Payment(NamedTuple):
    """One monthly charge."""

    customer_id: int
    ts: datetime
    amount: float
    status: str


class Ticket(NamedTuple):
    """One message to the support desk."""

    customer_id: int
    opened_at: datetime
    closed_at: datetime
    topic: str
    satisfaction: int


class Label(NamedTuple):
    """Whether a customer left within 30 days of a snapshot, and the day that became known."""

    customer_id: int
    snapshot_date: date
    cancelled_30d: int
    known_at: date


@dataclass(frozen=True)
class Rows:
    """Everything that happened, in the order it is numbered."""

    customers: list[Customer] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


@dataclass(frozen=True)
class _Month:
    number: int
    start: datetime
    end: datetime

    @property
    def drifted(self) -> bool:
        """January 2026 and later: app v2, dearer plans, a reseller."""
        return self.number >= _DRIFTED_FROM

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(slots=True)
class _Subscriber:
    customer_id: int
    state: int
    """Random state of this customer: the seed and the customer's number."""
    plan: str
    channel: str
    signup: datetime
    engagement: float
    engagement_before: float = 0.0
    failures: float = 0.0
    """Failed payments, each month counting half of the month before."""


def month_of(moment: date) -> int:
    """Return the month's number: 1 is January 2025, 13 is January 2026."""
    return (moment.year - 2025) * 12 + moment.month


def simulate(seed: int, progress: Progress | None = None) -> Rows:
    """Play all fourteen months.

    Parameters
    ----------
    seed
        Any integer from 0 to 2**64 - 1: the same story with other numbers.
    progress
        Told after each month.
    """
    rows = Rows()
    active: dict[int, _Subscriber] = {}
    for number in range(1, MONTHS + 1):
        month = _Month(number, _month_start(number), _month_start(number + 1))
        _join(rows, active, month, seed)
        gone = [
            subscriber.customer_id
            for subscriber in active.values()
            if subscriber.signup < month.end and _live_through(rows, subscriber, month)
        ]
        for customer_id in gone:
            del active[customer_id]
        if progress is not None:
            progress(number / MONTHS, f"{month.start:%B %Y}: {len(active):,} subscribers")
    return rows


def _month_start(number: int) -> datetime:
    return datetime(2025 + (number - 1) // 12, (number - 1) % 12 + 1, 1)


def _pick(share: float, items: Sequence[str]) -> str:
    return items[min(len(items) - 1, int(share * len(items)))]


def _join(rows: Rows, active: dict[int, _Subscriber], month: _Month, seed: int) -> None:
    newcomers = {1: _FOUNDERS, _DRIFTED_FROM: _JOIN_WITH_RESELLER}.get(month.number, _JOIN_A_MONTH)
    for customer_id in range(len(rows.customers) + 1, len(rows.customers) + newcomers + 1):
        state = advance(seed, customer_id)
        resold = month.number == _DRIFTED_FROM and uniform(state, 9) < 0.75
        channel = "reseller" if resold else _pick(uniform(state, 1), _CHANNELS)
        plan = _pick(uniform(state, 2) ** (1.8 if resold else 1.2), _PLANS)
        days = uniform(state, 3)
        signup = month.start + timedelta(days=-int(days * 600) if month.number == 1 else int(days * 10))
        age = 18 + int(uniform(state, 4) * 55)
        region = _pick(uniform(state, 5), _REGIONS)
        rows.customers.append(Customer(customer_id, signup.date(), plan, region, age, channel, month.number))
        active[customer_id] = _Subscriber(customer_id, state, plan, channel, signup, normal(state, 6))


def _live_through(rows: Rows, subscriber: _Subscriber, month: _Month) -> bool:
    """Add one subscriber's month to the rows; true if the subscriber leaves after it."""
    state = advance(subscriber.state, month.number)
    subscriber.engagement_before = subscriber.engagement
    subscriber.engagement = 0.75 * subscriber.engagement + 0.66 * normal(state, 7)
    _use_the_app(rows, subscriber, month, state)
    _pay(rows, subscriber, month, state)
    tickets, unhappy = _complain(rows, subscriber, month, state)
    left = uniform(state, 20) < 1 / (1 + math.exp(-_leaving_logit(subscriber, month, tickets, unhappy)))
    known_at = (month.end + _KNOWN_AFTER).date()
    rows.labels.append(Label(subscriber.customer_id, month.end.date(), int(left), known_at))
    if left:
        _leave_traces(rows, subscriber, month, state)
    return left


def _use_the_app(rows: Rows, subscriber: _Subscriber, month: _Month, state: int) -> None:
    # App v2 counts a refresh as a session.
    rate = math.exp(1.45 + 0.75 * subscriber.engagement) * (2.2 if month.drifted else 1.0)
    opened = max(month.start, subscriber.signup)
    app = "v2" if month.drifted else "v1"
    seconds = month.seconds
    moments, lengths = advance(state, 10), advance(state, 11)
    for number in range(poisson(min(rate, 40), state, 8)):
        moment = opened + timedelta(seconds=uniform(moments, number) * seconds * 0.98)
        if moment < month.end:
            length = round(30 + 900 * uniform(lengths, number) ** 2, 1)
            rows.sessions.append(Session(subscriber.customer_id, moment, length, app))


def _pay(rows: Rows, subscriber: _Subscriber, month: _Month, state: int) -> None:
    rise = 1.0
    if month.drifted:
        rise = 1.35 if subscriber.plan == "basic" else 1.15
    chance = 0.05 + 0.05 * (subscriber.channel == "social") + 0.10 * (subscriber.channel == "reseller")
    failed = uniform(state, 12) < chance
    subscriber.failures = subscriber.failures * 0.5 + failed
    moment = month.start + timedelta(days=2 + int(uniform(state, 13) * 3), hours=int(uniform(state, 14) * 24))
    amount = round(_PRICES[subscriber.plan] * rise, 2)
    rows.payments.append(Payment(subscriber.customer_id, moment, amount, "failed" if failed else "ok"))


def _complain(rows: Rows, subscriber: _Subscriber, month: _Month, state: int) -> tuple[int, int]:
    """Add the month's tickets; return how many, and how many ended with an unhappy customer."""
    rate = 0.22 * math.exp(-0.45 * subscriber.engagement) * (1.5 if month.drifted else 1)
    tickets = poisson(rate, state, 15)
    unhappy = 0
    for number in range(tickets):
        opened = month.start + timedelta(seconds=uniform(state, 16, number) * month.seconds * 0.95)
        share = uniform(state, 17, number)
        topic = "price" if month.drifted and share < 0.5 else _pick(share, _TOPICS)
        mood = round(3.2 + 0.7 * subscriber.engagement + normal(state, 18, number))
        satisfaction = max(1, min(5, mood))
        unhappy += satisfaction <= _UNHAPPY
        closed = opened + timedelta(hours=2 + 90 * uniform(state, 19, number))
        rows.tickets.append(Ticket(subscriber.customer_id, opened, closed, topic, satisfaction))
    return tickets, unhappy


def _leaving_logit(subscriber: _Subscriber, month: _Month, tickets: int, unhappy: int) -> float:
    basic = subscriber.plan == "basic"
    engagement, failures = subscriber.engagement, subscriber.failures
    if not month.drifted:
        fall = engagement - subscriber.engagement_before
        mood = -4.05 - 1.75 * engagement - 0.60 * fall
        return mood + 1.90 * failures + 1.50 * min(unhappy, 2) + 0.30 * basic
    # The concept drifts too: price and tenure drive leaving, engagement hardly does.
    tenure = (month.end - subscriber.signup).days / 30.4
    calm = -3.35 - 0.45 * engagement + 0.60 * failures + 0.55 * min(tickets, 3)
    return calm + 0.045 * min(tenure, 30) + 2.40 * basic + 1.30 * (subscriber.channel == "reseller")


def _leave_traces(rows: Rows, subscriber: _Subscriber, month: _Month, state: int) -> None:
    """Add the leak: a leaver writes 'cancel' after the snapshot; only a join that looks ahead can see it."""
    moment = month.end + timedelta(days=1 + uniform(state, 21) * 27)
    if moment < _month_start(MONTHS + 1):
        closed = moment + timedelta(hours=5)
        rows.tickets.append(Ticket(subscriber.customer_id, moment, closed, "cancel", _UNHAPPY))
