"""Reads every declaration of a workspace: typed, cross-checked, each value with its place. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from mlcycle.declare.convert import typed
from mlcycle.declare.document import Document, Place, parse, read
from mlcycle.declare.model import (
    Checks,
    Data,
    Deploy,
    Design,
    Features,
    Monitor,
    Product,
    Source,
    Training,
)
from mlcycle.declare.names import suggestion
from mlcycle.declare.verify_data import verify_checks, verify_data, zone
from mlcycle.declare.verify_features import verify_features
from mlcycle.declare.verify_goals import (
    verify_deploy,
    verify_design,
    verify_monitor,
    verify_training,
)
from mlcycle.errors import DeclarationError, NotFoundError
from mlcycle.workspace import MARKER, Workspace

__all__ = ["FILES", "Declarations", "load"]

FILES = (MARKER, "design.yaml", "data.yaml", "features.yaml", "training.yaml", "deploy.yaml", "monitor.yaml")
"""The declarations of a workspace, besides `checks/*.yaml`; only the first must exist."""
CHECKS = "checks"


@dataclass(frozen=True)
class Declarations:
    """Everything a workspace declares."""

    root: Path
    product: Product
    design: Design
    data: Data
    checks: Mapping[str, Checks]
    """By the table they judge."""
    features: Features | None
    training: Training | None
    deploy: Deploy
    monitor: Monitor
    documents: Mapping[str, Document] = field(repr=False, compare=False)
    """By file as it is named in messages, such as `checks/orders.yaml`."""
    checks_files: Mapping[str, str] = field(default_factory=dict)
    """Table to the file that declares its checks."""

    def require_features(self) -> Features:
        """Return the feature declarations.

        Raises
        ------
        DeclarationError
            If there are none; names the file to write.
        """
        if self.features is None:
            raise _absent("features.yaml", "the spine and the feature views")
        return self.features

    def require_training(self) -> Training:
        """Return the training declaration.

        Raises
        ------
        DeclarationError
            If there is none; names the file to write.
        """
        if self.training is None:
            raise _absent("training.yaml", "the task, the split and the models")
        return self.training

    def source(self, name: str) -> Source:
        """Return a declared source.

        Raises
        ------
        NotFoundError
            If no source carries the name; names the nearest.
        """
        if name not in self.data.sources:
            known = suggestion(name, self.data.sources, what="declared sources")
            raise NotFoundError(f"no source is called `{name}`{known}", hint="declare it in data.yaml")
        return self.data.sources[name]

    def place(self, file: str, where: Sequence[str | int] = ()) -> Place:
        """Return where a value is written: `place("features.yaml", ("views", "usage"))`."""
        document = self.documents.get(file)
        return document.place(where) if document is not None else Place(Path(file), 1, 1)

    def error(
        self, file: str, where: Sequence[str | int], message: str, *, hint: str = "", key: bool = False
    ) -> DeclarationError:
        """Return the error to raise about a declared value, with its place; `key` means the key itself."""
        document = self.documents.get(file)
        if document is None:
            return DeclarationError(message, file=Path(file), hint=hint)
        return document.error(where, message, hint=hint, key=key)


def load(workspace: Workspace, *, unsaved: Mapping[str, str] | None = None) -> Declarations:
    """Read all declarations of a workspace.

    Parameters
    ----------
    workspace
        Whose.
    unsaved
        File to the text that is meant to be written there: judged in place of what the file says.

    Files that do not exist, or hold nothing but comments, declare nothing: no requirement, no source, no
    features and no training, and the defaults of deployment and monitoring. The result is kept while the
    texts are the same.

    Raises
    ------
    DeclarationError
        On the first thing that is wrong, with file, line and column, and the nearest valid name.
    """
    root = workspace.root
    if not (root / MARKER).is_file():
        raise DeclarationError("does not exist", file=Path(MARKER), hint="mlcycle init")
    texts = {name: read(root / name, Path(name)) for name in FILES if _exists(root, name)}
    texts.update(unsaved or {})
    includes = _product(texts[MARKER])[1].includes
    checks = {name: read(root / name, Path(name)) for name in _check_files(root, texts[MARKER], includes)}
    return _declare(root, tuple(texts.items()), tuple(checks.items()))


def _exists(root: Path, name: str) -> bool:
    if (root / name).is_file():
        return True
    other = f"{name.removesuffix('.yaml')}.yml"
    if (root / other).is_file():
        raise DeclarationError(
            f"is not read; declarations end in .yaml: rename it to {name}", file=Path(other)
        )
    return False


def _check_files(root: Path, text: str, includes: Sequence[str]) -> Iterator[str]:
    for path in sorted((root / CHECKS).glob("*.yml")):
        raise DeclarationError(f"is not read; rename it to {path.stem}.yaml", file=path.relative_to(root))
    found = {path.relative_to(root).as_posix() for path in (root / CHECKS).glob("*.yaml")}
    for position, pattern in enumerate(includes):
        pieces = PurePosixPath(pattern)
        where = ("includes", position)
        if not pattern.strip() or pieces.is_absolute() or ".." in pieces.parts or "\\" in pattern:
            raise _product(text)[0].error(where, f"`{pattern}` is not a glob below the workspace")
        matched = {path.relative_to(root).as_posix() for path in root.glob(pattern) if path.is_file()}
        if not matched:
            raise _product(text)[0].error(where, f"`{pattern}` matches no file")
        found |= matched
    yield from sorted(found)


@lru_cache(maxsize=4)
def _product(text: str) -> tuple[Document, Product]:
    document = parse(text, Path(MARKER))
    product = typed(document, Product)
    if not product.name.strip():
        raise document.error(("name",), "`name` is empty")
    zone(document, ("time_zone",), product.time_zone)
    return document, product


@lru_cache(maxsize=4)
def _declare(
    root: Path, texts: tuple[tuple[str, str], ...], check_texts: tuple[tuple[str, str], ...]
) -> Declarations:
    documents = {name: parse(text, Path(name)) for name, text in (*texts, *check_texts)}
    said = {name: document for name, document in documents.items() if document.value is not None}
    nothing = Document(Path("none"), None, {}, {})
    _, product = _product(dict(texts)[MARKER])
    design = typed(said.get("design.yaml", nothing), Design)
    data = typed(said.get("data.yaml", nothing), Data)
    features = typed(said["features.yaml"], Features) if "features.yaml" in said else None
    training = typed(said["training.yaml"], Training) if "training.yaml" in said else None
    deploy = typed(said.get("deploy.yaml", nothing), Deploy)
    monitor = typed(said.get("monitor.yaml", nothing), Monitor)

    verify_data(said.get("data.yaml", nothing), data)
    checks, files = _checks([said[name] for name, _ in check_texts if name in said], data)
    if features is not None:
        verify_features(said["features.yaml"], features, data)
    if training is not None:
        verify_training(said["training.yaml"], training, features)
    verify_design(said.get("design.yaml", nothing), design, data, features, training)
    verify_deploy(said.get("deploy.yaml", nothing), deploy)
    verify_monitor(said.get("monitor.yaml", nothing), monitor, features)
    return Declarations(
        root, product, design, data, checks, features, training, deploy, monitor, documents, files
    )


def _checks(documents: Sequence[Document], data: Data) -> tuple[dict[str, Checks], dict[str, str]]:
    checks: dict[str, Checks] = {}
    files: dict[str, str] = {}
    for document in documents:
        one = typed(document, Checks)
        if one.table in files:
            raise document.error(
                ("table",), f"the checks of `{one.table}` are declared in {files[one.table]} already"
            )
        verify_checks(document, one, data)
        checks[one.table], files[one.table] = one, document.file.as_posix()
    return checks, files


def _absent(file: str, what: str) -> DeclarationError:
    return DeclarationError(
        f"declares nothing yet; it says {what}",
        file=Path(file),
        hint=f"write {file}, or begin from data: mlcycle init DIR --from FILE --target COLUMN",
    )
