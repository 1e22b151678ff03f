"""1 Design: what the product must do, and what was decided by it."""

from __future__ import annotations

from typing import ClassVar

from mlcycle_app.tui.views.base import TablesView

__all__ = ["DesignView"]


class DesignView(TablesView):
    """The Design screen."""

    number: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("requirements", "decisions")
