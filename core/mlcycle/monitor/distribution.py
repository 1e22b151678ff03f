"""One feature of one judged window beside its reference, bin by bin: what moved, where a distance only says how far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlcycle.errors import NotFoundError
from mlcycle.monitor import bins, histogram, records
from mlcycle.monitor.model import Profile, Span
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["Distribution", "distribution"]


@dataclass(frozen=True)
class Distribution:
    """The rows of a window and of its reference by bin; rows without a value are in none."""

    subject: str
    span: Span
    labels: tuple[str, ...]
    reference: tuple[int, ...]
    now: tuple[int, ...]
    n_reference: int
    """Rows of the reference that have a value."""
    n_now: int
    missing_reference: int
    """Rows of the reference without one."""
    missing_now: int


def distribution(
    workspace: Workspace, subject: str, *, deployment: str | None = None, end: datetime | None = None
) -> Distribution:
    """Count a feature's values in a judged window, in the bins of its model version's reference.

    Parameters
    ----------
    subject
        The feature, or `score`.
    deployment
        Only this one's windows.
    end
        The last moment of the window; the newest one unless given.

    Raises
    ------
    NotFoundError
        If no such window was judged, or its model version has no reference of the subject.
    """
    store = Store(workspace)
    with store.reading():
        span = _window(store, subject, deployment, end)
        profile = next(
            (one for one in records.profiles(store, span.model, span.version) if one.subject == subject), None
        )
        if profile is None:
            raise NotFoundError(
                f"{span.model}:{span.version} has no reference of {subject}", hint="mlcycle monitor windows"
            )
        found = records.histograms(store, span, histogram.aggregates([profile]))
    now, reference = histogram.counted([profile], found)[0], bins.reference(profile)
    return Distribution(
        subject=subject,
        span=span,
        labels=tuple(_labels(profile)),
        reference=tuple(reference),
        now=tuple(now),
        n_reference=sum(reference),
        n_now=sum(now),
        missing_reference=profile.missing,
        missing_now=found["rows"] - sum(now),
    )


def _window(store: Store, subject: str, deployment: str | None, end: datetime | None) -> Span:
    rows = store.read(
        """SELECT deployment, model, version, starts, ends FROM window_metric
        WHERE metric = 'psi' AND subject = $subject AND ($deployment IS NULL OR deployment = $deployment)
            AND ($end::TIMESTAMP IS NULL OR ends = $end::TIMESTAMP)
        ORDER BY ends DESC, version DESC, starts DESC LIMIT 1""",
        {"subject": subject, "deployment": deployment, "end": end},
    )
    if not rows:
        raise NotFoundError(f"no window was judged for {subject}", hint="mlcycle monitor run")
    row = rows[0]
    place = (row["deployment"], row["model"], row["version"])
    # A batch's window is one moment. A day beside batches is of live traffic alone: their moments stand apart.
    apart = store.read(
        """SELECT DISTINCT ends FROM window_metric WHERE starts = ends AND starts <> $ends
            AND deployment = $deployment AND model = $model AND version = $version
            AND ends BETWEEN $starts AND $ends""",
        {key: row[key] for key in ("deployment", "model", "version", "starts", "ends")},
    )
    moments = tuple(one["ends"] for one in apart)
    return Span(*place, row["starts"], row["ends"], True if moments else None, moments)


def _labels(profile: Profile) -> list[str]:
    if profile.kind == "quantiles":
        edges = [f"{float(edge):.4g}" for edge in profile.edges]
        return [*(f"<= {edge}" for edge in edges), f"> {edges[-1]}" if edges else "all"]
    return [
        *("yes" if edge is True else "no" if edge is False else str(edge) for edge in profile.edges),
        "other",
    ]
