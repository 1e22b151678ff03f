"""The link of `mlcycle web`: how the browser of this machine gets it, and that nothing else ever shows its token."""

from __future__ import annotations

import html
import json
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from tests.e2e.conftest import COMMAND
from tests.e2e.test_web import LIMIT_S, served
from tests.tui import factory

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return factory.empty(tmp_path_factory.mktemp("link") / "parcels").root


BROWSER = """#!{python}
import json, os, socket, sys
from urllib.parse import urlsplit
from urllib.request import url2pathname
words = sys.argv[1:]
path = url2pathname(urlsplit(words[0]).path)
said = {{"words": words, "path": path, "mode": os.stat(path).st_mode & 0o777, "page": open(path).read()}}
with socket.create_connection(("127.0.0.1", {port})) as told:
    told.sendall(json.dumps(said).encode())
"""
"""Stands in for a browser: tells who listens what it was given."""


def test_the_browser_is_given_a_page_for_this_user_alone_and_no_process_list_holds_the_token(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "browser"
    with socket.create_server(("127.0.0.1", 0)) as hears:
        hears.settimeout(LIMIT_S)
        program.write_text(BROWSER.format(python=sys.executable, port=hears.getsockname()[1]))
        program.chmod(0o700)
        monkeypatch.setenv("BROWSER", str(program))
        with served(workspace, "--open") as one:
            with hears.accept()[0] as told, told.makefile() as lines:
                given = json.loads(lines.read())
            token = urlsplit(one.link).query.removeprefix("token=")
            shown = [*given["words"], *psutil.Process(one.process.pid).cmdline()]
            assert [urlsplit(word).scheme for word in given["words"]] == ["file"]
            assert given["mode"] == 0o600
            assert Path(given["path"]).parent.stat().st_mode & 0o777 == 0o700
            assert token and not any(token in word for word in shown)
            assert one.link.startswith("http://127.0.0.1:") and html.escape(one.link) in given["page"]
            assert "no-referrer" in given["page"]
    assert not Path(given["path"]).parent.exists()


def test_a_broken_request_is_answered_and_leaves_neither_traceback_nor_token_on_the_terminal(
    workspace: Path,
) -> None:
    words = ["-w", str(workspace), "web"]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    link = urlsplit(process.stdout.readline().strip())
    token = link.query.removeprefix("token=")
    answers = []
    for request in (
        f"GET /?{link.query} HTTP/9.9\r\n\r\n",
        f"GET /?{link.query}\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nCookie {token}\r\n\r\n",
        f"\x16\x03\x01 {token}\r\n\r\n",
    ):
        with socket.create_connection((link.hostname, link.port), timeout=LIMIT_S) as line:
            line.sendall(request.encode("latin-1"))
            answers.append(line.makefile("rb").readline())
    process.terminate()
    _, said = process.communicate(timeout=LIMIT_S)
    assert all(b" 400 " in answer for answer in answers), answers
    assert token and token not in said
    assert "Traceback" not in said and "Error" not in said
