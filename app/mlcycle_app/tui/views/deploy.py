"""5 Deploy: what is allowed to serve, what serves, and the log of an image while it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult

from mlcycle_app.gateway import Gateway
from mlcycle_app.tui import job_words
from mlcycle_app.tui.card import Card
from mlcycle_app.tui.decided import decision_card
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.views.deploy_cards import deployment_card, image_card, model_card
from mlcycle_app.tui.widgets.log_tail import LogPane

if TYPE_CHECKING:
    from mlcycle_app.tui.job import Job
    from mlcycle_app.tui.jobs import Jobs

__all__ = ["DeployView"]

BUILD = ("images", "build")
OF_MODELS = ("gate", "what-if", "rollback")
"""Decisions whose subject is a model version."""


class DeployView(PhaseView):
    """The Deploy screen."""

    number: ClassVar[int] = 5
    tables: ClassVar[tuple[str, ...]] = ("models", "deployments", "images", "decisions")
    DEFAULT_CSS = "DeployView #build-log { height: 40%; }"

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._silence: Callable[[], None] = lambda: None
        self._shown = self._put_away = 0
        """Numbers of the job whose log is shown, and of the one whose log was closed."""

    def compose(self) -> ComposeResult:
        """The lists, the card, and below them room for a build's log."""
        yield from super().compose()
        log = LogPane(id="build-log")
        log.display = False
        yield log

    def on_mount(self) -> None:
        """Show the log of a build, also of one that began elsewhere."""
        jobs: Jobs = self.app.jobs  # type: ignore[attr-defined]
        self._silence = jobs.hear(self._hear)
        for job in jobs.running:
            self._hear(job)

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._silence()

    @property
    def selected(self) -> Selection:
        """What commands act on: a row names its model too, with the version and without."""
        selection = super().selected
        row = selection.row
        if row is None:
            return selection
        named = row.get("model") or (row.get("subject") if row.get("kind") in OF_MODELS else None)
        if named is None:
            return selection
        name = str(named).rpartition(":")[0]
        return replace(selection, row={**row, "model": named, "model name": name})

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return all about a model version, a deployment, an image or a decision."""
        if name == "models":
            return model_card(self.gateway, str(row["model"]))
        if name == "deployments":
            return deployment_card(self.gateway, str(row["deployment"]))
        if name == "decisions":
            return decision_card(self.gateway, str(row["id"]))
        return image_card(row)

    def close_detail(self) -> bool:
        """Close the search, the build's log, or the detail."""
        log = self.query_one(LogPane)
        if not log.display:
            return super().close_detail()
        if not log.close_search():
            log.display, self._put_away = False, self._shown
            self.last_focus = None
            self.focus_first()
        return True

    def _hear(self, job: Job) -> None:
        if job.words[:2] != BUILD or not self.query(LogPane):
            return
        log = self.query_one(LogPane)
        if not log.display:
            if not job.is_running or job.number == self._put_away:
                return
            log.display = True
        title = job_words.running(job, 50) if job.is_running else job_words.outcome(job).plain
        self._shown = job.number
        log.show(title, list(job.lines), job.said, of=job.number)
