"""A requirement changed where it is written; every other character of `design.yaml` stays as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlcycle.declare import load
from mlcycle.declare.document import parse
from mlcycle.declare.model import Scalar
from mlcycle.declare.names import suggestion
from mlcycle.design.model import Requirement
from mlcycle.design.rewrite import File, add_key, alone, mapping, put, put_list
from mlcycle.design.sync import one_in_force, sync
from mlcycle.errors import DeclarationError, NotFoundError, UsageError
from mlcycle.workspace import Workspace

__all__ = ["edit"]

FILE = "design.yaml"
ORDER = ("id", "role", "statement", "metric", "params", "comparison", "value", "budget", "phases", "owner")
"""Keys as `add` writes them: a new one goes behind those before it."""


def edit(
    workspace: Workspace,
    requirement_id: str,
    *,
    role: str | None = None,
    metric: str | None = None,
    comparison: str | None = None,
    value: float | None = None,
    phases: Sequence[str] | None = None,
    statement: str | None = None,
    params: Mapping[str, Scalar] | None = None,
    owner: str | None = None,
    budget: float | None = None,
) -> Requirement:
    """Change what is given of a requirement, in `design.yaml`, and take it over as a new version.

    Comments, order, quotes and blank lines stay. The file is written in one step, and only if every declaration
    still fits.

    Parameters
    ----------
    params
        Names and values to set; others that the metric has stay.

    Returns
    -------
    Requirement
        As the store has it now.

    Raises
    ------
    Busy
        If another process, or an editor, changes the file at the same time; then nothing is written.
    DeclarationError
        If the change does not fit what is declared; then nothing is written.
    NotFoundError
        If no requirement in force carries the id.
    UsageError
        If nothing is to be changed.
    """
    said: dict[str, Any] = {
        "role": role,
        "statement": statement,
        "metric": metric,
        "comparison": comparison,
        "value": _short(value),
        "budget": _short(budget),
        "owner": owner,
    }
    said = {name: one for name, one in said.items() if one is not None}
    if not said and phases is None and not params:
        raise UsageError(
            "nothing to change is given", hint=f"mlcycle design edit {requirement_id} --value 0.8"
        )
    with alone(workspace):
        file = File.of(workspace.root, FILE)
        position = _position(file, requirement_id)
        before = _requirement(file.text, file, position)
        said = {name: one for name, one in said.items() if not _same(before.get(name), one)}
        changed = _changed(file, position, said, phases, params or {})
        if changed != file.text:
            _compare(file, changed, position, said, phases, params or {})
            load(workspace, unsaved={FILE: changed})
            file.write(changed)
    sync(workspace)
    return one_in_force(workspace, requirement_id)


def _short(number: float | None) -> float | None:
    """Return 50 for 50.0: a limit is written as one would."""
    whole = number is not None and abs(number) < 1e15 and float(number).is_integer()
    return int(number) if whole and number is not None else number


def _position(file: File, requirement_id: str) -> int:
    found = (parse(file.text, file.name).value or {}).get("requirements") or []
    ids = [str(one.get("id")) if isinstance(one, dict) else "" for one in found]
    if requirement_id not in ids:
        near = suggestion(requirement_id, filter(None, ids), what="requirements")
        raise NotFoundError(
            f"no requirement is called `{requirement_id}`{near}", hint="mlcycle design add --help"
        )
    return ids.index(requirement_id)


def _changed(
    file: File,
    position: int,
    said: Mapping[str, Any],
    phases: Sequence[str] | None,
    params: Mapping[str, Scalar],
) -> str:
    text, name = file.text, file.name
    before = _requirement(text, file, position)
    for key, value in said.items():
        text = put(text, name, ("requirements", position, key), value, after=_after(key))
    if phases is not None and before.get("phases") != list(phases):
        text = put_list(text, name, ("requirements", position, "phases"), phases, after=_after("phases"))
    if params and not isinstance(before.get("params"), dict):
        return add_key(text, ("requirements", position, "params"), mapping(params), after=_after("params"))
    for key, value in params.items():
        if before["params"].get(key) != value:
            text = put(text, name, ("requirements", position, "params", key), value)
    return text


def _same(old: Any, new: Any) -> bool:
    """Tell whether a value stays: where lines of a text are broken is its writer's business."""
    if isinstance(old, str) and isinstance(new, str):
        return old.split() == new.split()
    return bool(old == new) or (old is None and new == "")


def _after(key: str) -> tuple[str, ...]:
    return ORDER[: ORDER.index(key)][::-1]


def _requirement(text: str, file: File, position: int) -> dict[str, Any]:
    one = parse(text, file.name).value["requirements"][position]
    return dict(one)


def _compare(
    file: File,
    changed: str,
    position: int,
    said: Mapping[str, Any],
    phases: Sequence[str] | None,
    params: Mapping[str, Scalar],
) -> None:
    """Refuse a text that says anything else than the old one with the change: the file is written too oddly."""
    wanted = parse(file.text, file.name)
    one = wanted.value["requirements"][position]
    one.update(said)
    if params:
        one["params"] = {**(one.get("params") or {}), **params}
    found = parse(changed, file.name).value
    if phases is not None:
        one["phases"] = sorted(phases)
        found["requirements"][position]["phases"] = sorted(found["requirements"][position]["phases"])
    if found != wanted.value:
        line = wanted.place(("requirements", position)).line
        raise DeclarationError(
            "is written in a way that cannot be changed from here",
            file=file.name,
            line=line,
            hint="change it in an editor, then mlcycle design check",
        )
