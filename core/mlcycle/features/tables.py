"""The clean tables that features are computed from, registered in one session with what is declared about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlcycle import data
from mlcycle.declare import Declarations, load
from mlcycle.declare.model import Features, keys_of
from mlcycle.engines import local
from mlcycle.engines.local import Session
from mlcycle.features.compile import Compiled, catalog_of, columns_of, compile_features, spine_sql
from mlcycle.features.resolve import Catalog, ResolvedView, resolve_view
from mlcycle.workspace import Workspace

__all__ = ["Opened", "opened"]


@dataclass(frozen=True)
class Opened:
    """A session with the clean tables in it."""

    session: Session
    declarations: Declarations
    features: Features
    catalog: Catalog
    versions: dict[str, str]
    """Dataset to the version registered, for the tables that the views read."""

    @property
    def keys(self) -> list[str]:
        """Columns of the spine's key."""
        return keys_of(self.features.spine.key)

    @property
    def complete(self) -> bool:
        """Whether every table that the declarations name has clean rows."""
        return _wanted(self.features) <= set(self.catalog)

    @property
    def resolved(self) -> list[ResolvedView]:
        """The views with their defaults, in declared order."""
        return [
            resolve_view(name, view, self.features, self.declarations.data)
            for name, view in self.features.views.items()
        ]

    def compile(
        self,
        *,
        as_of: datetime,
        where: str = "TRUE",
        look_ahead: str | None = None,
        relation: str | None = None,
        order: str | None = None,
        cut: Mapping[str, str] | None = None,
    ) -> Compiled:
        """Compile every view over the spine's rows, or over a relation in their place; see `spine_sql`."""
        columns = self._spine_columns(relation)
        rows = self.spine(as_of=as_of, where=where, look_ahead=look_ahead, relation=relation, order=order)
        data = self.declarations.data
        return compile_features(
            self.session, self.features, data, self.catalog, rows, spine_columns=columns, cut=cut
        )

    def spine(
        self,
        *,
        as_of: datetime,
        where: str = "TRUE",
        look_ahead: str | None = None,
        relation: str | None = None,
        order: str | None = None,
    ) -> str:
        """Return the SELECT of the spine's rows, or of a relation's in their place; see `spine_sql`."""
        return spine_sql(
            self.features.spine,
            self._spine_columns(relation),
            as_of=as_of,
            look_ahead=look_ahead,
            where=where,
            relation=relation,
            order=order,
        )

    def _spine_columns(self, relation: str | None) -> Mapping[str, str]:
        if relation is not None:
            return columns_of(self.session, relation)
        return self.catalog.get(self.features.spine.table, {})


@contextmanager
def opened(
    workspace: Workspace, *, as_of: datetime | None = None, reads: Sequence[Path] = ()
) -> Iterator[Opened]:
    """Open a session with the clean tables.

    Parameters
    ----------
    workspace
        Whose tables.
    as_of
        Take the dataset versions of that moment. If the store did not exist yet then, the newest: what a row may
        show at a moment is decided by its times anyway.
    reads
        Files outside the workspace that are needed too.

    Raises
    ------
    DeclarationError
        If there is no `features.yaml`, or something declared is wrong.
    """
    declarations = load(workspace)
    features = declarations.require_features()
    with local.session(workspace, reads=reads) as session:
        versions = data.tables(workspace, session, as_of=as_of)
        wanted = _wanted(features)
        if as_of is not None and not wanted <= set(versions):
            versions = data.tables(workspace, session)
        catalog = catalog_of(session, versions)
        sql = any(view.sql is not None for view in features.views.values())
        used = {name: version for name, version in versions.items() if sql or name in wanted}
        yield Opened(session, declarations, features, catalog, used)


def _wanted(features: Features) -> set[str]:
    tables = {view.table for view in features.views.values() if view.table is not None}
    return tables | {features.spine.table}
