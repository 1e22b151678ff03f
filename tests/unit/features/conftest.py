"""A workspace whose clean tables a test fills row by row, without files, checks or the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlcycle import clock, declare
from mlcycle.data import records
from mlcycle.data.manifest import next_version
from mlcycle.data.model import SQL_TYPES
from mlcycle.declare.model import all_columns
from mlcycle.engines import local
from mlcycle.engines.local import quote
from mlcycle.store import Store
from mlcycle.workspace import Workspace

NOW = datetime(2030, 6, 1)

ORDERS = {
    "path": "orders.csv",
    "format": "csv",
    "key": "order_id",
    "time": "at",
    "known": "seen",
    "columns": {
        "order_id": "integer",
        "shop": "text",
        "at": "timestamp",
        "seen": "timestamp",
        "amount": "number",
        "state": "text",
    },
}
SHOPS = {
    "path": "shops.csv",
    "format": "csv",
    "key": "shop",
    "columns": {"shop": "text", "city": "text", "size": "integer", "opened": "date"},
}
ASKED = {
    "path": "asked.csv",
    "format": "csv",
    "key": ["shop", "on"],
    "columns": {"shop": "text", "on": "date", "closed": "integer", "told": "timestamp"},
}
SPINE = {"table": "asked", "key": "shop", "time": "on", "target": "closed", "known": "told"}

SHOP_ROWS: list[dict[str, Any]] = [
    {"shop": "a", "city": "Lyon", "size": 3, "opened": "2029-01-01"},
    {"shop": "b", "city": "Bern", "size": None, "opened": "2029-06-01"},
]
ORDER_ROWS: list[dict[str, Any]] = [
    {"order_id": 1, "shop": "a", "at": "2030-01-10", "seen": None, "amount": 10.5, "state": "paid"},
    {"order_id": 2, "shop": "a", "at": "2030-02-20", "seen": "2030-03-05", "amount": 4.0, "state": "open"},
    {"order_id": 3, "shop": "a", "at": "2030-02-25", "seen": None, "amount": 2.0, "state": "paid"},
    {"order_id": 4, "shop": "b", "at": "2030-03-20", "seen": None, "amount": 8.0, "state": "paid"},
]
ASKED_ROWS: list[dict[str, Any]] = [
    {"shop": "a", "on": "2030-02-01", "closed": 0, "told": "2030-03-01"},
    {"shop": "b", "on": "2030-02-01", "closed": 1, "told": "2030-03-01"},
    {"shop": "a", "on": "2030-03-01", "closed": 0, "told": "2030-04-01"},
    {"shop": "b", "on": "2030-03-01", "closed": 0, "told": "2030-04-01"},
    {"shop": "a", "on": "2030-05-01", "closed": 1, "told": "2030-07-01"},
    {"shop": "b", "on": "2030-05-01", "closed": None, "told": None},
]


@dataclass
class Product:
    """A workspace and what a test puts into it."""

    workspace: Workspace
    parts: dict[str, list[Any]] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)

    def declare(
        self,
        views: Mapping[str, Any],
        *,
        spine: Mapping[str, Any] = SPINE,
        sources: Mapping[str, Any] | None = None,
        split: Mapping[str, Any] | None = None,
    ) -> None:
        named = sources if sources is not None else {"orders": ORDERS, "shops": SHOPS, "asked": ASKED}
        self._write("mlcycle.yaml", {"name": "test"})
        self._write("data.yaml", {"sources": named})
        self._write("features.yaml", {"spine": dict(spine), "views": dict(views)})
        self._write(
            "training.yaml",
            {
                "model": "closing",
                "task": "binary",
                "split": dict(split or {"newest": 1}),
                "models": {"flat": {"kind": "constant"}},
            },
        )

    def admit(self, **batches: Sequence[Mapping[str, Any]]) -> None:
        """Add a batch of clean rows to each dataset named and make its next version of it."""
        sources = declare.load(self.workspace).data.sources
        with (
            local.session(self.workspace) as session,
            Store(self.workspace).transaction("test") as transaction,
        ):
            for dataset, rows in batches.items():
                columns = all_columns(sources[dataset])
                parts = self.parts.setdefault(dataset, [])
                types = {
                    **{name: SQL_TYPES[kind] for name, kind in columns.items()},
                    "batch_number": "BIGINT",
                }
                listed = ", ".join(f"{quote(name)} {kind}" for name, kind in types.items())
                session.execute(f"CREATE OR REPLACE TABLE batch ({listed})")
                given = [{name: row.get(name) for name in columns} for row in rows]
                session.insert("batch", [row | {"batch_number": len(parts) + 1} for row in given])
                parts.append(session.write_part("FROM batch"))
                self.versions[dataset] = version = next_version(
                    self.workspace,
                    dataset,
                    self.versions.get(dataset),
                    parts,
                    fingerprint="0-0",
                    columns=columns,
                    created_at=clock.now(),
                )
                records.insert_version(transaction, version, parts)

    def _write(self, name: str, value: object) -> None:
        (self.workspace.root / name).write_text(yaml.safe_dump(value, sort_keys=False))


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    """Let every test stand at the same simulated time."""
    clock.set_now(NOW)
    yield
    clock.set_now(None)


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """Return an empty workspace."""
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    workspace = Workspace(tmp_path)
    Store.create(workspace)
    return Product(workspace)


@pytest.fixture
def shops(product: Product) -> Callable[..., Product]:
    """Return a function that declares views over shops and their orders and admits a few rows."""

    def make(views: Mapping[str, Any], **options: Any) -> Product:
        product.declare(views, **options)
        product.admit(shops=SHOP_ROWS, orders=ORDER_ROWS, asked=ASKED_ROWS)
        return product

    return make
