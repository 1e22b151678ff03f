"""Declarations to begin from without data: valid as they are, every example behind `#` without a space.

Take the `#` of the example lines away and the files declare a small product that loads.
"""

from __future__ import annotations

__all__ = ["TEMPLATES"]

DESIGN = """\
# What the product must achieve, agreed before anybody trains anything. Each target names the phases it binds:
# data     checked when a batch arrives          gate     a model that misses it cannot become champion
# monitor  the limit line over live predictions  retrain  what a challenger has to prove
# roles: business, subject expert, data scientist, compliance, operations
requirements:
#  - id: auc
#    role: data scientist
#    statement: The scores order the orders clearly better than chance.
#    metric: auc
#    comparison: ">="
#    value: 0.70
#    phases: [gate, monitor, retrain]
#    owner: your name
"""
DATA = """\
# Where the tables come from. A file of the same name in inbox/ is a further batch.
# formats: csv, tsv, jsonl, json, parquet, arrow, sqlite
sources:
#  orders:
#    path: orders.csv
#    format: csv
#    key: order_id # row_number, when no column is a key
#    time: ordered_at # when a row became true; leave it out if the rows are timeless
#    columns: # integer, number, text, boolean, date or timestamp
#      order_id: integer
#      ordered_at: timestamp
#      amount: number
#      country: text
#      returned: integer
"""
CHECKS = """\
# What a batch of one table has to fulfil, in four dimensions. Write one such file a table.
#table: orders
#consistency:
#  - unique: order_id
#    then: set_aside # the rows after the first
#completeness:
#  - not_null: amount
#timeliness:
#  - not_after: {ordered_at: as_of}
#accuracy:
#  - between: {amount: [0, null]}
#    severity: warning
"""
FEATURES = """\
# What a model is asked about (the spine) and what it may know (the views).
#spine:
#  table: orders
#  key: order_id
#  time: ordered_at
#  target: returned
#views:
#  order:
#    table: orders
#    key: order_id
#    features: # name: SQL over the columns of the row
#      amount: amount
#      country: country
"""
TRAINING = """\
# What is fitted, on which rows, and how the best is chosen.
#model: returns
#task: binary # binary, multiclass or regression
#split: {newest: 30} # distinct moments that judge; {fraction: 0.25} when the rows are timeless
#models:
#  constant: {kind: constant}
#  linear: {kind: linear}
#  trees: {kind: boosted_trees}
#sweep:
#  model: trees
#  grid: {learning_rate: [0.05, 0.1], max_leaf_nodes: [4, 15]}
#  choose: auc
"""
TEMPLATES = {
    "design.yaml": DESIGN,
    "data.yaml": DATA,
    "checks/example.yaml": CHECKS,
    "features.yaml": FEATURES,
    "training.yaml": TRAINING,
}
"""File to text, besides `mlcycle.yaml`, `deploy.yaml` and `monitor.yaml`, which need no example."""
