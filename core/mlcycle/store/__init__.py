"""The store: fold, transactions, migrations and public views. DuckDB is imported at the first use, not here."""

from mlcycle.store.model import Finding, FoldReport, Health, Report
from mlcycle.store.store import Store
from mlcycle.store.transaction import Transaction

__all__ = ["Finding", "FoldReport", "Health", "Report", "Store", "Transaction"]
