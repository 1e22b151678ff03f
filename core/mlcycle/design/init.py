"""A new workspace: commented templates, or declarations made from a data file that run at once through every phase."""

from __future__ import annotations

import re
from pathlib import Path

from mlcycle import clock, trust
from mlcycle.declare import load
from mlcycle.design import write_data, write_model
from mlcycle.design.model import InitReport
from mlcycle.design.plan import Plan, make_plan
from mlcycle.design.profile import FileProfile, profile, typed_table
from mlcycle.design.read_file import format_of, read_file
from mlcycle.design.sync import sync
from mlcycle.design.templates import TEMPLATES
from mlcycle.engines.local import Session, session
from mlcycle.errors import UsageError, WorkspaceError
from mlcycle.store import Store
from mlcycle.workspace import MARKER, Workspace

__all__ = ["init", "propose"]

IGNORED = "# Made by the tool; everything a person wrote is kept.\n.mlcycle/\ninbox/\n"


def init(
    folder: Path | str,
    *,
    from_file: Path | str | None = None,
    target: str | None = None,
    time: str | None = None,
    key: str | None = None,
) -> InitReport:
    """Make a workspace.

    Parameters
    ----------
    folder
        Where; made if it does not exist.
    from_file
        A CSV, TSV, JSON, JSON lines, Parquet, Arrow or SQLite file to profile; read where it is, not copied.
    target
        The column to predict. Two values make the task binary, 3 to 20 texts or whole numbers multiclass, other
        numbers regression.
    time
        The column that says which moment a row is about; without one the rows are timeless.
    key
        The column that names a row's entity; found in the file, or the rows are numbered, unless said.

    Returns
    -------
    InitReport
        What was written, decided and left out.

    Raises
    ------
    UsageError
        If the folder is a workspace already or holds a file that would be overwritten, the data file or a named
        column does not exist, or a column cannot be what it is named as.
    DataError
        If the file is empty, cannot be read, or has nothing to learn.
    WorkspaceError
        If the folder cannot be written.
    """
    root = Path(folder).expanduser().resolve()
    if (root / MARKER).exists():
        raise UsageError(f"{root} is a workspace already", hint="mlcycle status")
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file, not a folder", hint="mlcycle init ANOTHER_FOLDER")
    if from_file is None:
        if target or time or key:
            raise UsageError("--target, --time and --key are columns of a file", hint="add --from FILE")
        name = _slug(root.name, "product")
        return _make(root, _templates(name), InitReport(root, (), name, "mlcycle design check"))
    path = Path(from_file).expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {from_file}", hint="mlcycle init DIR --from FILE --target COLUMN")
    texts, report = propose(root, path, target, time=time, key=key)
    return _make(root, texts, report)


def _templates(name: str) -> dict[str, str]:
    return {
        **TEMPLATES,
        "deploy.yaml": write_model.DEPLOY,
        "monitor.yaml": write_model.monitor_yaml(),
        MARKER: write_model.product_yaml(name, ""),
    }


def propose(
    root: Path, path: Path, target: str | None, *, time: str | None = None, key: str | None = None
) -> tuple[dict[str, str], InitReport]:
    """Return the declarations that `init` would write for a file, and its report; writes nothing."""
    kind = format_of(path)
    with session(reads=[path]) as opened:
        found, table = read_file(opened, path, kind, target)
        if target is None:
            raise UsageError("which column is to be predicted?", hint=f"--target, one of: {', '.join(found)}")
        types = typed_table(opened, found, path)
        seen = profile(opened, path, kind, table, types, found)
        plan = make_plan(opened, seen, target=target, time=time, key=key)
        source = _source_name(opened, path)
    return _declarations(root, path, seen, plan, source)


def _declarations(
    root: Path, path: Path, seen: FileProfile, plan: Plan, source: str
) -> tuple[dict[str, str], InitReport]:
    written = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    product = _slug(root.name, source)
    design, requirements = write_model.design_yaml(seen, plan)
    texts = {
        "design.yaml": design,
        "data.yaml": write_data.data_yaml(seen, plan, source, written),
        f"checks/{source}.yaml": write_data.checks_yaml(seen, plan, source, clock.now()),
        "features.yaml": write_model.features_yaml(seen, plan, source),
        "training.yaml": write_model.training_yaml(seen, plan, f"{source}_model"),
        "deploy.yaml": write_model.DEPLOY,
        "monitor.yaml": write_model.monitor_yaml(seen, plan),
        MARKER: write_model.product_yaml(product, f"Predicts {plan.target} from {path.name}."),
    }
    report = InitReport(
        root, (), product, "mlcycle data ingest", source, seen.rows, plan.task, plan.target, plan.time, plan.key,
        tuple(plan.features), plan.left_out, requirements,
    )  # fmt: skip
    return texts, report


def _make(root: Path, texts: dict[str, str], report: InitReport) -> InitReport:
    there = [name for name in texts if (root / name).exists()]
    if there:
        raise UsageError(
            f"{root} holds {', '.join(there)} already, and nothing is overwritten",
            hint="choose another folder, or move them away",
        )
    notes = []
    if (root / ".gitignore").exists():
        notes.append("add .mlcycle/ to .gitignore: it was there already and is left as it was")
    else:
        texts = {".gitignore": IGNORED, **texts}
    done: list[Path] = []
    workspace = Workspace(root)
    # A folder that held code before holds somebody's: it is asked about like any other.
    mine = not trust.code_hash(workspace)
    try:
        _write(root, texts, done)
        load(workspace)
        Store.create(workspace)
        sync(workspace)
        if mine:
            trust.remember(workspace, whole=True, made=True)
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise
    return InitReport(**{**report.__dict__, "files": tuple(texts), "notes": tuple(notes)})


def _write(root: Path, texts: dict[str, str], done: list[Path]) -> None:
    try:
        (root / "inbox").mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = root / name
            path.parent.mkdir(exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                done.append(path)
                file.write(text)
    except OSError as error:
        raise WorkspaceError(
            f"{root} cannot be written: {error.strerror}", hint="choose a folder of your own"
        ) from error


def _source_name(opened: Session, path: Path) -> str:
    """Return a table's name for a file: a plain SQL name that is no reserved word."""
    name = _slug(path.stem, "data").replace("-", "_")
    reserved = opened.rows("SELECT 1 FROM duckdb_keywords() WHERE keyword_name = ?", [name])
    return f"{name}_rows" if reserved or name == "spine" else name


def _slug(text: str, otherwise: str) -> str:
    slug = re.sub(r"[^a-z0-9-]+", "_", text.lower()).strip("_-")
    return slug if re.match(r"[a-z]", slug) else f"{otherwise}_{slug}".rstrip("_")
