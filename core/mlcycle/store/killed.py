"""Runs whose process died without ending them: told by the writer's lock, and ended through the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlcycle.journal.reader import is_finished, segments
from mlcycle.store import writers

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["deserted", "end_them", "over"]

OPEN = """
    SELECT w.run_id, w.writer, any_value(coalesce(s.name, w.run_id::VARCHAR)) AS name,
        greatest(any_value(w.began), max(m.ts)) AS last
    FROM (SELECT run_id, writer, max(ts) AS began, count(*) AS begun FROM live_run_writer GROUP BY run_id, writer) AS w
    LEFT JOIN (SELECT run_id, writer, count(*) AS ended FROM live_run_end GROUP BY run_id, writer) AS e
        ON e.run_id = w.run_id AND e.writer = w.writer
    LEFT JOIN live_run_start AS s ON s.run_id = w.run_id
    LEFT JOIN live_metric_last AS m ON m.run_id = w.run_id
    WHERE w.begun > coalesce(e.ended, 0) GROUP BY w.run_id, w.writer ORDER BY w.run_id, w.writer
"""
"""Runs that a process has begun or resumed and not ended, with the last sign of life."""


def over(workspace: Workspace) -> set[str]:
    """Return the names of the segments that nobody will write to any more."""
    return {one.name for one in segments(workspace.journal) if is_finished(one)}


def deserted(
    workspace: Workspace, ask: Callable[[str], list[dict[str, Any]]], finished: set[str]
) -> list[dict[str, Any]]:
    """Return the runs that nobody who lives will end, a row for each process that should have.

    Parameters
    ----------
    workspace
        Whose runs.
    ask
        Runs a query over a state that is not older than `finished`.
    finished
        The segments that were over before that state was read: a run that ends in between is not deserted. A
        process lives while it holds the lock of a segment; in another machine or container until its end record.
    """
    rows = ask(OPEN)
    if not rows:
        return []
    alive = {one.writer for one in segments(workspace.journal) if one.name not in finished}
    return [row for row in rows if row["writer"] not in alive]


def end_them(workspace: Workspace, rows: list[dict[str, Any]]) -> bool:
    """Write the end that each run lacks, at its last sign of life; True once the journal has them."""
    ends = [
        {
            "kind": "end",
            "run_id": row["run_id"],
            "status": "killed",
            "ended_at": row["last"],
            "writer": row["writer"],
        }
        for row in rows
    ]
    return writers.writer(str(workspace.journal), "run").append(ends)
