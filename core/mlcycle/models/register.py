"""The registry's own verbs: a run's package becomes a version; versions are listed, shown and given aliases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlcycle import clock
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments.artifacts import keep_bytes, read_artifact
from mlcycle.experiments.comparison import run_package, winner
from mlcycle.experiments.package import Package, read_package, write_package
from mlcycle.models import records
from mlcycle.models.model import AliasRow, ModelVersion, ProfileRow
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.experiments.rows import Rows

__all__ = [
    "CHAMPION",
    "champion",
    "list_versions",
    "profile_rows",
    "read_version",
    "register",
    "resolve",
    "set_alias",
    "show",
]

CHAMPION = "champion"
ALIAS = re.compile(r"[\w\-]{1,100}")
RESERVED = re.compile(r"latest|v\d+|\d+")
MODEL = re.compile(r"[^/:\s\x00][^/:\x00]{0,199}")


def register(workspace: Workspace, run_id: str | None = None, *, model: str | None = None) -> ModelVersion:
    """Make the package a run kept the next version of a model.

    The version carries its own name and number, so the package is written again with both. Where the run left
    validation rows out, they become the version's drift reference until a gate judges it on others. A run that was
    registered before stays the version it is.

    Parameters
    ----------
    run_id
        A run's id, its last digits, or its name (the newest of that name); a sweep stands for its winner. The newest
        sweep's winner if None.
    model
        Name in the registry; the one in training.yaml at the time of the run if None.

    Raises
    ------
    NotFoundError
        If there is no such run, or it kept no package.
    """
    from mlcycle.store import Store

    run, content = run_package(workspace, run_id or winner(workspace).run_id)
    package = read_package(content)
    name = _model_name(model or str(package.description["model"]))
    known = [version for version in records.versions(workspace, name) if version.run_id == run.run_id]
    if known:
        return known[0]
    profiles = _first_profiles(workspace, package)
    with Store(workspace).transaction("models register") as transaction:
        again = records.version_of_run(transaction, name, run.run_id)
        if again is not None:  # registered by another command while the profiles were made
            return again
        number = records.next_version(transaction, name)
        description = {**package.description, "model": name, "version": number}
        sha256, size = keep_bytes(workspace, write_package(description, package.model))
        version = ModelVersion(
            model=name,
            version=number,
            run_id=run.run_id,
            sha256=sha256,
            bytes=size,
            format=str(description["runtime"]),
            task=str(description["task"]),
            parity=description.get("parity"),
            training_set_id=description.get("training_set_id"),
            created_at=clock.now(),
        )
        records.add_version(transaction, version, description)
        records.put_profiles(transaction, name, number, profiles)
        transaction.audit(version.subject, after={"run_id": run.run_id, "sha256": sha256})
    return version


def list_versions(workspace: Workspace, model: str | None = None) -> list[ModelVersion]:
    """Return the versions of a model, or of all, the newest first."""
    return records.versions(workspace, model)


def show(workspace: Workspace, model_version: str | ModelVersion | None = None) -> ModelVersion:
    """Return one version; see `resolve`."""
    return resolve(workspace, model_version)


def champion(workspace: Workspace, model: str | None = None) -> ModelVersion | None:
    """Return the champion of a model, of the declared one if None; None if it has none."""
    name = model or declared_model(workspace)
    return next(
        (version for version in records.versions(workspace, name) if CHAMPION in version.aliases), None
    )


def resolve(workspace: Workspace, named: str | ModelVersion | None = None) -> ModelVersion:
    """Find a version.

    Parameters
    ----------
    named
        `MODEL:VERSION`, `MODEL@ALIAS`, `MODEL` (its newest version), or None for the newest of the declared model.

    Raises
    ------
    NotFoundError
        If there is none; the message says which there are.
    """
    if isinstance(named, ModelVersion):
        return named
    text = named or declared_model(workspace)
    every = records.versions(workspace)
    model, _, number = text.partition(":")
    model, _, alias = model.partition("@")
    mine = [version for version in every if version.model == model]
    if number:
        mine = [version for version in mine if str(version.version) == number]
    elif alias:
        mine = [version for version in mine if alias in version.aliases]
    if not mine:
        there = ", ".join(version.subject for version in every)
        raise NotFoundError(
            f"there is no model {text!r}; " + (f"there is {there}" if there else "nothing is registered yet"),
            hint="mlcycle models list" if there else "mlcycle sweep, then mlcycle models register RUN",
        )
    return mine[0]


def set_alias(workspace: Workspace, model_version: str | ModelVersion, alias: str) -> AliasRow:
    """Point an alias of a model at one of its versions.

    Raises
    ------
    UsageError
        If the alias is `champion`, which only a gate gives, or cannot name anything.
    """
    from mlcycle.store import Store

    if alias == CHAMPION:
        raise UsageError(
            "only the gate makes a champion", hint=f"mlcycle models promote {_subject(model_version)}"
        )
    if not ALIAS.fullmatch(alias) or RESERVED.fullmatch(alias):
        raise UsageError(
            f"{alias!r} cannot be an alias", hint="use letters, digits, _ and -, not latest or v1"
        )
    version = resolve(workspace, model_version)
    seen = records.alias(workspace, version.model, alias)
    with Store(workspace).transaction("models alias") as transaction:
        records.move_alias(transaction, version.model, alias, version.version, seen=seen, since=clock.now())
        transaction.audit(
            f"{version.model}@{alias}",
            before={"version": seen.version} if seen else None,
            after={"version": version.version},
        )
    moved = records.alias(workspace, version.model, alias)
    if moved is None:  # another command removed it at once
        raise NotFoundError(f"{version.model} has no alias {alias!r}", hint="mlcycle models list")
    return moved


def read_version(workspace: Workspace, version: ModelVersion) -> Package:
    """Return a version's package; its bytes are those that were registered.

    Raises
    ------
    DataError
        If the artifact is gone or damaged.
    """
    return read_package(read_artifact(workspace, version.sha256))


def profile_rows(package: Package, rows: Rows) -> list[ProfileRow]:
    """Return the profiles of rows a version was judged on."""
    from mlcycle.experiments.evaluation import evaluate, layout_of
    from mlcycle.models.profile import profiles

    return profiles(layout_of(package), rows.columns, evaluate(package, rows.columns).shown)


def declared_model(workspace: Workspace) -> str:
    """Return the model that training.yaml names."""
    from mlcycle.declare import load

    return load(workspace).require_training().model


def _first_profiles(workspace: Workspace, package: Package) -> list[ProfileRow]:
    from mlcycle.experiments.rows import training_rows

    description = package.description
    if description.get("fit_rows") != "train" or not description.get("training_set_id"):
        return []
    rows = training_rows(workspace, description["training_set_id"])[1].of_split("validation")
    return profile_rows(package, rows) if len(rows) else []


def _model_name(name: str) -> str:
    if not MODEL.fullmatch(name) or "@" in name:
        raise UsageError(f"{name!r} cannot name a model", hint="use up to 200 characters without / : @")
    return name


def _subject(model_version: str | ModelVersion) -> str:
    return model_version if isinstance(model_version, str) else model_version.subject
