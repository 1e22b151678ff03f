"""Suggested checks written into `checks/<dataset>.yaml`; what stands there stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

from mlcycle import declare
from mlcycle.declare import scalar
from mlcycle.declare.convert import typed
from mlcycle.declare.document import parse
from mlcycle.declare.model import Checks
from mlcycle.declare.names import suggestion
from mlcycle.declare.verify_data import verify_checks
from mlcycle.design.rewrite import File, alone, append
from mlcycle.errors import NotFoundError
from mlcycle.quality.model import Suggestion
from mlcycle.quality.rules import rules_of
from mlcycle.quality.suggest import suggest
from mlcycle.workspace import Workspace

__all__ = ["accept"]


def accept(
    workspace: Workspace, names: Sequence[str] | None = None, *, dataset: str | None = None
) -> list[Suggestion]:
    """Write suggested checks into the files of their datasets, each with its evidence as a comment.

    All texts are made and verified before the first file is written; the files are then written one by one.

    Parameters
    ----------
    names
        Names of suggestions; all there are unless said.
    dataset
        Of this one alone.

    Returns
    -------
    list of Suggestion
        Those written, in the order of the suggestions.

    Raises
    ------
    Busy
        If somebody else changed a file meanwhile; files before it are written then and stay, and asking again
        suggests only what is left.
    DeclarationError
        If a check file would not fit any more; then none is written.
    NotFoundError
        If nothing of that name is suggested.
    """
    with alone(workspace):
        return _accept(workspace, names, dataset)


def _accept(workspace: Workspace, names: Sequence[str] | None, dataset: str | None) -> list[Suggestion]:
    there = suggest(workspace, dataset)
    known = {one.name for one in there}
    for name in names or ():
        if name not in known:
            near = suggestion(name, sorted(known), what="suggestions")
            raise NotFoundError(
                f"no suggestion is called `{name}`{near}",
                hint="mlcycle quality suggest; it may stand in the file",
            )
    wanted = there if names is None else [one for one in there if one.name in names]
    files: dict[str, list[Suggestion]] = {}
    for one in wanted:
        files.setdefault(one.file, []).append(one)
    declarations = declare.load(workspace)
    changed = [(File.of(workspace.root, name), own) for name, own in files.items()]
    texts = [_grown(file, own, declarations) for file, own in changed]
    for (file, _), text in zip(changed, texts, strict=True):
        file.write(text)
    return wanted


def _grown(file: File, wanted: Sequence[Suggestion], declarations: declare.Declarations) -> str:
    text = file.text
    parse(text, file.name)
    if not text.strip():
        text = f"table: {scalar(wanted[0].dataset)}\n"
    for one in wanted:
        text = append(text, one.dimension, one.check, remark=one.evidence)
    document = parse(text, file.name)
    checks = typed(document, Checks)
    verify_checks(document, checks, declarations.data)
    rules_of(checks)
    return text
