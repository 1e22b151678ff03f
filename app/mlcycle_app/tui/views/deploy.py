"""5 Deploy: what is allowed to serve, what serves, and the log of an image while it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tui import job_words
from mlcycle_app.tui.card import Card
from mlcycle_app.tui.comparing import comparison
from mlcycle_app.tui.decided import decision_card
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.views.deploy_cards import deployment_card, image_card, model_card
from mlcycle_app.tui.widgets.log_tail import LogPane
from mlcycle_app.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from mlcycle_app.tui.job import Job
    from mlcycle_app.tui.jobs import Jobs

__all__ = ["DeployView"]

BUILD = ("images", "build")
CHAMPION = """SELECT v.model || ':' || v.version AS model, right(v.run_id::VARCHAR, 8) AS run
FROM aliases a JOIN model_versions v USING (model, version) WHERE alias = 'champion' ORDER BY a.since DESC LIMIT 1"""
OF_MODELS = ("gate", "what-if", "rollback")
"""Decisions whose subject is a model version."""


class DeployView(PhaseView):
    """The Deploy screen."""

    number: ClassVar[int] = 5
    tables: ClassVar[tuple[str, ...]] = ("models", "deployments", "images", "decisions")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "compare", "compare", show=False, id="models.side_by_side",
                tooltip="compare the marked versions, or this one with the champion"),
    ]  # fmt: skip
    DEFAULT_CSS = "DeployView #build-log { height: 40%; }"

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._champion: list[Mapping[str, Any]] = []
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

    def read(self) -> Any:
        """Read the tables, and which version is champion."""
        with self.gateway.one_state():
            data = super().read()
            self._champion = [*self.gateway.rows(CHAMPION)]
        return data

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return all about a model version, a deployment, an image or a decision."""
        if name == "models":
            return model_card(self.gateway, str(row["model"]))
        if name == "deployments":
            return deployment_card(self.gateway, str(row["deployment"]))
        if name == "decisions":
            return decision_card(self.gateway, str(row["id"]))
        return image_card(row)

    @work(group="models.compare", exclusive=True)
    async def action_compare(self) -> None:
        """Put the runs behind the marked versions side by side; with less than two, this one's and the champion's."""
        from mlcycle_app.tui.dialogs.compare import MOST

        versions = self._versions()
        runs = list(dict.fromkeys(str(row["run"]) for row in versions))
        if len(runs) < 2:
            why = (
                "these versions were made by the same run" if len(versions) > 1 else "mark two versions first"
            )
            self._say(f"nothing to compare: {why}")
            return
        if len(runs) > MOST:
            self._say(f"{len(runs)} versions are marked; at most {MOST} fit side by side")
            return
        try:
            screen = await elsewhere(lambda: comparison(self.gateway, runs), "compare versions")
        except MlcycleError as error:
            self._say(error.message)
            return
        self.app.push_screen(screen)

    def _versions(self) -> list[Mapping[str, Any]]:
        """Return the versions that are meant: marked ones, or the one under the cursor and another one."""
        pane = next(pane for pane in self.query(Pane) if pane.name == "models")
        selected = pane.selected
        marked, under = list(selected.marked), selected.row
        if len(marked) > 1 or under is None:
            return marked
        beside = marked or self._champion
        return [*(row for row in beside if row["model"] != under["model"]), under]

    def _say(self, words: str) -> None:
        self._status.say(words)

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
