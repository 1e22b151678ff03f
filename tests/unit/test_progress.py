"""How far work has come: told by core, heard by one listener, shown on stderr as lines or as one line of a terminal."""

from __future__ import annotations

import io
import json
import threading
from contextlib import redirect_stderr

import pytest

from mlcycle import progress
from mlcycle.errors import EngineError
from mlcycle_app.cli import progress as shown_progress

News = list[tuple[str, int, int | None]]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv(shown_progress.LINES, "lines")
    return io.StringIO()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.delenv(shown_progress.LINES, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return _Terminal()


def test_nothing_happens_when_nobody_listens() -> None:
    progress.tell("work", 1, 2)


def test_the_listener_hears_what_is_told_in_its_block_and_no_more() -> None:
    outer: News = []
    inner: News = []
    with progress.listen(lambda *news: outer.append(news)):
        progress.tell("work", 1, 2)
        with progress.listen(lambda *news: inner.append(news)):
            progress.tell("part", 1)
        with progress.listen(None):
            progress.tell("silent", 1)
        progress.tell("work", 2, 2)
    progress.tell("work", 3)
    assert outer == [("work", 1, 2), ("work", 2, 2)]
    assert inner == [("part", 1, None)]


def test_an_error_in_the_block_gives_the_listener_before_back() -> None:
    heard: News = []
    with progress.listen(lambda *news: heard.append(news)):
        with pytest.raises(KeyError), progress.listen(None):
            raise KeyError
        progress.tell("work", 1)
    assert heard == [("work", 1, None)]


def test_threads_tell_one_at_a_time() -> None:
    heard: News = []
    inside = 0

    def hear(what: str, done: int, total: int | None) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        heard.append((what, done, total))
        inside -= 1

    def tell_all(what: str) -> None:
        for i in range(200):
            progress.tell(what, i, 200)

    with progress.listen(hear):
        threads = [threading.Thread(target=tell_all, args=(f"t{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(heard) == 800
    for n in range(4):
        assert [done for what, done, _ in heard if what == f"t{n}"] == list(range(200))


def test_lines_begin_with_the_sign_and_hold_json(lines: io.StringIO) -> None:
    with redirect_stderr(lines), shown_progress.shown():
        progress.tell("fit models\n", 1, 3)
        progress.tell("wait", 7)
    told = lines.getvalue().split("\n")[:-1]
    assert all(line.startswith("\x1e") for line in told)
    assert [json.loads(line[1:]) for line in told] == [
        {"what": "fit models\n", "done": 1, "total": 3},
        {"what": "wait", "done": 7, "total": None},
    ]


def test_a_torrent_of_news_becomes_few_lines_and_the_last_is_told(lines: io.StringIO) -> None:
    with redirect_stderr(lines), shown_progress.shown():
        for i in range(5000):
            progress.tell("rows", i, 10_000)
        progress.tell("other", 0, 4)
    told = [json.loads(line[1:]) for line in lines.getvalue().split("\n")[:-1]]
    assert len(told) < 500
    assert told[0]["done"] == 0
    assert told[-2] == {"what": "rows", "done": 4999, "total": 10_000}
    assert told[-1] == {"what": "other", "done": 0, "total": 4}


def test_a_terminal_shows_one_line_that_is_gone_in_the_end(terminal: io.StringIO) -> None:
    with redirect_stderr(terminal), shown_progress.shown():
        progress.tell("fit models", 12, 40)
    drawn = terminal.getvalue()
    assert "\n" not in drawn
    assert "fit models 12/40 ━━━━━━━" in drawn and "30 %" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_words_for_the_person_never_share_the_line_of_progress(terminal: io.StringIO) -> None:
    from mlcycle_app.cli.output import say

    with redirect_stderr(terminal), shown_progress.shown():
        progress.tell("fit models", 1, 2)
        say("a word")
    assert "\r\x1b[Ka word\n" in terminal.getvalue()
    assert terminal.getvalue().endswith("a word\n")


def test_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.delenv(shown_progress.LINES, raising=False)
    with redirect_stderr(out), shown_progress.shown():
        progress.tell("fit models", 1, 2)
    assert not out.getvalue()


def test_a_terminal_that_is_gone_does_not_end_the_work(lines: io.StringIO) -> None:
    with redirect_stderr(lines), shown_progress.shown():
        lines.close()
        progress.tell("fit models", 2, 2)


@pytest.mark.parametrize("width", [10, 20, 30, 40, 80, 200])
@pytest.mark.parametrize(("done", "total"), [(0, 3), (3, 3), (5, 3), (1, None), (0, 0), (123_456, 1_000_000)])
def test_a_bar_keeps_within_its_width(width: int, done: int, total: int | None) -> None:
    drawn = shown_progress.bar("read the files", done, total, width)
    assert len(drawn) <= max(width, len(f" {done:,}/{total or 0:,} 100 %"))


def test_an_engines_log_is_followed_step_by_step() -> None:
    from mlcycle.deploy.image import follow

    heard: News = []
    lines: list[str] = []
    parts: list[dict[str, object]] = [
        {"stream": "Step 1/2 : FROM base\n"},
        {"stream": " ---> \x1b[91mabc\x1b[0m\n\n"},
        {"stream": "STEP 2/2: COPY a b\n"},
        {"aux": {"ID": "sha256:0123"}},
        {"stream": "Successfully built 0123456789ab\n"},
    ]
    with progress.listen(lambda *news: heard.append(news)):
        assert follow(parts, "base", lines.append) == "0123456789ab"
    assert lines == [
        "Step 1/2 : FROM base",
        " ---> abc",
        "STEP 2/2: COPY a b",
        "Successfully built 0123456789ab",
    ]
    assert heard == [("build image", 0, 2), ("build image", 1, 2), ("build image", 2, 2)]


def test_a_build_that_fails_says_its_last_lines() -> None:
    from mlcycle.deploy.image import follow

    parts: list[dict[str, object]] = [{"stream": f"line {i}\n"} for i in range(9)]
    parts.append({"error": "no room"})
    with pytest.raises(EngineError, match="on base failed: line 5 / line 6 / line 7 / line 8 / no room"):
        follow(parts, "base", lambda _: None)
