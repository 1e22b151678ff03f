"""`mlcycle show`: a screen as plain text, for readers, pipes and files; the UI writes the same into a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from mlcycle_app.cli.options import command
from mlcycle_app.cli.output import Answer, object_text, plain, table_text
from mlcycle_app.gateway import Gateway
from mlcycle_app.tables import SCREENS, TABLES

__all__ = ["gathered", "show", "text_of"]

GLYPHS = {"ok": "✓", "attention": "!", "failed": "✗", "running": "●", "none": "○"}
FIRST = 500
"""Rows of each table."""


@command
@click.argument("screen", type=click.Choice(list(SCREENS)), default="home")
def show(gateway: Gateway, screen: str) -> Answer:
    """Write a screen of the UI as plain text: its tables with every column, uncut."""
    found = gathered(gateway, screen)
    return Answer(found, text=text_of(found))


def gathered(gateway: Gateway, screen: str) -> Mapping[str, Any]:
    """Return what a screen shows, all from one state of the store.

    Parameters
    ----------
    gateway
        The workspace.
    screen
        A name of `tables.SCREENS`.
    """
    found: dict[str, Any] = {"workspace": gateway.name, "screen": screen, "at": gateway.now()}
    with gateway.one_state():
        if screen == "home":
            found["board"] = gateway.board()
        if screen == "monitor":
            found["panel"] = gateway.panel()
        pages = {name: gateway.page(name, count=FIRST) for name in SCREENS[screen]}
    found["tables"] = {name: {"total": page.total, "rows": page.rows} for name, page in pages.items()}
    return found


def text_of(found: Mapping[str, Any]) -> str:
    """Return as lines of text what `gathered` returned."""
    parts = [f"{found['workspace']}: {found['screen']}, {found['at']:%Y-%m-%d %H:%M} UTC"]
    if "board" in found:
        parts.append("\n".join(_board(found["board"])))
    if "panel" in found:
        panel = {name: value for name, value in plain(found["panel"]).items() if name != "alerts"}
        parts.append(f"NOW\n{object_text(panel)}")
    parts += [_table(name, table["total"], plain(table["rows"])) for name, table in found["tables"].items()]
    return "\n\n".join(parts)


def _board(board: Any) -> Iterator[str]:
    yield "LIFECYCLE"
    for phase in board.phases:
        yield f"{phase.number} {GLYPHS[phase.state]} {phase.state:<9}  {phase.phase:<11}  {phase.says}".rstrip()
        if phase.next:
            yield f"    next: {phase.next}   $ {phase.command}"


def _table(name: str, total: int, rows: list[dict[str, Any]]) -> str:
    table = TABLES[name]
    title = f"{table.title.upper()} ({total:,})"
    if not rows:
        return f"{title}\n{table.empty}"
    more = f"\nand {total - len(rows):,} more: mlcycle {table.command}" if total > len(rows) else ""
    return f"{title}\n{table_text(rows, table.columns, most=None)}{more}"
