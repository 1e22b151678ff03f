"""7 Retrain: what asks for a new model, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from mlcycle_app.tui.views.base import TablesView

__all__ = ["RetrainView"]


class RetrainView(TablesView):
    """The Retrain screen."""

    number: ClassVar[int] = 7
    tables: ClassVar[tuple[str, ...]] = ("triggers", "decisions")
