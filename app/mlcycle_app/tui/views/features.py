"""3 Features: what models learn from, and which source row gave each value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.card import Card
from mlcycle_app.tui.keys import written_key
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.views.feature_cards import set_card, version_card, view_card
from mlcycle_app.tui.widgets.detail import Detail
from mlcycle_app.tui.widgets.pane import Pane
from mlcycle_app.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from mlcycle.features import TrainingSet, ViewInfo

__all__ = ["FeaturesView"]

VIEWS = "feature views"
DECLARED = replace(
    TABLES["training sets"],
    title=VIEWS,
    columns=("state", "view", "entity", "rows", "data", "features", "kind", "from", "version"),
    command="features list",
    right=("rows", "features", "version"),
    stretch="view",
    aged="data",
    kind="view",
    id="view",
)
"""They are declared, not stored: the list is drawn from what `features.yaml` says."""
NEWEST = """SELECT dataset, arg_max(rows, number) AS rows, max(created_at) AS created
FROM dataset_versions GROUP BY dataset"""


class FeaturesView(PhaseView):
    """The Features screen."""

    number: ClassVar[int] = 3
    tables: ClassVar[tuple[str, ...]] = (VIEWS, "training sets", "versions")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "preview", "preview", show=False, id="features.preview",
                tooltip="show which source rows gave an entity's values at a moment"),
    ]  # fmt: skip

    def compose(self) -> ComposeResult:
        """The declared views above, what was built from them below."""
        with Horizontal(classes="columns"):
            with Vertical(classes="master"):
                empty = (
                    f"No feature view yet: {written_key('edit')} opens features.yaml to describe one, then "
                )
                yield Pane(VIEWS, replace(DECLARED, empty=f"{empty}mlcycle features build"))
                for name in self.tables[1:]:
                    yield Pane(name, TABLES[name])
            yield Detail()

    def read(self) -> Any:
        """Read the stored lists, and what is declared now."""
        self._wanted = [one for one in self._wanted if one.name != VIEWS]
        return super().read(), self._declared()

    def draw(self, data: Any) -> None:
        """Draw the lists."""
        pages, declared = data
        for pane in self.query(Pane):
            if pane.name == VIEWS:
                pane.show_rows(declared)
            else:
                pane.show_page(pages[pane.name])
        if self.app.focused is None:
            self.focus_first()
        self.want_card()

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return all about a feature view, a training set, or a dataset version."""
        if name == VIEWS:
            return view_card(self.gateway, str(row["view"]), stale=row["state"] == "watch")
        if name == "versions":
            return version_card(self.gateway, str(row["dataset"]), str(row["version"]))
        return set_card(self.gateway, str(row["id"]))

    @work(group="features.preview", exclusive=True)
    async def action_preview(self) -> None:
        """Ask for an entity and a moment, and show which source rows gave its values."""
        from mlcycle_app.tui.dialogs.preview import PreviewScreen

        try:
            example = await elsewhere(lambda: self.gateway.do("features.example"), "read an example")
        except MlcycleError as error:
            self.app.query_one(StatusLine).say(error.message)
            return
        entity, moment = example or ("", None)
        self.app.push_screen(PreviewScreen(self.gateway, entity, moment))

    def _declared(self) -> list[dict[str, Any]]:
        views: list[ViewInfo] = self.gateway.do("features.list_views")
        if not views:
            return []
        with self.gateway.one_state():
            data = {row["dataset"]: row for row in self.gateway.rows(NEWEST)}
            sets: list[TrainingSet] = self.gateway.do("features.list_training_sets")
        spine = self.gateway.do("declare.load").features.spine
        entity = ", ".join([spine.key] if isinstance(spine.key, str) else spine.key)
        return [_row(view, entity, data, sets[0] if sets else None) for view in views]


def _row(
    view: ViewInfo, entity: str, data: Mapping[str, Mapping[str, Any]], newest: TrainingSet | None
) -> dict[str, Any]:
    table = data.get(view.table or "")
    versions = newest.dataset_versions if newest else {}
    created = [data[name]["created"] for name in ([view.table] if view.table else versions) if name in data]
    built = newest is not None and view.name in newest.views and not view.changed
    stale = built and newest is not None and any(at > newest.created_at for at in created)
    state = "open" if view.changed else "watch" if stale else "ok" if built else "not measured"
    return {
        "state": state,
        "view": view.name,
        "entity": entity,
        "rows": table["rows"] if table else None,
        "data": max(created, default=None),
        "features": len(view.features),
        "kind": view.kind,
        "from": view.table or "SQL",
        "version": view.version,
    }
