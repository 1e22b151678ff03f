"""The store: fold, transactions, migrations and public views. DuckDB is imported at the first use, not here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcycle.store.model import Backup, Finding, FoldReport, Health, Report, Restored
from mlcycle.store.store import Store
from mlcycle.store.transaction import Transaction

if TYPE_CHECKING:
    from typing import Any

    from mlcycle.store.backups import backup
    from mlcycle.store.compacting import compact
    from mlcycle.store.exporting import export
    from mlcycle.store.restoring import restore

__all__ = [
    "Backup",
    "Finding",
    "FoldReport",
    "Health",
    "Report",
    "Restored",
    "Store",
    "Transaction",
    "backup",
    "compact",
    "export",
    "restore",
]

VERBS = {"backup": "backups", "compact": "compacting", "export": "exporting", "restore": "restoring"}
"""Verbs that are loaded when first used, with their modules; these have other names than the verbs they hold."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in VERBS:
        verb = getattr(import_module(f"mlcycle.store.{VERBS[name]}"), name)
        globals()[name] = verb
        return verb
    raise AttributeError(f"module 'mlcycle.store' has no attribute {name!r}")
