"""Asks the gate with what only this room can measure: how long a server of the version really takes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlcycle.deploy.predict import smoke
from mlcycle.errors import UsageError
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.models import Decision
    from mlcycle.serving.package import Feature, Signature

__all__ = ["gate", "latency", "promote"]

ROWS = 200
WARM_UP = 20
"""First round trips of a new server, which say more about the processor's caches than about it."""
ASKED = re.compile(r"(?P<name>[^<>=\s]+)\s*(?P<sign>>=|<=|=|>|<)\s*(?P<limit>\S+)")


def gate(
    workspace: Workspace, model: str | None = None, *, what_if: Sequence[str] = (), **options: Any
) -> Decision:
    """Judge a version against the requirements that bind the gate, and keep the decision.

    Parameters
    ----------
    model
        `MODEL`, `MODEL:VERSION` or `MODEL@ALIAS`; the newest version of the declared model unless said.
    what_if
        Other limits to ask about instead, such as `auc=0.90` or `brier<=0.1`; `=` is in the direction that is
        better. Leaves a decision of the kind `what-if` and no requirement.
    options
        Passed on to `models.gate`.

    Raises
    ------
    UsageError
        If a what-if limit cannot be read.
    """
    from mlcycle import models

    overrides = dict(_limit(text) for text in what_if)
    kind: Literal["gate", "what-if"] = "what-if" if overrides else "gate"
    return models.gate(workspace, model, kind=kind, overrides=overrides, latency=latency, **options)


def promote(workspace: Workspace, model: str | None = None, **options: Any) -> Decision:
    """Ask the gate, and where it approves let the version become champion; see `models.promote`."""
    from mlcycle import models

    return models.promote(workspace, model, latency=latency, **options)


def latency(package: bytes) -> list[float]:
    """Return the round trips, in ms, of single rows through a throw-away server of a package.

    The rows are made from the signature: as many different ones as it allows, no data needed.
    """
    from mlcycle.serving.package import open_package

    with tempfile.TemporaryDirectory(prefix="mlcycle-gate-") as folder:
        path = Path(folder) / "package.zip"
        path.write_bytes(package)
        opened = open_package(path)
        return smoke(path, _rows(opened.signature, WARM_UP + ROWS), sha256=opened.sha256)[WARM_UP:]


def _rows(signature: Signature, count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {
            "entity": str(number),
            "features": {
                feature.name: _value(feature, number * 7 + place)
                for place, feature in enumerate(signature.features)
            },
        }


def _value(feature: Feature, number: int) -> float | str | None:
    if feature.type == "number":
        return float(number % 101)
    return feature.categories[number % len(feature.categories)] if feature.categories else None


def _limit(text: str) -> tuple[str, tuple[str, float]]:
    from mlcycle.declare.metrics import find

    match = ASKED.fullmatch(text.strip())
    try:
        limit = float(match["limit"]) if match else None
    except ValueError:
        limit = None
    if match is None or limit is None:
        raise UsageError(f"{text!r} is no limit", hint="write METRIC=NUMBER, such as auc=0.90 or brier<=0.1")
    sign = match["sign"]
    if sign == "=":
        kind = find(match["name"])
        sign = "<=" if kind is not None and not kind.higher_is_better else ">="
    return match["name"], (sign, limit)
