"""Alerts: which stand, and saying that one was seen."""

from __future__ import annotations

from collections.abc import Sequence

from mlcycle.errors import NotFoundError, UsageError
from mlcycle.monitor import records
from mlcycle.monitor.model import Alert
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["ack", "alerts", "close"]


def alerts(
    workspace: Workspace, *, state: str | None = None, version: tuple[str, int] | None = None
) -> list[Alert]:
    """Return alerts, the newest window first.

    Parameters
    ----------
    state
        `open`, `acknowledged` or `closed`; all unless given.
    version
        Only those about predictions of this model and version.
    """
    return records.alert_rows(Store(workspace), state, version)


def ack(workspace: Workspace, alert_id: str | None = None) -> list[Alert]:
    """Mark an open alert, or all of them, as seen; returns those that were open.

    Parameters
    ----------
    alert_id
        The id or its last digits; all open alerts unless given.

    Raises
    ------
    NotFoundError
        If no open alert has that id.
    UsageError
        If more than one ends in those digits.
    """
    store = Store(workspace)
    found = records.alert_rows(store, "open")
    if alert_id is not None:
        found = _named(found, alert_id)
    if found:
        with store.transaction("monitor ack") as tx:
            for alert in found:
                records.set_alert_state(tx, alert.alert_id, "acknowledged")
                tx.audit(f"alert {alert.alert_id}", before="open", after="acknowledged")
    return found


def close(workspace: Workspace, model: str, version: int, *, because: str) -> list[Alert]:
    """Close the open alerts about a model version that no longer answers; returns them.

    Parameters
    ----------
    because
        What answered them, for the audit: the version that took over.
    """
    store = Store(workspace)
    found = records.alert_rows(store, "open", (model, version))
    if found:
        with store.transaction("monitor close") as tx:
            for alert in found:
                records.set_alert_state(tx, alert.alert_id, "closed")
                tx.audit(f"alert {alert.alert_id}", before="open", after=f"closed: {because}")
    return found


def _named(found: Sequence[Alert], text: str) -> list[Alert]:
    digits = text.replace("-", "").lower()
    named = [alert for alert in found if digits and alert.alert_id.replace("-", "").endswith(digits)]
    if not named:
        raise NotFoundError(f"no open alert is called {text}", hint="mlcycle monitor alerts")
    if len(named) > 1:
        raise UsageError(f"{len(named)} open alerts end in {text}", hint="give more digits of the id")
    return named
