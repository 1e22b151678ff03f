"""A small valid product, and a way to change one thing in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlcycle.declare import Declarations, load
from mlcycle.workspace import Workspace

FILES = {
    "mlcycle.yaml": "name: returns\n",
    "design.yaml": """\
requirements:
  - id: auc
    role: data scientist
    metric: auc
    comparison: ">="
    value: 0.7
    phases: [gate, monitor]
  - id: gap
    role: compliance
    metric: recall_gap
    params: {by: country, top: 20}
    comparison: "<="
    value: 0.3
    phases: [gate]
""",
    "data.yaml": """\
sources:
  orders:
    path: orders.csv
    format: csv
    key: order_id
    time: ordered_at
    columns:
      order_id: integer
      buyer_id: integer
      ordered_at: timestamp
      amount: number
      country: text
      returned: integer
  visits:
    path: visits.jsonl
    format: jsonl
    key: row_number
    time: at
    columns: {buyer_id: integer, at: timestamp, seconds: number, page: text}
""",
    "checks/orders.yaml": """\
table: orders
consistency:
  - unique: order_id
accuracy:
  - between: {amount: [0, null]}
    then: {column: amount, to: null}
""",
    "features.yaml": """\
spine:
  table: orders
  key: buyer_id
  time: ordered_at
  target: returned
views:
  visits:
    table: visits
    windows:
      visits_30d: {count: "*", over: 30d, fill: 0}
      seconds_7d: {avg: seconds, over: 7d}
  order:
    table: orders
    features:
      amount: amount
      country: country
""",
    "training.yaml": """\
model: returns
task: binary
split: {newest: 2}
models:
  rule: {kind: rule, score: -visits_30d}
  trees: {kind: boosted_trees}
sweep: {model: trees, grid: {max_leaf_nodes: [2, 8]}, choose: auc}
""",
}

Product = Callable[..., Workspace]


@pytest.fixture
def product(tmp_path: Path) -> Product:
    def make(file: str = "", old: str = "", new: str = "") -> Workspace:
        for name, text in FILES.items():
            changed = text
            if name == file:
                assert old in text
                changed = text.replace(old, new, 1)
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(changed, encoding="utf-8")
        return Workspace(tmp_path)

    return make


@pytest.fixture
def declared(product: Product) -> Declarations:
    return load(product())
