"""The sample as a workspace: its own folder, its declarations, and nobody else's files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
import yaml
from tests.unit.deploy.product import make

from mlcycle import deploy
from mlcycle.declare import model
from mlcycle.errors import UsageError
from mlcycle.store import Store
from mlcycle_sample import expected
from mlcycle_sample.workspace import (
    LOCKS,
    MANIFEST,
    MARKER,
    claim,
    is_ours,
    playing,
    write_declarations,
    write_workspace,
)

_FILES = {
    "mlcycle.yaml": model.Product,
    "design.yaml": model.Design,
    "data.yaml": model.Data,
    "features.yaml": model.Features,
    "training.yaml": model.Training,
    "deploy.yaml": model.Deploy,
    "monitor.yaml": model.Monitor,
}


def test_a_workspace_has_declarations_history_and_drops_aside(tmp_path: Path) -> None:
    seen: list[float] = []
    manifest = write_workspace(tmp_path / "w", 3, lambda share, _: seen.append(share))
    folder = tmp_path / "w"
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert all((folder / name).is_file() for name in (*_FILES, MARKER, MANIFEST, ".gitignore"))
    data = msgspec.convert(yaml.safe_load((folder / "data.yaml").read_text()), model.Data)
    assert all((folder / source.path).is_file() for source in data.sources.values())
    assert (folder / "drops/2026-01/customers.csv").is_file()
    assert list((folder / "inbox").iterdir()) == []
    assert data.sources.keys() <= manifest["history"].keys()


def test_every_declaration_fits_the_grammar(tmp_path: Path) -> None:
    written = write_declarations(tmp_path)
    assert {path.name for path in written if path.parent == tmp_path} == set(_FILES)
    for name, kind in _FILES.items():
        msgspec.convert(yaml.safe_load((tmp_path / name).read_text()), kind)
    for path in (tmp_path / "checks").iterdir():
        msgspec.convert(yaml.safe_load(path.read_text()), model.Checks)


def test_each_defect_of_the_manifest_has_a_check_of_its_name(tmp_path: Path) -> None:
    write_declarations(tmp_path)
    names = set()
    for path in (tmp_path / "checks").iterdir():
        checks = msgspec.convert(yaml.safe_load(path.read_text()), model.Checks)
        dimensions = (checks.consistency, checks.completeness, checks.timeliness, checks.accuracy)
        names |= {check.name for dimension in dimensions for check in dimension}
    assert set(expected.DEFECTS) <= names


def test_six_requirements_stand_in_five_roles(tmp_path: Path) -> None:
    write_declarations(tmp_path)
    design = msgspec.convert(yaml.safe_load((tmp_path / "design.yaml").read_text()), model.Design)
    limits = {row.id: (row.role, row.comparison, row.value, tuple(row.phases)) for row in design.requirements}
    assert limits == {
        "auc": ("data scientist", ">=", 0.78, ("gate", "monitor", "retrain")),
        "recall_at_20": ("business", ">=", 0.50, ("gate", "monitor", "retrain")),
        "region_gap": ("compliance", "<=", 0.25, ("gate",)),
        "latency_p95": ("operations", "<=", 50, ("gate", "monitor")),
        "contact_budget": ("business", "<=", 1200, ("gate", "monitor")),
        "session_freshness": ("subject expert", "<=", 3, ("data", "monitor")),
    }


def test_claim_leaves_a_folder_with_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(UsageError, match="left alone"):
        claim(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "three years of work"
    assert not is_ours(tmp_path)


def test_claim_refuses_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        claim(tmp_path / "note")


def test_claim_empties_its_own_folder_and_follows_no_link_out_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep.txt").write_text("kept")
    folder = tmp_path / "demo"
    claim(folder)
    (folder / "data" / "history").mkdir(parents=True)
    (folder / "data" / "history" / "old.csv").write_text("")
    (folder / "link").symlink_to(outside)
    claim(folder)
    assert [entry.name for entry in folder.iterdir()] == [MARKER]
    assert (outside / "keep.txt").read_text() == "kept"


def test_claim_stops_the_server_it_finds_running_and_keeps_the_lock_files(tmp_path: Path) -> None:
    claim(tmp_path / "demo")
    workspace = make(tmp_path / "demo")
    pid = deploy.start(workspace).pid
    locks = {name: (workspace.home / name).stat().st_ino for name in LOCKS}
    claim(tmp_path / "demo")
    assert not psutil.pid_exists(pid or 0)
    assert {entry.name for entry in workspace.root.iterdir()} == {MARKER, ".mlcycle"}
    assert {entry.name: entry.stat().st_ino for entry in workspace.home.iterdir()} == locks
    Store.create(workspace)
    assert deploy.list_deployments(workspace) == []


@pytest.mark.parametrize("damage", ["newer", "bytes"])
def test_claim_empties_a_folder_whose_store_cannot_be_read(tmp_path: Path, damage: str) -> None:
    claim(tmp_path / "demo")
    workspace = make(tmp_path / "demo")
    if damage == "newer":
        with Store(workspace).transaction("test") as transaction:
            transaction.execute("UPDATE schema_version SET version = version + 1000")
    else:
        workspace.database.write_bytes(b"no store" * 4096)
    claim(tmp_path / "demo")
    assert not workspace.database.exists()


def test_a_second_story_in_a_folder_is_refused_while_the_first_one_plays(tmp_path: Path) -> None:
    code = "import sys, pathlib; from mlcycle_sample.workspace import playing\n"
    code += "with playing(pathlib.Path(sys.argv[1])): print('plays', flush=True); sys.stdin.read()"
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "demo")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "plays\n"
    with pytest.raises(UsageError, match="another demo is playing"), playing(tmp_path / "demo"):
        pass
    first.kill()
    first.communicate()
    with playing(tmp_path / "demo"):
        claim(tmp_path / "demo")


def test_playing_makes_no_lock_in_somebodys_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(UsageError, match="left alone"), playing(tmp_path):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]
