"""The SQL of the deploy room, and nobody else's."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlcycle.deploy.model import Deployment
from mlcycle.errors import Busy
from mlcycle.ids import new_id
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.store import Transaction

__all__ = ["deployment", "deployments", "save_deployment", "save_image"]

COLUMNS = "deployment, model, version, kind, state, url, pid, why, since, rev"
DEPLOYMENTS = f"SELECT {COLUMNS} FROM deployment ORDER BY deployment"
DEPLOYMENT = f"SELECT {COLUMNS} FROM deployment WHERE deployment = ?"
UPDATE = """
    UPDATE deployment SET model = ?, version = ?, kind = ?, state = ?, url = ?, pid = ?, why = ?, since = ?, rev = ?
    WHERE deployment = ?
"""


def deployments(workspace: Workspace) -> list[Deployment]:
    """Return all deployments as they were written down."""
    return [Deployment(**row) for row in _read(workspace, DEPLOYMENTS)]


def deployment(workspace: Workspace, name: str) -> Deployment | None:
    """Return one deployment as it was written down."""
    rows = _read(workspace, DEPLOYMENT, [name])
    return Deployment(**rows[0]) if rows else None


def save_deployment(transaction: Transaction, new: Deployment, *, seen: Deployment | None) -> Deployment:
    """Write a deployment down if nobody changed it since `seen` was read; return it with its new `rev`.

    Raises
    ------
    Busy
        If another process changed it meanwhile.
    """
    now = transaction.one(DEPLOYMENT, [new.deployment])
    if (now["rev"] if now else None) != (seen.rev if seen else None):
        raise Busy(
            f"another process changed deployment {new.deployment!r} meanwhile", hint="mlcycle deploy list"
        )
    row = asdict(new) | {"rev": seen.rev + 1 if seen else 1}
    if now is None:
        transaction.insert("deployment", [row])
    else:
        keys = ("model", "version", "kind", "state", "url", "pid", "why", "since", "rev", "deployment")
        transaction.execute(UPDATE, [row[key] for key in keys])
    transaction.audit(f"deployment {new.deployment}", before=_plain(now), after=_plain(row))
    return Deployment(**row)


def save_image(
    transaction: Transaction,
    *,
    model: str,
    version: int,
    tag: str,
    digest: str,
    size: int,
    built_at: datetime,
) -> None:
    """Write down that an image was built."""
    row = {
        "model": model,
        "version": version,
        "tag": tag,
        "digest": digest,
        "bytes": size,
        "built_at": built_at,
    }
    transaction.insert("image", [{"image_id": new_id(), **row}])
    transaction.audit(f"image {tag}", after=_plain(row))


def _read(workspace: Workspace, sql: str, params: list[object] | None = None) -> list[dict[str, Any]]:
    from mlcycle.store import Store

    return Store(workspace).read(sql, params or [])


def _plain(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
