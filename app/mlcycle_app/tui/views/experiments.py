"""4 Experiments: what was tried."""

from __future__ import annotations

from typing import ClassVar

from mlcycle_app.tui.views.base import TablesView

__all__ = ["ExperimentsView"]


class ExperimentsView(TablesView):
    """The Experiments screen."""

    number: ClassVar[int] = 4
    tables: ClassVar[tuple[str, ...]] = ("runs",)
