"""The data room's small workspace, and checks to write into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.data.conftest import Product, product

from mlcycle import data, quality
from mlcycle.engines.local import session

__all__ = ["Shop", "product", "shop"]


class Shop(Product):
    """A workspace with checks."""

    def checks(self, table: str = "things", **dimensions: Any) -> None:
        """Declare the checks of a table anew, by dimension."""
        self.write(f"checks/{table}.yaml", json.dumps({"table": table, **dimensions}))

    def deliver(
        self, content: str, name: str = "things", file: str | None = None
    ) -> list[quality.QualityReport]:
        """Ingest a file of a source and check it."""
        path = self.write(file or f"in/{name}.csv", content)
        data.ingest(self.workspace, path, source=name)
        return quality.check(self.workspace)

    def clean(self, dataset: str = "things") -> list[dict[str, Any]]:
        """Return the clean rows."""
        with session(self.workspace) as engine:
            data.tables(self.workspace, engine)
            return engine.rows(f'FROM "{dataset}" ORDER BY ALL')


@pytest.fixture
def shop(product: Product) -> Shop:
    folder: Path = product.root
    assert folder.is_dir()
    return Shop(product.workspace)
