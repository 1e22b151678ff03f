"""Logging runs, in this process and from scripts."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mlcycle
from mlcycle.errors import NotFoundError, UsageError, WorkspaceError
from mlcycle.experiments import list_runs, run_command
from mlcycle.experiments.artifacts import keep_bytes, read_artifact
from mlcycle.store import Store
from mlcycle.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return an empty workspace that is found from here."""
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLCYCLE_WORKSPACE", raising=False)
    return Workspace(tmp_path)


@pytest.fixture(autouse=True)
def no_run_left() -> Iterator[None]:
    """End what a failing test left active."""
    yield
    while mlcycle.active_run():
        mlcycle.end_run("failed")


def rows(workspace: Workspace, sql: str) -> list[dict[str, Any]]:
    """Ask the store."""
    return Store(workspace).read(sql)


def python(workspace: Workspace, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the workspace, as a user would."""
    path = workspace.root / "train.py"
    path.write_text(script)
    return subprocess.run(
        [sys.executable, "train.py"],
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_run_keeps_what_was_logged_and_is_finished(workspace: Workspace) -> None:
    with mlcycle.start_run("first", experiment="tries", tags={"team": "blue"}) as run:
        assert mlcycle.log_params({"depth": 3, "shuffle": True, "note": None})
        assert mlcycle.log_metrics({"loss": 0.5}, step=1)
        assert mlcycle.log_metrics({"loss": 0.25}, step=2)
    [found] = list_runs(workspace)
    assert (found.run_id, found.name, found.experiment, found.status) == (
        run.run_id,
        "first",
        "tries",
        "finished",
    )
    assert found.params == {"depth": "3", "note": "null", "shuffle": "true"}
    assert found.metrics == {"loss": 0.25}
    assert found.tags == {"team": "blue"}
    assert [row["value"] for row in rows(workspace, "SELECT value FROM metrics ORDER BY step")] == [0.5, 0.25]


def test_nan_and_the_infinities_are_kept(workspace: Workspace) -> None:
    with mlcycle.start_run() as run:
        run.log_metrics({"a": math.nan, "b": math.inf, "c": -math.inf})
    found = list_runs(workspace)[0].metrics
    assert math.isnan(found["a"])
    assert (found["b"], found["c"]) == (math.inf, -math.inf)


def test_logging_without_a_run_starts_one(workspace: Workspace) -> None:
    mlcycle.log_metric("x", 1)
    mlcycle.end_run()
    assert list_runs(workspace)[0].status == "finished"
    assert mlcycle.end_run() is True


def test_a_second_run_must_be_nested_and_is_then_a_child(workspace: Workspace) -> None:
    with mlcycle.start_run("outer") as outer:
        with pytest.raises(UsageError, match="still active"):
            mlcycle.start_run("other")
        with mlcycle.start_run("inner", nested=True):
            mlcycle.log_metric("x", 1)
    children = [run for run in list_runs(workspace) if run.parent_run_id == outer.run_id]
    assert [(run.name, run.metrics) for run in children] == [("inner", {"x": 1.0})]


@pytest.mark.parametrize(("error", "status"), [(ValueError, "failed"), (KeyboardInterrupt, "killed")])
def test_what_ended_a_run_is_its_status(
    workspace: Workspace, error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), mlcycle.start_run():
        raise error
    assert list_runs(workspace)[0].status == status


def test_a_failed_run_says_why_in_a_tag(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="no"), mlcycle.start_run("raised"):
        raise ValueError("no\nand more")
    with pytest.raises(SystemExit), mlcycle.start_run("left"):
        sys.exit(3)
    with pytest.raises(SystemExit), mlcycle.start_run("said"):
        sys.exit("no such file")
    with pytest.raises(SystemExit), mlcycle.start_run("fine"):
        sys.exit(0)
    assert [(run.name, run.status, run.tags) for run in reversed(list_runs(workspace))] == [
        ("raised", "failed", {"mlcycle.error": "ValueError: no"}),
        ("left", "failed", {"exit_code": "3"}),
        ("said", "failed", {"exit_code": "1", "mlcycle.error": "no such file"}),
        ("fine", "finished", {}),
    ]


def test_a_failed_run_says_the_exceptions_own_line_and_not_a_note_beside_it(workspace: Workspace) -> None:
    error = ValueError("no rows")
    error.add_note("while reading part 7")
    with pytest.raises(ValueError, match="no rows"), mlcycle.start_run():
        raise error
    with pytest.raises(SyntaxError), mlcycle.start_run():
        compile("a b", "rule.py", "exec")
    said = [run.tags["mlcycle.error"] for run in reversed(list_runs(workspace))]
    assert said == ["ValueError: no rows", "SyntaxError: invalid syntax"]


def test_a_run_that_was_gone_on_with_does_not_keep_why_it_had_failed_before(workspace: Workspace) -> None:
    with pytest.raises(SystemExit), mlcycle.start_run("one"):
        sys.exit("no such file")
    with pytest.raises(ValueError, match="no"), mlcycle.start_run(run_id="one"):
        raise ValueError("no")
    assert mlcycle.get_run("one").tags == {"mlcycle.error": "ValueError: no"}
    with mlcycle.start_run(run_id="one"):
        mlcycle.log_metric("x", 1)
    found = mlcycle.get_run("one")
    assert (found.status, found.tags, list_runs(workspace)[0].tags) == ("finished", {}, {})


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: mlcycle.start_run("other"), "end_run() first"),
        (lambda: mlcycle.get_run("nobody"), "mlcycle runs list"),
        (lambda: mlcycle.start_run(nested=True, run_id="nobody"), "mlcycle runs list"),
        (lambda: mlcycle.log_param("depth", 4), "start another run"),
        (lambda: mlcycle.end_run("well"), "one of finished"),
        (lambda: mlcycle.log_model(object()), "fit it first"),
        (lambda: mlcycle.log_model(object(), allow_pickle=" "), "why nothing else will do"),
    ],
)
def test_an_error_of_the_tracking_api_has_its_hint_as_one_note(
    workspace: Workspace, call: Callable[[], object], hint: str
) -> None:
    with mlcycle.start_run("one"):
        mlcycle.log_param("depth", 3)
        with pytest.raises(UsageError) as caught:
            call()
    [note] = caught.value.__notes__
    assert note == f"try: {caught.value.hint}"
    assert hint in note


def test_a_run_is_shown_with_what_it_kept_and_read_and_what_made_it(workspace: Workspace) -> None:
    script = """
import mlcycle
with mlcycle.start_run("whole") as run:
    run.log_input("dataset_version", "abc")
    mlcycle.log_text("fine", "notes/one.txt")
"""
    assert python(workspace, script).returncode == 0
    found = mlcycle.get_run("whole")
    assert found.command is not None
    assert found.command.endswith("train.py")
    assert (found.script, found.inputs, found.conflicts) == (
        "script/train.py",
        {"dataset_version": "abc"},
        (),
    )
    assert [(one.path, one.bytes) for one in found.artifacts] == [
        ("notes/one.txt", 4),
        ("script/train.py", len(script)),
    ]
    assert read_artifact(workspace, found.artifacts[0].sha256) == b"fine"


def test_ending_the_outer_run_ends_the_inner_ones_first(workspace: Workspace) -> None:
    outer = mlcycle.start_run("outer")
    mlcycle.start_run("inner", nested=True)
    mlcycle.start_run("innermost", nested=True)
    assert outer.end("failed")
    assert mlcycle.active_run() is None
    ended = rows(workspace, "SELECT name, status FROM runs ORDER BY ended_at")
    assert [(row["name"], row["status"]) for row in ended] == [
        ("innermost", "failed"),
        ("inner", "failed"),
        ("outer", "failed"),
    ]


def test_a_param_cannot_be_given_again_with_another_value(workspace: Workspace) -> None:
    with mlcycle.start_run("one") as run:
        run.log_params({"depth": 3})
        run.log_params({"depth": 3, "rate": 0.1})
        with pytest.raises(UsageError, match="cannot become '4'"):
            run.log_params({"fresh": 1, "depth": 4})
    assert list_runs(workspace)[0].params == {"depth": "3", "rate": "0.1"}


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/..", ".", " a", "a@b", "a\nb", "x" * 251])
def test_keys_that_could_not_be_files_are_refused_and_nothing_is_kept(workspace: Workspace, key: str) -> None:
    with mlcycle.start_run() as run, pytest.raises(UsageError):
        run.log_metrics({"fine": 1.0, key: 2.0})
    assert list_runs(workspace)[0].metrics == {}


def test_keys_may_be_words_of_any_language(workspace: Workspace) -> None:
    with mlcycle.start_run() as run:
        run.log_metrics({"метрика/val 1": 1.0})
    assert list_runs(workspace)[0].metrics == {"метрика/val 1": 1.0}


@pytest.mark.parametrize("value", ["much", None, [1]])
def test_a_metric_must_be_a_number(workspace: Workspace, value: Any) -> None:
    with mlcycle.start_run() as run, pytest.raises(UsageError, match="no number"):
        run.log_metric("x", value)
    with mlcycle.start_run() as run, pytest.raises(UsageError, match="no step"):
        run.log_metric("x", 1.0, step=1.5)  # type: ignore[arg-type]
    assert workspace.journal.is_dir()


def test_artifacts_are_kept_by_content_and_cannot_leave_the_run(workspace: Workspace) -> None:
    folder = workspace.root / "plots"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")
    with mlcycle.start_run() as run:
        assert mlcycle.log_artifact(folder)
        assert mlcycle.log_artifact(folder / "a.txt", "again")
        with pytest.raises(UsageError):
            mlcycle.log_artifact(folder / "a.txt", "../out")
        with pytest.raises(UsageError):
            mlcycle.log_artifact(folder / "none.txt")
    kept = {
        row["path"]: row["sha256"]
        for row in rows(workspace, "SELECT path, sha256 FROM artifacts ORDER BY path")
    }
    assert {path for path in kept if not path.startswith("script/")} == {
        "again/a.txt",
        "plots/a.txt",
        "plots/deep/b.txt",
    }
    assert kept["again/a.txt"] == kept["plots/a.txt"]
    assert read_artifact(workspace, kept["plots/deep/b.txt"]) == b"b"
    assert not list(workspace.tmp.iterdir())
    assert run.status == "finished"


def test_a_long_param_is_kept_whole_as_an_artifact(workspace: Workspace) -> None:
    with mlcycle.start_run() as run:
        run.log_params({"text": "x" * 100_000})
        run.set_tag("look-alike", "sha256:0000")
        with pytest.raises(UsageError, match="cannot become"):
            run.log_param("text", "y" * 100_000)
    value = list_runs(workspace)[0].params["text"]
    assert read_artifact(workspace, value.removeprefix("sha256:")) == b"x" * 100_000
    with mlcycle.start_run(run_id=run.run_id) as again:
        assert again.log_param("text", "x" * 100_000)
    found = mlcycle.get_run(run.run_id)
    assert found.params == {"text": "x" * 100_000}
    assert found.tags == {"look-alike": "sha256:0000"}
    workspace.artifact(value.removeprefix("sha256:")).unlink()
    assert mlcycle.get_run(run.run_id).params == {"text": value}


def test_texts_and_mappings_are_kept_as_files(workspace: Workspace) -> None:
    with mlcycle.start_run():
        assert mlcycle.log_text("gruß", "notes/a.txt")
        assert mlcycle.log_dict({"b": [1, None], "a": workspace.root}, "notes/b.json")
        with pytest.raises(UsageError):
            mlcycle.log_text("x", "../a.txt")
    kept = {row["path"]: row["sha256"] for row in rows(workspace, "SELECT path, sha256 FROM artifacts")}
    assert read_artifact(workspace, kept["notes/a.txt"]).decode() == "gruß"
    assert json.loads(read_artifact(workspace, kept["notes/b.json"])) == {
        "b": [1, None],
        "a": str(workspace.root),
    }


def test_nothing_of_a_folder_is_kept_if_one_name_in_it_cannot_be(workspace: Workspace) -> None:
    folder = workspace.root / "plots"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "b\\c.txt").write_text("b")
    with mlcycle.start_run() as run, pytest.raises(UsageError):
        run.log_artifact(folder)
    with mlcycle.start_run() as run, pytest.raises(UsageError, match="no file"):
        run.log_artifact("/dev/zero")
    assert rows(workspace, "SELECT path FROM artifacts WHERE path NOT LIKE 'script/%'") == []


def test_a_damaged_artifact_is_not_handed_out(workspace: Workspace) -> None:
    sha256, _ = keep_bytes(workspace, b"content")
    workspace.artifact(sha256).write_bytes(b"other")
    with pytest.raises(mlcycle.errors.DataError, match="damaged"):
        read_artifact(workspace, sha256)


def test_a_run_can_be_gone_on_with_by_its_id(workspace: Workspace) -> None:
    with mlcycle.start_run("one") as first:
        first.log_params({"depth": 3})
    with mlcycle.start_run(run_id=first.run_id) as again:
        again.log_metric("late", 1.0)
        with pytest.raises(UsageError):
            again.log_params({"depth": 4})
    [found] = list_runs(workspace)
    assert (found.name, found.metrics) == ("one", {"late": 1.0})
    with pytest.raises(NotFoundError):
        mlcycle.start_run(run_id="01890000-0000-7000-8000-000000000000")
    with pytest.raises(NotFoundError):
        mlcycle.start_run(run_id="../../x")
    with mlcycle.start_run(run_id=first.run_id[-8:]) as third, pytest.raises(UsageError, match="active here"):
        mlcycle.start_run(run_id=third.run_id, nested=True)
    assert third.run_id == first.run_id


def test_outside_a_workspace_logging_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLCYCLE_WORKSPACE", raising=False)
    with pytest.raises(WorkspaceError):
        mlcycle.log_metric("x", 1)


def test_a_plain_script_logs_and_what_made_it_is_captured(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "swordfish-7261")
    script = (
        "import mlcycle\nmlcycle.log_metrics({'auc': 0.9})\nimport sys\nassert 'duckdb' not in sys.modules\n"
    )
    done = python(workspace, script)
    assert (done.returncode, done.stderr) == (0, "")
    [run] = rows(workspace, "SELECT * FROM runs")
    assert run["status"] == "finished"
    assert "train.py" in run["command"]
    assert read_artifact(workspace, run["script_sha256"]) == script.encode()
    facts = json.loads(run["environment"])
    assert facts["packages"]["numpy"]
    assert facts["python"].startswith("3.")
    assert "swordfish" not in json.dumps(run, default=str)
    assert os.uname().nodename not in json.dumps(facts)


def test_a_script_that_raises_leaves_a_failed_run(workspace: Workspace) -> None:
    done = python(workspace, "import mlcycle\nmlcycle.log_metric('x', 1)\nraise ValueError('no')\n")
    assert done.returncode == 1
    assert [run.status for run in list_runs(workspace)] == ["failed"]


def test_a_captured_command_and_its_own_run_are_one(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    (workspace.root / "fit.py").write_text(
        "import mlcycle\n"
        "with mlcycle.start_run('mine'):\n    mlcycle.log_metric('auc', 0.9)\n"
        "with mlcycle.start_run('after'):\n    pass\n"
        "print('done')\nraise SystemExit(3)\n"
    )
    assert run_command(workspace, [sys.executable, "fit.py"], trust=True) == 3
    assert "done" in capfd.readouterr().out
    after, mine = list_runs(workspace)
    assert (mine.name, mine.status, mine.metrics) == ("mine", "failed", {"auc": 0.9})
    assert mine.tags["exit_code"] == "3"
    assert (after.name, after.parent_run_id) == ("after", mine.run_id)
    kept = {row["path"]: row["sha256"] for row in rows(workspace, "SELECT path, sha256 FROM artifacts")}
    assert read_artifact(workspace, kept["output/stdout.txt"]) == b"done\n"
    assert "script/fit.py" in kept


def test_a_command_that_is_not_there_is_a_usage_error_and_a_failed_run(workspace: Workspace) -> None:
    with pytest.raises(UsageError):
        run_command(workspace, ["no-such-command-anywhere"])
    with pytest.raises(UsageError):
        run_command(workspace, [])
    assert [run.status for run in list_runs(workspace)] == ["failed"]


def test_importing_mlcycle_loads_nothing_heavy() -> None:
    heavy = ["duckdb", "msgspec", "yaml", "numpy", "sklearn", "polars", "textual", "typing"]
    code = f"import sys; known = set(sys.modules); import mlcycle; print(set({heavy}) & set(sys.modules) - known)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_logging_loads_no_database_and_no_numbers() -> None:
    heavy = ["duckdb", "numpy", "yaml", "msgspec"]
    code = f"import sys, mlcycle; mlcycle.start_run; print(set({heavy}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
