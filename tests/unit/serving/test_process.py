"""The server as a real process. Waiting is for an end of a pipe or of a process, never for time to pass."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
from tests.unit.serving.packages import GOOD, binary

from mlcycle.journal.frame import parse
from mlcycle.serving.life import listen

ONE = {"instances": [{"features": GOOD}]}


def start(*words: str, **more: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "mlcycle.serving", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def pipe(end: IO[bytes] | None) -> IO[bytes]:
    assert end is not None
    return end


@contextmanager
def running(*words: str, **more: Any) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    process = start(*words, **more)
    try:
        yield process, json.loads(pipe(process.stdout).readline())
    finally:
        process.kill()
        for end in (process.stdin, process.stdout, process.stderr):
            if end is not None:
                end.close()
        process.wait(10)


def connect(ready: dict[str, Any]) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection(ready["url"].removeprefix("http://"), timeout=10))


def ask(ready: dict[str, Any], document: object) -> tuple[int, Any]:
    with connect(ready) as connection:
        return post(connection, document)


def post(connection: http.client.HTTPConnection, document: object) -> tuple[int, Any]:
    connection.request("POST", "/predict", json.dumps(document))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def records(journal: Path) -> list[dict[str, Any]]:
    files = sorted((journal / "prediction").glob("*.jnl"))
    return [json.loads(line) for path in files for line in parse(path.read_bytes()).records]


def controls(journal: Path) -> list[str]:
    files = sorted((journal / "prediction").glob("*.jnl"))
    return [line["_segment"] for path in files for line in parse(path.read_bytes()).controls]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binary(tmp_path_factory.mktemp("package") / "m.zip")


@pytest.fixture(scope="module")
def server(package: Path) -> Iterator[dict[str, Any]]:
    with running(str(package)) as (_, ready):
        yield ready


def test_a_server_says_where_it_answers_and_answers_there(server: dict[str, Any]) -> None:
    assert server["url"].startswith("http://127.0.0.1:")
    status, answer = ask(server, ONE)
    assert (status, len(answer["predictions"])) == (200, 1)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nnull",
        b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{"instances":[]}',
        b"POST /predict HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\nContent-Length: 2\r\n\r\n{}",
        b"PUT /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_every_bad_request_gets_a_4xx_and_the_server_lives_on(
    server: dict[str, Any], request_bytes: bytes
) -> None:
    host, port = server["url"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request_bytes)
        assert connection.recv(100).startswith(b"HTTP/1.1 4")
    assert ask(server, ONE)[0] == 200


def test_asyncio_is_told_the_protocol_so_that_it_turns_nagles_algorithm_off() -> None:
    # Head and body go out in two writes: with that algorithm each answer takes 40 ms.
    with listen("127.0.0.1", 0) as bound:
        assert bound.proto == socket.IPPROTO_TCP


def test_the_server_loads_no_query_engine_no_frames_and_no_terminal(package: Path) -> None:
    probe = (
        "import sys\nfrom mlcycle.serving.__main__ import main\n"
        f"code = main([{str(package)!r}, '--check'])\n"
        "heavy = {'duckdb', 'polars', 'sklearn', 'textual', 'pandas', 'docker', 'rich'}\n"
        "print(code, *sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]


def test_the_server_leaves_nothing_at_home_and_reports_to_nobody(package: Path, tmp_path: Path) -> None:
    # Without the opt-out ONNX Runtime keeps a device id there and opens a connection.
    hidden = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    kept = {name: value for name, value in os.environ.items() if name not in {"ORT_DISABLE_TELEMETRY", "CI"}}
    with running(str(package), env=kept | hidden) as (process, ready):
        assert ask(ready, ONE)[0] == 200
        peers = [
            item
            for item in psutil.Process(process.pid).net_connections()
            if item.status != psutil.CONN_LISTEN
        ]
        assert {item.laddr.port for item in peers} <= {int(ready["url"].rpartition(":")[2])}
    assert list(tmp_path.iterdir()) == []


def test_sigterm_ends_the_server_with_0_and_an_end_in_its_journal(package: Path, tmp_path: Path) -> None:
    with running(str(package), "--journal", str(tmp_path)) as (process, ready):
        ask(ready, ONE)
        process.terminate()
        assert process.wait(20) == 0
    assert len(records(tmp_path)) == 1
    assert controls(tmp_path) == ["start", "end"]


def test_a_request_in_flight_is_answered_before_the_server_ends(package: Path, tmp_path: Path) -> None:
    body = json.dumps(ONE).encode()
    with running(str(package), "--journal", str(tmp_path)) as (process, ready):
        host, port = ready["url"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body[:5])
            # A second connection's answer shows that the first one's beginning was read.
            ask(ready, ONE)
            process.terminate()
            connection.sendall(body[5:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert process.wait(20) == 0
    assert len(records(tmp_path)) == 2


def test_what_was_answered_before_a_kill_9_is_in_the_journal(package: Path, tmp_path: Path) -> None:
    with running(str(package), "--journal", str(tmp_path)) as (process, ready), connect(ready) as connection:
        answered = [post(connection, ONE)[1]["predictions"][0]["prediction_id"] for _ in range(5)]
        process.kill()
        process.wait(10)
    assert [record["prediction_id"] for record in records(tmp_path)] == answered


def test_a_server_ends_itself_when_its_parent_is_killed(package: Path) -> None:
    parent = (
        "import subprocess, sys, os\n"
        f"command = [sys.executable, '-P', '-m', 'mlcycle.serving', {str(package)!r}, '--parent', str(os.getpid())]\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "print(child.pid, child.stdout.readline().decode(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(pipe(process.stdout).readline().split()[0])
    child = psutil.Process(pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    child.wait(10)
    assert not child.is_running()


def test_a_server_that_is_kept_outlives_the_one_who_started_it(package: Path) -> None:
    parent = (
        "import subprocess, sys, os\n"
        f"command = [sys.executable, '-P', '-m', 'mlcycle.serving', {str(package)!r}, '--parent', str(os.getpid())]\n"
        "pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "child = subprocess.Popen([*command, '--until-kept'], **pipes)\n"
        "line = child.stdout.readline().decode()\n"
        "child.stdin.write(b'keep\\n'); child.stdin.close()\n"
        "print(line, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent], capture_output=True, text=True, check=True, timeout=60
    )
    ready = json.loads(done.stdout)
    child = psutil.Process(ready["pid"])
    try:
        # Two of its ticks: it had the time to see that its parent is gone.
        with pytest.raises(psutil.TimeoutExpired):
            child.wait(2.5)
        assert ask(ready, ONE)[0] == 200
    finally:
        child.terminate()
        child.wait(20)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gone.zip"], 3, "gone.zip cannot be read"),
        (["PACKAGE", "--sha256", "0" * 64], 3, "damaged"),
        (["PACKAGE", "--host", "203.0.113.1"], 3, "cannot listen on 203.0.113.1"),
        (["PACKAGE", "--port", "70000"], 3, "cannot listen on 127.0.0.1:70000"),
        ([], 2, "name a model package"),
    ],
)
def test_a_server_that_cannot_begin_says_why(package: Path, words: list[str], code: int, said: str) -> None:
    process = start(*(str(package) if word == "PACKAGE" else word for word in words))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, b"")
    assert said in err.decode()


def test_a_port_that_is_taken_is_named(package: Path, server: dict[str, Any]) -> None:
    process = start(str(package), "--port", server["url"].rpartition(":")[2])
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "cannot listen" in err.decode()


def test_in_an_image_the_environment_says_what_to_serve_and_where(package: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "MLCYCLE_PACKAGE": str(package),
        "AIP_HTTP_PORT": str(port),
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1:predict",
    }
    with running("serve", env=environment) as (process, ready):
        assert ready["url"] == f"http://0.0.0.0:{port}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(
            "POST", "/v1/endpoints/1:predict", json.dumps(ONE), headers={"Origin": "http://gateway"}
        )
        assert connection.getresponse().status == 200
        connection.close()
        process.terminate()
        assert process.wait(20) == 0


def test_a_file_of_the_workspace_named_like_a_library_is_not_imported(package: Path, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the workspace ran')")
    with running(str(package), cwd=tmp_path) as (_, ready):
        assert ask(ready, ONE)[0] == 200
