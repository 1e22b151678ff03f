from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.deploy.product import register

from mlcycle import deploy
from mlcycle.deploy.logs import log_file
from mlcycle.errors import EngineError, NotFoundError
from mlcycle.workspace import Workspace
from mlcycle_app.cli.root import run

Product = Callable[..., Workspace]


def served(product: Product) -> Workspace:
    """Return a workspace whose server was started and stopped again."""
    workspace = product()
    deploy.start(workspace)
    deploy.stop(workspace)
    return workspace


def test_a_server_that_said_nothing_has_an_empty_log(product: Product) -> None:
    log = deploy.logs(served(product))
    assert (log.deployment, log.lines, log.left_out) == ("local", (), 0)


def test_what_a_server_said_when_it_did_not_come_up_can_be_read(product: Product) -> None:
    workspace = served(product)
    register(workspace, 2, model=b"no graph")
    with pytest.raises(EngineError):
        deploy.start(workspace, "machines:2")
    assert any("cannot be loaded" in line for line in deploy.logs(workspace).lines)


def test_the_last_lines_are_shown_and_what_stands_before_them_is_counted(product: Product) -> None:
    workspace = served(product)
    log_file(workspace, "local").write_bytes(b"one\ntwo \xff\nthree")
    log = deploy.logs(workspace, "local", 2)
    assert (log.lines, log.left_out) == (("two �", "three"), 4)
    assert deploy.logs(workspace, lines=0).lines == ()


def test_a_log_that_is_gone_is_an_empty_one(product: Product) -> None:
    workspace = served(product)
    log_file(workspace, "local").unlink()
    assert deploy.logs(workspace).lines == ()


def test_a_log_is_followed_line_by_line_and_through_a_new_beginning(product: Product) -> None:
    workspace = served(product)
    path = log_file(workspace, "local")
    path.write_text("old\nlast\nhalf a")
    lines = deploy.follow(workspace, lines=1)
    assert next(lines) == "last"
    with path.open("a") as file:
        file.write(" line\n")
    assert next(lines) == "half a line"
    path.write_text("new\n")
    assert next(lines) == "new"


def test_the_log_of_an_unknown_deployment_is_not_found(product: Product) -> None:
    workspace = product()
    with pytest.raises(NotFoundError):
        deploy.logs(workspace, "nowhere")
    with pytest.raises(NotFoundError):
        next(deploy.follow(workspace, "nowhere"))


def test_the_command_shows_a_log_without_obeying_it(
    product: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = served(product)
    root = str(workspace.root)
    assert run(["-w", root, "deploy", "logs"]) == 0
    assert "local has said nothing" in capsys.readouterr().err
    log_file(workspace, "local").write_text("bell \a\n")
    assert run(["-w", root, "deploy", "logs", "--lines", "1"]) == 0
    assert capsys.readouterr().out == "bell �\n"


def test_what_was_served_lately_is_told_with_its_window(
    product: Product, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    workspace = served(product)
    assert run(["-w", str(workspace.root), "deploy", "stats", "local", "--minutes", "5"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split() for line in told[:4]] == [
        ["deployment", "local"],
        ["minutes", "5"],
        ["served", "0"],
        ["errors", "0"],
    ]
    assert run(["-w", str(workspace.root), "deploy", "stats", "nowhere"]) == 2
