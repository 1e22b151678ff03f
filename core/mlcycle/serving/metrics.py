"""Owns the server's counters and their Prometheus text.

Label values come from the signature or are our own words, never from a request.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

from mlcycle.serving.package import Package

__all__ = ["CONTENT_TYPE", "Metrics", "resident_bytes"]

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counts what happened since the process began."""

    def __init__(self, package: Package) -> None:
        signature = package.signature
        self._model = {"model": signature.model, "version": str(signature.version)}
        self._info = {
            **self._model,
            "runtime": signature.runtime,
            "run_id": signature.run_id or "",
            "sha256": package.sha256,
        }
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0
        self._rows = 0
        self._refused: Counter[str] = Counter()
        self._unseen: Counter[str] = Counter(
            {feature.name: 0 for feature in signature.features if feature.type == "category"}
        )
        self._unknown_features = 0
        self._unlogged = 0
        self._started = time.time()

    def answered(self, route: str, code: int) -> None:
        """Count one request by our name of its route and the code of its answer."""
        self._requests[route, code] += 1

    def scored(self, rows: int, seconds: float, unseen: Mapping[str, int], unknown_features: int) -> None:
        """Count the rows of one scored request, its time, and the values that meant nothing to the model."""
        self._rows += rows
        self._seconds += seconds
        self._buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._unseen.update(unseen)
        self._unknown_features += unknown_features

    def refused(self, reason: str, rows: int) -> None:
        """Count rows that were not scored."""
        self._refused[reason] += rows

    def unlogged(self, rows: int) -> None:
        """Count predictions that were answered although the journal took none of them."""
        self._unlogged += rows

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        lines: list[str] = []
        _family(lines, "model_info", "gauge", "The model behind this server.", [(self._info, 1)])
        _family(
            lines,
            "model_requests_total",
            "counter",
            "Requests by route and answer.",
            [
                ({"route": route, "code": str(code), **self._model}, n)
                for (route, code), n in sorted(self._requests.items())
            ],
        )
        self._histogram(lines)
        _family(lines, "model_rows_total", "counter", "Rows scored.", [({}, self._rows)])
        _family(
            lines,
            "model_rejected_rows_total",
            "counter",
            "Rows refused, by reason.",
            [({"reason": reason}, n) for reason, n in sorted(self._refused.items())],
        )
        _family(
            lines,
            "model_unseen_category_total",
            "counter",
            "Values the model never saw, by column.",
            [({"column": column}, n) for column, n in sorted(self._unseen.items())],
        )
        _family(
            lines,
            "model_unknown_feature_total",
            "counter",
            "Keys that are no feature, ignored.",
            [({}, self._unknown_features)],
        )
        _family(
            lines,
            "model_unlogged_rows_total",
            "counter",
            "Rows answered but not journaled.",
            [({}, self._unlogged)],
        )
        self._process(lines)
        return ("\n".join(lines) + "\n").encode()

    def _histogram(self, lines: list[str]) -> None:
        name = "model_request_duration_seconds"
        lines += [f"# HELP {name} From request received to scores ready.", f"# TYPE {name} histogram"]
        total = 0
        for edge, count in zip((*map(str, BUCKETS_S), "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{edge}"}} {total}')
        lines += [f"{name}_sum {self._seconds!r}", f"{name}_count {total}"]

    def _process(self, lines: list[str]) -> None:
        for name, kind, text, value in (
            ("process_cpu_seconds_total", "counter", "User and system time.", time.process_time()),
            ("process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes()),
            ("process_start_time_seconds", "gauge", "Start, seconds since 1970.", self._started),
        ):
            _family(lines, name, kind, text, [({}, value)])


def resident_bytes() -> int:
    """Return the memory this process holds, in bytes; its peak where the system does not say the present."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _peak_bytes()


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:
        return 0
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _family(
    lines: list[str], name: str, kind: str, text: str, samples: list[tuple[dict[str, str], float]]
) -> None:
    lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
        lines.append(f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}")


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
