"""What the deploy room hands across its border."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

__all__ = ["Deployment", "ImageResult", "Latency", "PredictReport", "Prediction", "State"]

State = Literal["starting", "running", "stopped", "failed"]


@dataclass(frozen=True)
class Deployment:
    """A named place where one model version answers."""

    deployment: str
    model: str
    version: int
    kind: str
    """`process`: a server process on this machine."""
    state: State
    """As the process is now, not as it was when it was written down."""
    url: str | None
    pid: int | None
    why: str | None
    """Why it is not running, when it should be."""
    since: datetime
    rev: int
    """Number of the change that made it so; a change asks for the one it saw."""


class Prediction(msgspec.Struct, frozen=True):
    """One answer of a model server."""

    prediction_id: str
    score: float | None
    label: str | None = None


@dataclass(frozen=True)
class Latency:
    """Round trips of requests as the client saw them, in ms; nearest rank."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, milliseconds: list[float]) -> Latency | None:
        """Summarise round trips; None when there were none."""
        if not milliseconds:
            return None
        ordered = sorted(milliseconds)
        last = len(ordered) - 1
        return cls(*(ordered[min(last, len(ordered) * percent // 100)] for percent in (50, 95, 99)))


@dataclass(frozen=True)
class PredictReport:
    """What scoring rows through a deployment gave."""

    deployment: str
    model: str
    version: int
    n: int
    """Rows scored."""
    requests: int
    unlogged: int
    """Rows that were answered although the journal could not take them."""
    latency: Latency | None
    predictions: list[Prediction]
    """In the order of the rows."""

    @property
    def scores(self) -> list[float | None]:
        """The scores alone, in the order of the rows."""
        return [prediction.score for prediction in self.predictions]


@dataclass(frozen=True)
class ImageResult:
    """An image, or the plain reason why there is none."""

    built: bool
    tag: str
    digest: str | None = None
    """The engine's id of the image, `sha256:` and 64 hex digits."""
    bytes: int | None = None
    why_not: str = ""
    hint: str = ""
    """What to type so that it can be built."""
