"""Owns what the server leaves behind: one journal record a prediction and samples of the process. It never folds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlcycle import clock
from mlcycle.ids import new_id
from mlcycle.journal import SegmentWriter
from mlcycle.serving.matrix import Batch, Matrix
from mlcycle.serving.metrics import resident_bytes
from mlcycle.serving.package import Signature
from mlcycle.serving.runtime import Scores

__all__ = ["Logged", "PredictionLog", "ResourceLog", "Stream"]

IDLE_SAMPLE_S = 60.0
BUSY_S = 10.0


@dataclass(frozen=True)
class Logged:
    """The ids the rows were given, and whether the journal has them."""

    ids: list[str]
    acknowledged: bool


class Stream:
    """One stream of the journal, or nowhere when there is no journal."""

    def __init__(self, journal: Path | None, name: str) -> None:
        self.wanted = journal is not None
        self._writer = None if journal is None else SegmentWriter(journal, name)

    def append(self, records: Sequence[Mapping[str, object]]) -> bool:
        """Return True only when the journal has the records."""
        return self._writer is not None and self._writer.append(records)

    def close(self) -> None:
        """End the segment; nothing can be appended afterwards."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class PredictionLog:
    """Writes predictions as records of the stream `prediction`."""

    def __init__(self, journal: Path | None, signature: Signature, deployment: str) -> None:
        self._stream = Stream(journal, "prediction")
        self._names = [feature.name for feature in signature.features]
        self._fixed = {"deployment": deployment, "model": signature.model, "version": signature.version}

    def write(
        self, batch: Batch, matrix: Matrix, scores: Scores | None, *, latency_ms: float, status: int
    ) -> Logged:
        """Give each row an id and write it down; without scores the model failed on these rows.

        Returns
        -------
        Logged
            `acknowledged` is False only if there is a journal and it refused.
        """
        ts = clock.wall().isoformat()
        ids = [new_id() for _ in batch.instances]
        if not self._stream.wanted:
            return Logged(ids, True)
        records = [
            {
                "prediction_id": identifier,
                "ts": ts,
                "as_of": as_of or ts,
                **self._fixed,
                "entity": None if instance.entity is None else str(instance.entity),
                **_answer(scores, row),
                "latency_ms": round(latency_ms, 4),
                "status": status,
                "features": dict(zip(self._names, matrix.features[row], strict=True)),
            }
            for row, (identifier, instance, as_of) in enumerate(
                zip(ids, batch.instances, batch.as_of, strict=True)
            )
        ]
        return Logged(ids, self._stream.append(records))

    def close(self) -> None:
        """End the segment."""
        self._stream.close()


def _answer(scores: Scores | None, row: int) -> dict[str, object]:
    if scores is None:
        return {"score": None}
    if scores.labels is None:
        return {"score": scores.scores[row]}
    return {"score": scores.scores[row], "label": scores.labels[row]}


class ResourceLog:
    """Writes processor and memory use of this process as records of the stream `sys`."""

    def __init__(self, journal: Path | None, deployment: str) -> None:
        self._stream = Stream(journal, "sys")
        self._deployment = deployment
        self._last = (time.monotonic(), time.process_time())
        self._busy_until = 0.0

    def tick(self, *, served: bool, ts: datetime | None = None) -> bool:
        """Sample if the server works or has not been sampled for a minute; True if the journal took a record.

        Parameters
        ----------
        served
            Whether anything was answered since the last tick.
        ts
            The sample's time; the wall clock's unless said.
        """
        now, cpu = time.monotonic(), time.process_time()
        if served:
            self._busy_until = now + BUSY_S
        wall_s = now - self._last[0]
        if not self._stream.wanted or wall_s <= 0 or (now > self._busy_until and wall_s < IDLE_SAMPLE_S):
            return False
        used_s = cpu - self._last[1]
        self._last = (now, cpu)
        record = {
            "ts": (ts or clock.wall()).isoformat(),
            "deployment": self._deployment,
            "cpu_pct": round(100.0 * used_s / wall_s, 2),
            "rss_mb": round(resident_bytes() / 1e6, 2),
        }
        return self._stream.append([record])

    def close(self) -> None:
        """End the segment."""
        self._stream.close()
