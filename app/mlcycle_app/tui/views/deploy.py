"""5 Deploy: what is allowed to serve, and what serves."""

from __future__ import annotations

from typing import ClassVar

from mlcycle_app.tui.views.base import TablesView

__all__ = ["DeployView"]


class DeployView(TablesView):
    """The Deploy screen."""

    number: ClassVar[int] = 5
    tables: ClassVar[tuple[str, ...]] = ("models", "deployments", "decisions")
