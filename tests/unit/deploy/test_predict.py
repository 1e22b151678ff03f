from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tests.unit.deploy.product import make
from tests.unit.serving.packages import GOOD, binary, expected

from mlcycle import deploy
from mlcycle.deploy.client import Connection
from mlcycle.deploy.gate import latency
from mlcycle.deploy.model import Latency
from mlcycle.errors import CouldNot, DataError, EngineError, NotFoundError, UsageError
from mlcycle.store import Store
from mlcycle.workspace import Workspace

Product = Callable[..., Workspace]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = make(tmp_path_factory.mktemp("served") / "product")
    deploy.start(workspace)
    yield workspace
    deploy.stop(workspace)


def rows(count: int, **changes: Any) -> Iterator[dict[str, Any]]:
    for number in range(count):
        features = GOOD | {"age": number / 10} | changes
        yield {"entity": str(number), "as_of": "2026-01-01T00:00:00", "features": features}


def test_scores_come_back_in_the_order_of_the_rows_and_are_in_the_store(served: Workspace) -> None:
    report = deploy.predict(served, rows(7))
    assert report.scores == pytest.approx([expected(n / 10, "pro", 2) for n in range(7)], abs=1e-6)
    assert (report.n, report.requests, report.unlogged, report.version) == (7, 7, 0, 1)
    assert report.latency is not None
    assert 0 < report.latency.p50 <= report.latency.p95 <= report.latency.p99
    ids = [prediction.prediction_id for prediction in report.predictions]
    found = Store(served).read("SELECT prediction_id, entity, score, deployment FROM predictions")
    kept = {row["prediction_id"]: row for row in found}
    assert [kept[one]["entity"] for one in ids] == [str(n) for n in range(7)]
    assert [kept[one]["score"] for one in ids] == report.scores


def test_a_batch_of_rows_a_request_gives_the_same_scores(served: Workspace) -> None:
    one, many = deploy.predict(served, rows(10)), deploy.predict(served, rows(10), batch=4)
    assert (many.n, many.requests) == (10, 3)
    assert many.scores == pytest.approx(one.scores, abs=1e-7)


def test_no_rows_are_no_requests(served: Workspace) -> None:
    report = deploy.predict(served, [])
    assert (report.n, report.requests, report.latency) == (0, 0, None)


def test_numbers_of_numpy_are_sent_as_numbers_and_masked_ones_as_missing(served: Workspace) -> None:
    values: list[Any] = [np.float64(1), np.float32(1), np.int64(1), np.bool_(True)]
    assert len({deploy.predict(served, rows(1, age=value)).scores[0] for value in values}) == 1
    for missing in (np.nan, float("nan"), np.ma.masked, None):
        assert deploy.predict(served, rows(1, age=missing)).scores == [None]


def test_a_refused_row_is_told_with_its_path(served: Workspace) -> None:
    with pytest.raises(EngineError, match=r"422: .*row 1 and on, \$\.instances\[0\]\.features\.age"):
        deploy.predict(served, rows(2, age="old"))


def test_a_value_that_no_server_takes_is_named(served: Workspace) -> None:
    with pytest.raises(UsageError, match="a complex cannot be sent"):
        deploy.predict(served, [{"features": 1j}])


def test_a_request_holds_at_least_one_row(served: Workspace) -> None:
    with pytest.raises(UsageError, match="at least one row"):
        deploy.predict(served, rows(1), batch=0)


def test_predict_without_a_deployment_says_what_to_type(product: Product) -> None:
    workspace = product()
    with pytest.raises(NotFoundError, match="no deployment 'local'") as caught:
        deploy.predict(workspace, rows(1))
    assert "mlcycle deploy start" in caught.value.hint


def test_predict_after_a_kill_9_says_that_the_process_is_gone(product: Product) -> None:
    workspace = product()
    process = psutil.Process(deploy.start(workspace).pid)
    process.kill()
    process.wait(10)
    with pytest.raises(EngineError, match="'local' is failed: its process"):
        deploy.predict(workspace, rows(1))


def test_a_server_killed_between_two_rows_is_an_error_and_what_it_answered_is_kept(product: Product) -> None:
    workspace = product()
    process = psutil.Process(deploy.start(workspace).pid)

    def until_killed() -> Iterator[dict[str, Any]]:
        yield from rows(3)
        process.kill()
        process.wait(10)
        yield from rows(1)

    with pytest.raises(EngineError, match="does not answer"):
        deploy.predict(workspace, until_killed())
    assert Store(workspace).read("SELECT count(*) AS n FROM predictions") == [{"n": 3}]


@pytest.mark.usefixtures("nothing_left")
def test_a_smoke_test_times_every_row_and_leaves_nothing_behind(tmp_path: Path) -> None:
    package = binary(tmp_path / "m.zip")
    found = deploy.smoke(package, rows(5))
    assert len(found) == 5
    assert min(found) > 0
    assert list(tmp_path.iterdir()) == [package]


def test_a_smoke_test_of_what_cannot_be_served_says_why(tmp_path: Path) -> None:
    package = tmp_path / "m.zip"
    package.write_bytes(b"no package")
    with pytest.raises(EngineError, match="not a model package"):
        deploy.smoke(package, rows(1))


def test_the_gates_smoke_test_needs_nothing_but_the_package(tmp_path: Path) -> None:
    assert len(latency(binary(tmp_path / "m.zip").read_bytes())) == 200


@pytest.mark.parametrize("text", ["auc", "auc=high", "=0.9", "auc=>0.9", ""])
def test_a_what_if_limit_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="is no limit"):
        deploy.gate(Workspace(tmp_path), what_if=[text])


def test_latencies_are_the_nearest_ranks() -> None:
    assert Latency.of([float(n) for n in range(100, 0, -1)]) == Latency(51.0, 96.0, 100.0)
    assert Latency.of([3.0]) == Latency(3.0, 3.0, 3.0)
    assert Latency.of([]) is None


class Scripted:
    """A server that answers what it is told to, connection by connection."""

    def __init__(self, *connections: list[bytes]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, args=(connections,))
        self._thread.start()

    def _run(self, connections: tuple[list[bytes], ...]) -> None:
        for answers in connections:
            accepted, _ = self._socket.accept()
            with accepted:
                for answer in answers:
                    accepted.recv(10_000)
                    accepted.sendall(answer)

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._socket.close()


def answer(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body])


def test_a_connection_that_was_let_go_while_idle_is_opened_again() -> None:
    with Scripted([answer(b"one")], [answer(b"two")]) as server, Connection(server.url) as connection:
        assert connection.post("/predict", b"{}") == (200, b"one")
        assert connection.post("/predict", b"{}") == (200, b"two")


def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    first = answer(b"one", b"Connection: close")
    with Scripted([first], [answer(b"two")]) as server, Connection(server.url) as connection:
        assert [connection.get("/health"), connection.get("/health")] == [(200, b"one"), (200, b"two")]


def test_an_answer_may_arrive_in_pieces() -> None:
    whole = answer(b"x" * 200_000)
    with Scripted([whole]) as server, Connection(server.url) as connection:
        assert connection.get("/metrics") == (200, b"x" * 200_000)


@pytest.mark.parametrize("cut", [5, 30, 45])
def test_an_answer_that_breaks_off_is_an_error(cut: int) -> None:
    with (
        Scripted([answer(b"a body of some length")[:cut]]) as server,
        Connection(server.url) as connection,
        pytest.raises(EngineError, match="does not answer"),
    ):
        connection.post("/predict", b"{}")


def test_what_answers_but_is_no_model_server_is_told(product: Product) -> None:
    workspace = product()
    deploy.start(workspace)
    with Scripted([answer(json.dumps([1]).encode())]) as server:
        with Store(workspace).transaction("test") as transaction:
            transaction.execute("UPDATE deployment SET url = ?", [server.url])
        with pytest.raises(EngineError, match="no model server of ours"):
            deploy.predict(workspace, rows(1))


def test_scores_cannot_be_written_into_a_folder(served: Workspace) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        deploy.score(served, out=served.root)


PRODUCT = {
    "data.yaml": """
sources:
  machines:
    path: machines.csv
    format: csv
    key: id
    columns: {id: integer, age: number, plan: text, days since: number, noise: number, failed: integer}
""",
    "checks/machines.yaml": "table: machines\n",
    "features.yaml": """
spine: {table: machines, key: id, target: failed}
views:
  machine:
    table: machines
    timeless: true
    key: id
    features: {age: age, plan: plan, "days since": '"days since"', noise: noise}
""",
}


@pytest.fixture(scope="module")
def with_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    from mlcycle import data, quality

    workspace = make(tmp_path_factory.mktemp("rows") / "product")
    (workspace.root / "checks").mkdir()
    for name, text in PRODUCT.items():
        (workspace.root / name).write_text(text)
    lines = [f"{n},{n / 2},{'pro' if n % 2 else 'basic'},{n},7,{n % 2}" for n in range(1, 6)]
    (workspace.root / "machines.csv").write_text(
        "\n".join(["id,age,plan,days since,noise,failed", *lines]) + "\n"
    )
    data.ingest(workspace)
    quality.check(workspace)
    deploy.start(workspace)
    yield workspace
    deploy.stop(workspace)


def test_score_sends_the_rows_of_a_moment_with_the_features_this_version_takes(with_rows: Workspace) -> None:
    found = deploy.score(with_rows)
    assert [row.entity for row in found] == ["1", "2", "3", "4", "5"]
    assert [row.score for row in found] == pytest.approx(
        [expected(n / 2, "pro" if n % 2 else "basic", n) for n in range(1, 6)], abs=1e-6
    )
    url = deploy.find(with_rows, "local").url
    assert url is not None
    with Connection(url) as connection:
        assert b"\nmodel_unknown_feature_total 0\n" in connection.get("/metrics")[1]


def test_score_of_a_file_is_written_as_csv(with_rows: Workspace, tmp_path: Path) -> None:
    file, out = tmp_path / "new.csv", tmp_path / "scores.csv"
    file.write_text("id,age,plan,days since,noise\n77,1,pro,2,0\n")
    report = deploy.score(with_rows, file, out=out)
    assert (report.n, report.model, report.version) == (1, "machines", 1)
    head, line = out.read_text().splitlines()
    assert head == "entity,as_of,score,label,prediction_id"
    assert line.startswith("77,")
    assert float(line.split(",")[2]) == pytest.approx(expected(1, "pro", 2), abs=1e-6)


def test_score_of_a_file_that_is_not_there_is_named(with_rows: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv"):
        deploy.score(with_rows, tmp_path / "gone.csv")


def test_score_says_where_it_could_not_write(with_rows: Workspace, tmp_path: Path) -> None:
    with pytest.raises(CouldNot, match="cannot be written"):
        deploy.score(with_rows, out=tmp_path / "no" / "folder.csv")
