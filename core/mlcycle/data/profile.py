"""A dataset version's columns, summarised."""

from __future__ import annotations

from mlcycle.data.manifest import current, register
from mlcycle.data.model import BATCH_NUMBER, ColumnProfile
from mlcycle.engines.local import quote, session
from mlcycle.workspace import Workspace

__all__ = ["profile"]


def profile(workspace: Workspace, dataset: str) -> list[ColumnProfile]:
    """Return one line a column of the dataset's newest version.

    Raises
    ------
    NotFoundError
        If the dataset has no version.
    """
    version = current(workspace, dataset)
    with session(workspace) as engine:
        register(engine, dataset, version)
        # SUMMARIZE's own share of missing values is rounded to a hundredth of a per cent.
        given = ", ".join(f"count({quote(column)}) AS {quote(column)}" for column in version.columns)
        counts = engine.one(f"SELECT {given} FROM {quote(dataset)}")
        summary = engine.rows(f"SUMMARIZE SELECT * EXCLUDE ({quote(BATCH_NUMBER)}) FROM {quote(dataset)}")
    return [
        ColumnProfile(
            column=row["column_name"],
            type=version.columns[row["column_name"]],
            rows=version.rows,
            missing=version.rows - counts[row["column_name"]],
            distinct=row["approx_unique"],
            least=row["min"],
            greatest=row["max"],
            mean=_number(row["avg"]),
            std=_number(row["std"]),
            q25=row["q25"],
            q50=row["q50"],
            q75=row["q75"],
        )
        for row in summary
    ]


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:  # the average of a date column is a date
        return None
