"""Answers which model version is meant when somebody says little or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcycle.declare import load
from mlcycle.errors import NotFoundError
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.models import ModelVersion

__all__ = ["which"]


def which(workspace: Workspace, model: str | None = None, version: int | None = None) -> ModelVersion:
    """Return the version that is meant.

    Parameters
    ----------
    model
        `MODEL`, `MODEL:VERSION` or `MODEL@ALIAS`; the declared model unless said, or the only one with a champion.
    version
        The champion unless said here or in `model`.

    Raises
    ------
    NotFoundError
        If there is no such version, or no champion to take.
    """
    from mlcycle.models import list_versions, resolve

    if model is None:
        training = load(workspace).training
        model = training.model if training is not None else None
    if model is not None and version is not None:
        return resolve(workspace, f"{model}:{version}")
    if model is not None and not {":", "@"}.isdisjoint(model):
        return resolve(workspace, model)
    best = [row for row in list_versions(workspace, model) if "champion" in row.aliases]
    if len(best) != 1:
        there = f"model {model!r} has no champion" if model else f"{len(best) or 'no'} models have a champion"
        raise NotFoundError(f"{there}: nothing says which version to serve", hint="mlcycle models promote")
    return best[0]
