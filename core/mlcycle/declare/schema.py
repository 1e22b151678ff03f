"""JSON Schema for every declaration, so that editors complete and check what a user writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from mlcycle.declare.model import Checks, Data, Deploy, Design, Features, Monitor, Product, Training

__all__ = ["KINDS", "schemas", "write_schemas"]

KINDS: dict[str, type[msgspec.Struct]] = {
    "mlcycle": Product,
    "design": Design,
    "data": Data,
    "checks": Checks,
    "features": Features,
    "training": Training,
    "deploy": Deploy,
    "monitor": Monitor,
}
"""Declaration to its struct; `checks` stands for every file in `checks/`."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """Return one JSON Schema a declaration, by its name: `mlcycle`, `design`, `data`, `checks`, ..."""
    return {
        name: {"$schema": DIALECT, "title": name, **msgspec.json.schema(kind)} for name, kind in KINDS.items()
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write `<name>.schema.json` for every declaration into a folder; return what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        path = folder / f"{name}.schema.json"
        path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
        written.append(path)
    return written
