"""3 Features: what models learn from."""

from __future__ import annotations

from typing import ClassVar

from mlcycle_app.tui.views.base import TablesView

__all__ = ["FeaturesView"]


class FeaturesView(TablesView):
    """The Features screen."""

    number: ClassVar[int] = 3
    tables: ClassVar[tuple[str, ...]] = ("training sets", "versions")
