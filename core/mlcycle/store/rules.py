"""Which journal record goes into which table. A table of rules: the fold and the tail both read it.

Types are those that a record's JSON is read as. Times are read with their zone and kept as naive UTC, since
a plain TIMESTAMP would drop a zone other than UTC without a word.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LIVE", "NUMBER", "RULES", "SEGMENT", "STREAMS", "Rule", "bucket", "of_stream"]

NUMBER = "_n"
"""Column of a loaded tail: the line's number in its load."""
SEGMENT = "_s"
"""Column of a loaded tail: the segment's name."""

WRITER = rf"regexp_extract({SEGMENT}, '^[0-9]+-(.*)\.jnl$', 1)"
"""SQL for the mark of the process that wrote a record."""

TIME = "TIMESTAMPTZ"

STREAMS: dict[str, dict[str, str]] = {
    "run": {
        "kind": "VARCHAR",
        "run_id": "UUID",
        "name": "VARCHAR",
        "experiment": "VARCHAR",
        "parent_run_id": "UUID",
        "started_at": TIME,
        "command": "VARCHAR",
        "script_sha256": "VARCHAR",
        "git_commit": "VARCHAR",
        "git_dirty": "BOOLEAN",
        "environment": "JSON",
        "status": "VARCHAR",
        "ended_at": TIME,
        "key": "VARCHAR",
        "value": "VARCHAR",
        "path": "VARCHAR",
        "sha256": "VARCHAR",
        "bytes": "BIGINT",
        "type": "VARCHAR",
        "reference": "VARCHAR",
        "writer": "VARCHAR",
        "ts": TIME,
    },
    "metric": {"run_id": "UUID", "key": "VARCHAR", "step": "BIGINT", "ts": TIME, "value": "DOUBLE"},
    "prediction": {
        "prediction_id": "UUID",
        "ts": TIME,
        "as_of": TIME,
        "deployment": "VARCHAR",
        "model": "VARCHAR",
        "version": "INTEGER",
        "entity": "VARCHAR",
        "score": "DOUBLE",
        "latency_ms": "FLOAT",
        "status": "USMALLINT",
        "features": "JSON",
    },
    "sys": {"ts": TIME, "deployment": "VARCHAR", "cpu_pct": "FLOAT", "rss_mb": "FLOAT"},
}
"""Streams, and the keys of their records with their types; other keys are passed over."""


@dataclass(frozen=True)
class Rule:
    """Records of one kind fill one table."""

    stream: str
    table: str
    columns: dict[str, str]
    """Column of the table -> expression over the record's keys."""
    required: tuple[str, ...]
    """Keys without which a record is a bad line."""
    kinds: tuple[str, ...] = ()
    """Values of the key `kind`; none: all records of the stream."""
    besides: str = ""
    """What else must hold."""

    @property
    def condition(self) -> str:
        """SQL that is true for the records of this rule which are whole."""
        pieces = [f"kind IN ({', '.join(repr(kind) for kind in self.kinds)})"] if self.kinds else []
        pieces += [f'"{key}" IS NOT NULL' for key in self.required]
        pieces += [f"({self.besides})"] if self.besides else []
        return " AND ".join(pieces)

    def select(self, source: str) -> str:
        """Return the query that makes rows of the table from a loaded tail."""
        columns = ", ".join(f'{expression} AS "{name}"' for name, expression in self.columns.items())
        return f"SELECT {columns} FROM {source} WHERE {self.condition}"


def _same(*keys: str) -> dict[str, str]:
    return {key: f'"{key}"' for key in keys}


RULES = (
    Rule(
        "run",
        "run_start",
        _same("run_id", "name", "experiment", "parent_run_id", "started_at", "command", "script_sha256")
        | _same("git_commit", "git_dirty", "environment")
        | {"segment": SEGMENT},
        ("run_id", "experiment", "started_at"),
        ("start",),
    ),
    Rule(
        "run",
        "run_writer",
        _same("run_id") | {"writer": WRITER, "ts": "coalesce(started_at, ts)"},
        ("run_id",),
        ("start", "resume"),
        "CASE kind WHEN 'start' THEN experiment IS NOT NULL AND started_at IS NOT NULL ELSE ts IS NOT NULL END",
    ),
    Rule(
        "run",
        "run_end",
        _same("run_id", "status", "ended_at") | {"writer": f"coalesce(writer, {WRITER})"},
        ("run_id", "status", "ended_at"),
        ("end",),
    ),
    Rule("run", "param", _same("run_id", "key", "value", "ts"), ("run_id", "key", "ts"), ("param",)),
    Rule("run", "tag", _same("run_id", "key", "value", "ts"), ("run_id", "key", "ts"), ("tag",)),
    Rule(
        "run",
        "artifact",
        _same("run_id", "path", "sha256", "bytes", "ts"),
        ("run_id", "path", "sha256", "bytes", "ts"),
        ("artifact",),
    ),
    Rule(
        "run",
        "run_input",
        {"kind": '"type"'} | _same("run_id", "reference", "ts"),
        ("run_id", "type", "reference", "ts"),
        ("input",),
    ),
    Rule("metric", "metric", _same("run_id", "key", "step", "ts", "value"), ("run_id", "key", "step", "ts")),
    Rule(
        "prediction",
        "prediction",
        _same("prediction_id", "ts", "deployment", "model", "version", "entity", "score", "latency_ms")
        | {
            "as_of": "coalesce(as_of, ts)",
            "status": "coalesce(status, 200)",
            "features": "features::VARIANT",
        },
        ("prediction_id", "ts", "deployment", "model", "version"),
    ),
    Rule("sys", "resource_sample", _same("ts", "deployment", "cpu_pct", "rss_mb"), ("ts", "deployment")),
)


LIVE = (*(rule.table for rule in RULES), "metric_last")
"""Tables that the public views read through `live_*`: the table, or the table with the journal's tail."""


def of_stream(stream: str) -> list[Rule]:
    """Return the rules of one stream."""
    return [rule for rule in RULES if rule.stream == stream]


def bucket(latency: str) -> str:
    """Return SQL for the latency's bucket: round(16 * log2(ms)), 16 a doubling, so 2.2 % wide to each side.

    A latency that is not known has the bucket -32768; below a microsecond it counts as one.
    """
    known = f"round(16 * log2(greatest({latency}, 0.001)))"
    return f"CASE WHEN {latency} IS NULL THEN -32768 ELSE {known} END::SMALLINT"
