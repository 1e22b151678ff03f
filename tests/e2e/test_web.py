"""`mlcycle web`: who gets in, how many, what a browser sees, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from tests.e2e.browser import Browser, Page, browser, find, until
from tests.e2e.conftest import COMMAND, mlcycle
from tests.tui import factory

from mlcycle_app.web.guard import Guard
from mlcycle_app.web.server import Place, serve

pytestmark = pytest.mark.e2e

LIMIT_S = 30
HOME, FOUR = "next action", "runs"


@dataclass(frozen=True)
class Served:
    """A `mlcycle web` at work."""

    process: subprocess.Popen[str]
    link: str

    @property
    def place(self) -> str:
        """Its address without the token."""
        found = urlsplit(self.link)
        return f"{found.scheme}://{found.netloc}"

    @property
    def tabs(self) -> list[psutil.Process]:
        """The processes of its tabs, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return factory.full(tmp_path_factory.mktemp("web") / "parcels").root


@contextmanager
def served(workspace: Path, *options: str) -> Iterator[Served]:
    words = ["-w", str(workspace), "--now", factory.NOW.isoformat(), "web", "--json", *options]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["pid"] == process.pid
        yield Served(process, told["url"])
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_S)


@pytest.fixture(scope="module")
def shared(workspace: Path) -> Iterator[Served]:
    """One server for the tests that leave it as it is; its link is not used."""
    with served(workspace) as found:
        yield found


@asynccontextmanager
async def visitor(one: Served | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client; let in, if a server is given."""
    jar = aiohttp.CookieJar(unsafe=True)  # as browsers do: addresses may have cookies, too
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(LIMIT_S)) as client:
        if one is not None:
            async with client.get(one.link) as answer:
                assert answer.status == 200
        yield client


async def drawn(tab: aiohttp.ClientWebSocketResponse, words: str) -> None:
    """Return as soon as the tab was sent the words."""
    seen = b""
    while words.encode() not in seen:
        message = await tab.receive(timeout=LIMIT_S)
        assert message.type is aiohttp.WSMsgType.BINARY, (message, seen)
        seen += message.data


async def ended(tab: aiohttp.ClientWebSocketResponse) -> int | None:
    """Read to the end; return the code it was closed with."""
    while not tab.closed:
        await tab.receive(timeout=LIMIT_S)
    return tab.close_code


def gone(processes: list[psutil.Process]) -> None:
    """Return when none of them lives."""
    _, alive = psutil.wait_procs(processes, timeout=LIMIT_S)
    assert alive == []


# Who gets in.


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/?token=guessed", {}),
        ("/static/js/textual.js", {}),
        ("/page/page.css", {}),
        ("/download/some", {}),
        ("/ws", {"Origin": "own"}),
        ("/nothing-here", {}),
    ],
)
async def test_without_token_and_cookie_everything_is_refused(
    shared: Served, path: str, headers: dict[str, str]
) -> None:
    sent = {name: shared.place if value == "own" else value for name, value in headers.items()}
    async with visitor() as client, client.get(shared.place + path, headers=sent) as answer:
        assert answer.status == 403
        assert "mlcycle web" in await answer.text()


async def test_the_link_opens_one_browser_once_and_the_cookie_opens_it_again(workspace: Path) -> None:
    with served(workspace) as one:
        async with visitor(one) as client:
            for path in ("/", "/", "/static/js/textual.js", "/page/page.js", f"/?{urlsplit(one.link).query}"):
                async with client.get(one.place + path) as answer:
                    assert answer.status == 200
            async with visitor() as stranger, stranger.get(one.link) as answer:
                assert answer.status == 403
                assert "has been used" in await answer.text()


async def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(workspace: Path) -> None:
    with served(workspace) as one:
        async with visitor() as client, client.get(one.link) as answer:
            (cookie,) = answer.cookies.values()
            assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
            assert cookie.value not in one.link


async def test_nothing_is_kept_and_nothing_from_elsewhere_may_be_loaded(workspace: Path) -> None:
    with served(workspace) as one:
        async with visitor(one) as client:
            for path in ("/", "/static/css/xterm.css", "/nothing-here"):
                async with client.get(one.place + path) as answer:
                    policy = answer.headers["Content-Security-Policy"]
                    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
                    assert "*" not in policy and "https:" not in policy
                    assert answer.headers["Cache-Control"] == "no-store"
                    assert answer.headers["Referrer-Policy"] == "no-referrer"
            async with client.get(one.place) as answer:
                assert "http" not in (await answer.text()).replace(one.place, "")


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "127.0.0.1:1", "127.0.0.1", "127.0.0.1.evil.example:{port}"]
)
async def test_another_name_in_host_is_refused_with_and_without_cookie(workspace: Path, host: str) -> None:
    with served(workspace) as one:
        headers = {"Host": host.format(port=urlsplit(one.place).port)}
        async with visitor(one) as client:
            for path in ("/", "/ws", "/static/js/textual.js"):
                async with client.get(one.place + path, headers=headers) as answer:
                    assert answer.status == 403
                    assert "ssh -L" in await answer.text()


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null", ""])
async def test_another_pages_socket_is_refused_and_starts_no_process(workspace: Path, origin: str) -> None:
    with served(workspace) as one:
        headers = {"Origin": origin} if origin else {}
        async with visitor(one) as client:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(f"{one.place}/ws", headers=headers)
            assert refused.value.status == 403
            assert one.tabs == []


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}],
)
async def test_what_another_page_asks_for_is_refused(workspace: Path, headers: dict[str, str]) -> None:
    with served(workspace) as one:
        async with visitor(one) as client, client.get(one.place, headers=headers) as answer:
            assert answer.status == 403


def test_a_guard_of_every_address_takes_numbers_and_no_names() -> None:
    guard = Guard(8000, "0.0.0.0")
    assert (
        guard.is_ours("192.168.1.7:8000")
        and guard.is_ours("[fe80::1]:8000")
        and guard.is_ours("localhost:8000")
    )
    assert not guard.is_ours("evil.example:8000") and not guard.is_ours("192.168.1.7")
    assert (
        Guard(80).is_ours("127.0.0.1")
        and Guard(80).is_ours("[::1]")
        and not Guard(80).is_ours("evil.example")
    )


def test_a_port_that_is_taken_is_said_with_what_to_type(shared: Served, workspace: Path) -> None:
    done = mlcycle("web", "--port", str(urlsplit(shared.place).port), folder=workspace)
    assert done.returncode == 3
    assert "cannot listen on 127.0.0.1" in done.stderr and "mlcycle web" in done.stderr


def test_an_address_that_others_reach_is_warned_of(workspace: Path) -> None:
    words = ["-w", str(workspace), "web", "--host", "0.0.0.0"]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    link = process.stdout.readline()
    process.terminate()
    _, words_said = process.communicate(timeout=LIMIT_S)
    assert link.startswith("http://127.0.0.1:")
    assert "WARNING" in words_said and "ssh -L" in words_said


# Tabs and their processes.


async def test_a_tab_is_a_process_on_the_same_workspace_that_ends_with_it(workspace: Path) -> None:
    with served(workspace) as one:
        async with visitor(one) as client:
            async with client.ws_connect(f"{one.place}/ws?width=100&height=30", origin=one.place) as tab:
                await drawn(tab, HOME)
                processes = one.tabs
                assert len(processes) == 1
                words = processes[0].cmdline()
                assert words[words.index("-w") + 1] == str(workspace)
                assert words[words.index("--now") + 1] == factory.NOW.isoformat()
            gone(processes)
            async with client.get(one.place) as answer:
                assert answer.status == 200


async def test_q_ends_the_tab(workspace: Path) -> None:
    with served(workspace) as one:
        async with visitor(one) as client:
            tab = await client.ws_connect(f"{one.place}/ws?width=100&height=30", origin=one.place)
            await drawn(tab, HOME)
            processes = one.tabs
            await tab.send_json(["stdin", "q"])
            await ended(tab)
            gone(processes)


async def test_what_no_terminal_sends_is_passed_over(workspace: Path) -> None:
    with served(workspace) as one:
        async with visitor(one) as client:
            tab = await client.ws_connect(f"{one.place}/ws?width=x&height=99999999", origin=one.place)
            await drawn(tab, HOME)
            for said in ("no json", "[]", '["resize"]', '["resize", {"width": 1e99}]', "7", '["stdin"]'):
                await tab.send_str(said)
            await tab.send_json(["resize", {"width": 10**9, "height": -1}])
            await tab.send_json(["resize", {"width": 90, "height": 30}])
            await tab.send_json(["stdin", "4"])
            await drawn(tab, FOUR)
            await tab.close()


async def test_more_tabs_than_allowed_are_told_so_and_a_closed_one_makes_room(workspace: Path) -> None:
    with served(workspace, "--tabs", "1") as one:
        async with visitor(one) as client:
            first = await client.ws_connect(f"{one.place}/ws", origin=one.place)
            await drawn(first, HOME)
            second = await client.ws_connect(f"{one.place}/ws", origin=one.place)
            message = await second.receive(timeout=LIMIT_S)
            assert message.type is aiohttp.WSMsgType.CLOSE
            assert message.data == 4429 and "1 tab is open already" in str(message.extra)
            assert len(one.tabs) == 1
            await first.close()
            third = await client.ws_connect(f"{one.place}/ws", origin=one.place)
            await drawn(third, HOME)
            await third.close()
            await second.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
async def test_the_servers_end_leaves_no_process_even_with_a_tab_open(workspace: Path, number: int) -> None:
    with served(workspace) as one:
        async with visitor(one) as client:
            tab = await client.ws_connect(f"{one.place}/ws?width=100&height=30", origin=one.place)
            await drawn(tab, HOME)
            processes = one.tabs
            assert processes
            one.process.send_signal(number)
            await ended(tab)
            code = one.process.wait(timeout=LIMIT_S)
            assert code == {signal.SIGINT: 0, signal.SIGKILL: -number}.get(
                signal.Signals(number), 128 + number
            )
            gone(processes)


STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
waiting = [sys.executable, "-c", "import signal; signal.pause()"]
job = subprocess.Popen(waiting, stdout=subprocess.DEVNULL, start_new_session=True)
said = str(job.pid).encode()
sys.stdout.buffer.write(b"__GANGLION__\\nD" + len(said).to_bytes(4, "big") + said)
sys.stdout.flush()
while True:
    signal.pause()
"""


async def test_a_process_that_will_not_end_is_killed_with_what_it_started() -> None:
    async with in_process([sys.executable, "-c", STUBBORN]) as guard, visitor() as client:
        place = f"http://127.0.0.1:{guard.port}"
        await client.get(guard.link)
        tab = await client.ws_connect(f"{place}/ws", origin=place)
        message = await tab.receive(timeout=LIMIT_S)
        job = psutil.Process(int(message.data))
        parent = job.parent()
        assert parent is not None
        await tab.close()
        await asyncio.to_thread(gone, [job, parent])


async def test_a_tab_whose_process_cannot_begin_shows_why(workspace: Path) -> None:
    command = [*COMMAND, "-w", str(workspace / "nowhere")]
    async with in_process(command) as one, visitor() as client:
        await client.get(one.link)
        tab = await client.ws_connect(
            f"http://127.0.0.1:{one.port}/ws", origin=f"http://127.0.0.1:{one.port}"
        )
        await drawn(tab, "mlcycle: ")
        await ended(tab)


# Downloads.

DELIVERING = """
import io
from textual.app import App
class Giver(App):
    def on_mount(self):
        self.deliver_text(io.StringIO("<script>alert(1)</script>"), save_filename='a b;"c.html', open_method="browser")
Giver().run()
"""


@asynccontextmanager
async def in_process(command: list[str]) -> AsyncIterator[Guard]:
    """Serve another command in this process."""
    ready: asyncio.Future[Guard] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(Place(command, "other"), ready.set_result))
    try:
        yield await asyncio.wait_for(ready, LIMIT_S)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_download_is_saved_never_shown_and_asks_for_the_cookie() -> None:
    async with (
        in_process([sys.executable, "-c", DELIVERING]) as guard,
        visitor() as client,
        visitor() as stranger,
    ):
        place = f"http://127.0.0.1:{guard.port}"
        await client.get(guard.link)
        async with client.ws_connect(f"{place}/ws", origin=place) as tab:
            while True:
                message = await tab.receive(timeout=LIMIT_S)
                if message.type is aiohttp.WSMsgType.TEXT and "deliver_file_start" in message.data:
                    break
            key = json.loads(message.data)[1]
            async with stranger.get(f"{place}/download/{key}") as answer:
                assert answer.status == 403
            async with client.get(f"{place}/download/{key}") as answer:
                assert await answer.text() == "<script>alert(1)</script>"
                assert answer.headers["Content-Disposition"] == 'attachment; filename="a_b_c.html"'
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


# In a browser.


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.skip("no Chromium; Debian: apt-get install chromium (.ci/run does)")
    with browser(program, tmp_path_factory.mktemp("chromium")) as made:
        yield made


def _visible(page: Page) -> str:
    """Return the notice that lies over the terminal."""
    shown = page.evaluate(
        "[...document.querySelectorAll('.notice')].filter(one => one.checkVisibility()).map(one => one.innerText) + ''"
    )
    return str(shown)


def test_a_browser_draws_home_takes_keys_and_asks_nobody_else(workspace: Path, chromium: Browser) -> None:
    with served(workspace) as one:
        page = Page(chromium)
        page.go(one.link)
        page.wait_for(HOME)
        until(lambda: _visible(page) == "", "the terminal uncovered")
        home = page.picture()
        assert page.evaluate("location.href") == f"{one.place}/", "the token stays in the address"
        assert page.evaluate("document.cookie") == ""
        assert page.evaluate("document.fonts.check('16px \"Roboto Mono\"')") is True
        page.press("4")
        page.wait_until_gone(HOME)
        page.wait_for(FOUR)
        until(lambda: page.picture() != home, "another picture")
        page.reload()
        page.wait_for(HOME)
        page.press("q")
        until(lambda: "Start again" in _visible(page), "the end said")
        page.close()
        hosts = {urlsplit(url).hostname for url in page.asked if urlsplit(url).scheme != "data"}
        assert hosts == {"127.0.0.1"}, page.asked
        assert page.errors == []


def test_a_browser_says_why_there_is_no_further_tab(workspace: Path, chromium: Browser) -> None:
    with served(workspace, "--tabs", "1") as one:
        page, other = Page(chromium), Page(chromium)
        page.go(one.link)
        page.wait_for(HOME)
        other.go(f"{one.place}/")
        until(lambda: "1 tab is open already" in _visible(other), "why there is no tab")
        page.close()
        other.evaluate("document.getElementById('again').click()")
        other.wait_for(HOME)
        other.close()


def test_a_browser_is_told_that_the_server_has_ended(workspace: Path, chromium: Browser) -> None:
    with served(workspace) as one:
        page = Page(chromium)
        page.go(one.link)
        page.wait_for(HOME)
        processes = one.tabs
        os.kill(one.process.pid, signal.SIGKILL)
        until(lambda: "does not answer any more" in _visible(page), "the end said")
        gone(processes)
        page.close()
