"""A made-up workspace of a million questions about fifty thousand entities, for what only shows at that size."""

from __future__ import annotations

from pathlib import Path

from mlcycle.engines.local import Session, session
from mlcycle.workspace import MARKER, Workspace

__all__ = ["large_tables"]

ASKS, EVENTS, ENTITIES = 1_000_000, 500_000, 50_000
VALUES = [f"v{number}" for number in range(8)]
VIEWS = ("seen", "paid", "wrote")


def large_tables(folder: Path) -> Workspace:
    """Write four Parquet files and their declarations."""
    folder.mkdir()
    moment = "TIMESTAMP '2025-01-01' + INTERVAL 1 SECOND * (hash(i + {0}) % 31536000)::INT"
    with session() as engine:
        values = ", ".join(
            f"(hash(i * 8 + {at}) % 1000) / 1000.0 AS {name}" for at, name in enumerate(VALUES)
        )
        entity = f"(hash(i) % {ENTITIES})::BIGINT AS entity"
        asks = f"i AS ask_id, {entity}, {moment.format(1)} AS at, (hash(i + 7) % 2)::INT AS answer, {values}"
        _write(engine, folder / "asks.parquet", asks, ASKS)
        for at, name in enumerate(VIEWS):
            events = f"i AS event_id, (hash(i + {at}) % {ENTITIES})::BIGINT AS entity"
            _write(
                engine,
                folder / f"{name}.parquet",
                f"{events}, {moment.format(9 + at)} AS at, random() AS x",
                EVENTS,
            )
    (folder / MARKER).write_text("name: large\n", encoding="utf-8")
    (folder / "data.yaml").write_text(_sources(), encoding="utf-8")
    (folder / "features.yaml").write_text(_features(), encoding="utf-8")
    (folder / "training.yaml").write_text(
        "model: m\ntask: binary\nsplit: {fraction: 0.2}\nmodels:\n  constant: {kind: constant}\n",
        encoding="utf-8",
    )
    (folder / "checks").mkdir()
    (folder / "checks" / "asks.yaml").write_text(_checks(), encoding="utf-8")
    return Workspace(folder.resolve())


def _write(engine: Session, path: Path, columns: str, rows: int) -> None:
    engine.execute(f"COPY (SELECT {columns} FROM range({rows}) AS made(i)) TO '{path}' (FORMAT parquet)")


def _sources() -> str:
    types = ", ".join(f"{name}: number" for name in VALUES)
    own = f"{{ask_id: integer, entity: integer, at: timestamp, answer: integer, {types}}}"
    lines = [
        "sources:",
        f"  asks: {{path: asks.parquet, format: parquet, key: ask_id, time: at, columns: {own}}}",
    ]
    columns = "{event_id: integer, entity: integer, at: timestamp, x: number}"
    lines += [
        f"  {name}: {{path: {name}.parquet, format: parquet, key: event_id, time: at, columns: {columns}}}"
        for name in VIEWS
    ]
    return "\n".join(lines) + "\n"


def _features() -> str:
    lines = ["spine: {table: asks, key: entity, target: answer, time: at}", "views:"]
    for name in VIEWS:
        windows = f"{name}_n: {{count: event_id, over: 30d}}, {name}_x: {{avg: x, over: 30d}}"
        lines.append(f"  {name}: {{table: {name}, key: entity, windows: {{{windows}}}}}")
    return "\n".join(lines) + "\n"


def _checks() -> str:
    between = [f"  - between: {{{name}: [0, 1]}}" for name in VALUES]
    full = [f"  - not_null: {name}" for name in ("entity", "at", "answer", "v0")]
    rest = [
        "consistency:",
        "  - unique: ask_id",
        "  - in_set: {answer: [0, 1]}",
        "timeliness:",
        "  - not_after: {at: as_of}",
    ]
    return "\n".join(["table: asks", "completeness:", *full, *rest, "accuracy:", *between]) + "\n"
