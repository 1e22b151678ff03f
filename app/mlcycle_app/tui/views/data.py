"""2 Data: what arrived, how it was judged, what was set aside."""

from __future__ import annotations

from typing import ClassVar

from mlcycle_app.tui.views.base import TablesView

__all__ = ["DataView"]


class DataView(TablesView):
    """The Data screen."""

    number: ClassVar[int] = 2
    tables: ClassVar[tuple[str, ...]] = ("checks", "batches", "quarantine")
