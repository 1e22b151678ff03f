"""The gate as a user asks it: with a smoke server behind the latency requirement.

`models` decides and knows no server; here the two meet.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mlcycle import features, models
from mlcycle.deploy.predict import smoke
from mlcycle.errors import UsageError
from mlcycle.models import Decision
from mlcycle.workspace import Workspace

__all__ = ["SMOKE_ROWS", "gate", "latency_of", "promote"]

SMOKE_ROWS = 200
"""Single predictions that a smoke server is timed on."""
WARM_UP = 20
LIMIT = re.compile(r"(?P<name>[\w.-]+)\s*(?P<comparison>>=|<=|=|>|<)\s*(?P<value>[-+0-9.eE]+)")


def gate(
    workspace: Workspace, model: str | None = None, *, what_if: Sequence[str] = (), on: Any = "validation"
) -> Decision:
    """Ask whether a version meets the requirements that bind the gate; the answer is kept as a decision.

    Parameters
    ----------
    model
        `MODEL[:VERSION]`; the newest version of the declared model unless said.
    what_if
        Limits to ask about instead, such as `auc=0.90` or `latency_p95<=20`; `=` keeps the requirement's own
        comparison. Leaves a what-if decision and no requirement.
    on
        The rows to judge on; see `models.gate`.
    """
    limits = dict(_limit(workspace, text) for text in what_if)
    return models.gate(
        workspace,
        model,
        on=on,
        kind="what-if" if limits else "gate",
        overrides=limits,
        latency=latency_of(workspace),
    )


def promote(workspace: Workspace, model: str | None = None, *, on: Any = "validation") -> Decision:
    """Let a version become champion if the gate approves; parameters as for `gate`."""
    return models.promote(workspace, model, on=on, latency=latency_of(workspace))


def latency_of(workspace: Workspace) -> Callable[[bytes], list[float]]:
    """Return a smoke test: a package's bytes in, the round trips of `SMOKE_ROWS` single predictions out, in ms."""

    def timed(package: bytes) -> list[float]:
        learnt = features.list_training_sets(workspace)
        rows = features.load(workspace, learnt[0].training_set_id) if learnt else None
        instances = list(islice(rows.instances(), SMOKE_ROWS)) if rows is not None else []
        if not instances:
            return []
        with tempfile.TemporaryDirectory(prefix="mlcycle-gate-") as folder:
            path = Path(folder) / "model.zip"
            path.write_bytes(package)
            return smoke(path, [*instances[:WARM_UP], *instances])[WARM_UP:]

    return timed


def _limit(workspace: Workspace, text: str) -> tuple[str, tuple[str, float]]:
    found = LIMIT.fullmatch(text.strip())
    try:
        value = float(found["value"]) if found else None
    except ValueError:
        value = None
    if found is None or value is None:
        raise UsageError(f"{text!r} is no limit", hint="write it as auc=0.90 or latency_p95<=20")
    comparison = found["comparison"]
    if comparison == "=":
        comparison = _declared_comparison(workspace, found["name"])
    return found["name"], (comparison, value)


def _declared_comparison(workspace: Workspace, name: str) -> str:
    from mlcycle import design
    from mlcycle.experiments.metrics import lower_is_better

    for requirement in design.active(workspace, "gate"):
        if name in (requirement.requirement_id, requirement.metric):
            return requirement.comparison
    return "<=" if lower_is_better(name) else ">="
