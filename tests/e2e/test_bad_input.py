"""Bad input: what is wrong, where, what to type next; the exit code of the design; nothing lost, nothing half done."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.e2e.conftest import COMMAND, mlcycle

pytestmark = pytest.mark.e2e

TABLE = "id,size,colour,price\n" + "".join(
    f"{n},{n % 37},{'red' if n % 3 else 'blue'},{100 + 3 * (n % 37) + n * 7 % 31}\n" for n in range(200)
)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A small workspace made from a file, not yet fed."""
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    done = mlcycle(
        "init", tmp_path / "shop", "--from", tmp_path / "table.csv", "--target", "price", "--key", "id"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "shop"


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_an_unknown_key_is_named_with_the_nearest_one(made: Path) -> None:
    change(made / "design.yaml", "metric:", "metirc:")
    done = mlcycle("design", "check", folder=made)
    assert done.returncode == 2
    assert "metirc" in done.stderr and "metric" in done.stderr and "design.yaml:" in done.stderr


def test_a_wrong_type_is_named_with_line_and_column(made: Path) -> None:
    change(made / "training.yaml", "seed: 0", "seed: soon")
    done = mlcycle("design", "check", folder=made)
    line = next(
        n
        for n, text in enumerate((made / "training.yaml").read_text(encoding="utf-8").splitlines(), 1)
        if "seed: soon" in text
    )
    assert done.returncode == 2
    assert f"training.yaml:{line}:" in done.stderr and "soon" in done.stderr


def test_a_requirement_on_an_unknown_metric_is_refused_with_its_place(made: Path) -> None:
    change(made / "design.yaml", "metric: rmse", "metric: rmsee")
    done = mlcycle("design", "check", folder=made)
    assert done.returncode == 2
    assert "rmsee" in done.stderr and "rmse" in done.stderr and "design.yaml:" in done.stderr


def test_a_missing_file_is_named(made: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").unlink()
    done = mlcycle("data", "ingest", folder=made)
    assert done.returncode == 3
    assert "table.csv" in done.stderr


def test_an_empty_csv_is_refused_whole(made: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("", encoding="utf-8")
    done = mlcycle("data", "ingest", folder=made)
    assert done.returncode == 3
    assert "table.csv" in done.stderr and "empty" in done.stderr
    assert mlcycle("data", "list", "--json", folder=made).stdout.strip() == "[]"


def test_a_csv_with_another_schema_names_the_columns(made: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE.replace("colour", "color"), encoding="utf-8")
    done = mlcycle("data", "ingest", folder=made)
    assert done.returncode == 3
    assert "colour" in done.stderr and "color" in done.stderr
    assert mlcycle("data", "list", "--json", folder=made).stdout.strip() == "[]"


def test_a_feature_on_an_unknown_column_names_view_and_column(made: Path) -> None:
    assert mlcycle("data", "ingest", folder=made).returncode == 0
    assert mlcycle("quality", "check", folder=made).returncode == 0
    change(made / "features.yaml", "size: ", "size: sizze + ")
    done = mlcycle("features", "build", folder=made)
    assert done.returncode == 2
    assert "sizze" in done.stderr and "size" in done.stderr


def test_promoting_a_missing_model_says_what_there_is(made: Path) -> None:
    done = mlcycle("models", "promote", "nosuch:3", folder=made)
    assert done.returncode == 2
    assert "nosuch" in done.stderr


def test_a_folder_that_is_no_workspace_is_named_with_the_way_to_make_one(tmp_path: Path) -> None:
    done = mlcycle("status", folder=tmp_path)
    assert done.returncode == 3
    assert "mlcycle.yaml" in done.stderr and "mlcycle init" in done.stderr


def test_a_workspace_of_a_newer_version_is_refused_before_anything_is_written(made: Path) -> None:
    import duckdb

    database = made / ".mlcycle" / "store.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "INSERT INTO schema_version VALUES (9999, 'future', 'x', '99.0.0', now()::TIMESTAMP)"
        )
    before = database.read_bytes()
    for words in (["status"], ["data", "ingest"], ["sql", "SELECT 1"]):
        done = mlcycle(*words, folder=made)
        assert done.returncode == 3, words
        assert "99.0.0" in done.stderr
    assert database.read_bytes() == before


def test_init_from_a_file_without_the_target_names_the_nearest_column(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    done = mlcycle("init", tmp_path / "shop", "--from", tmp_path / "table.csv", "--target", "prise")
    assert done.returncode == 2
    assert "prise" in done.stderr and "price" in done.stderr
    assert not (tmp_path / "shop" / "mlcycle.yaml").exists()


def test_an_unknown_command_is_told_from_its_nearest() -> None:
    done = mlcycle("statsu")
    assert done.returncode == 2
    assert "status" in done.stderr


def test_in_a_read_only_folder_reading_works_and_writing_says_why_not(made: Path) -> None:
    for words in (["status"], ["sql", "SELECT count(*) FROM batches"], ["data", "list"], ["doctor"]):
        done = read_only(made.parent, "-w", str(made), *words)
        assert done.returncode == 0, (words, done.stderr)
    for words in (
        ["data", "ingest"],
        ["design", "add", "more", "--role", "business", "--metric", "mae", "--value", "1"],
    ):
        done = read_only(made.parent, "-w", str(made), *words)
        assert done.returncode == 3, (words, done.stdout, done.stderr)
        assert "written" in done.stderr or "ead-only" in done.stderr
    assert mlcycle("data", "ingest", folder=made).returncode == 0


def read_only(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that sees a folder read-only: as root on a mount of its own, else with mode bits off."""
    if os.geteuid() == 0:
        mounted = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        command = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            mounted,
            str(folder),
            *COMMAND,
            *words,
        ]
        if subprocess.run([*command[:7], str(folder), "true"], capture_output=True, check=False).returncode:
            pytest.skip("root may not make a mount here, and mode bits do not stop root")
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    places = [folder, *folder.rglob("*")]
    modes = {place: place.stat().st_mode for place in places}
    try:
        for place in places:
            place.chmod(modes[place] & ~0o222)
        return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=120, check=False)
    finally:
        for place in places:
            place.chmod(modes[place])
