from __future__ import annotations

import json
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.serving.packages import GOOD, binary, description, expected, graph, write

from mlcycle.journal.frame import parse
from mlcycle.serving.app import App
from mlcycle.serving.log import PredictionLog, ResourceLog
from mlcycle.serving.package import open_package
from mlcycle.serving.runtime import ModelFailure, Scorer, Scores, load


class Broken(Scorer):
    """A model that fails on every row."""

    def __call__(self, matrix: np.ndarray) -> Scores:
        raise ModelFailure("out of luck")


class Client:
    """Calls an app as an ASGI server would."""

    def __init__(
        self, folder: Path, package: Path, *, scorer: type[Scorer] | None = None, **options: Any
    ) -> None:
        opened = open_package(package)
        loaded = load(opened)
        if scorer is not None:
            loaded = scorer(opened.signature, lambda x: x)
        self.journal = folder / "journal"
        self.log = PredictionLog(self.journal, opened.signature, "local")
        self.app = App(opened, loaded, self.log, **options)
        self.app.ready = True
        self.headers: dict[bytes, bytes] = {}

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        status, content = await self.raw(method, path, [body], **headers)
        return status, json.loads(content) if content else None

    async def raw(self, method: str, path: str, pieces: list[bytes], **headers: str) -> tuple[int, bytes]:
        sent: list[MutableMapping[str, Any]] = []
        left = list(pieces)

        async def receive() -> MutableMapping[str, Any]:
            if not left:
                return {"type": "http.disconnect"}
            piece = left.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(left)}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        pairs = [(name.encode().replace(b"_", b"-"), value.encode()) for name, value in headers.items()]
        await self.app({"type": "http", "method": method, "path": path, "headers": pairs}, receive, send)
        if not sent:
            return 0, b""
        self.headers = dict(sent[0]["headers"])
        return sent[0]["status"], sent[1]["body"]

    async def predict(self, *rows: dict[str, Any], **more: Any) -> tuple[int, Any]:
        body = json.dumps({"instances": [{"features": row} | more for row in rows]}).encode()
        return await self.ask("POST", "/predict", body)

    def records(self, stream: str = "prediction") -> list[dict[str, Any]]:
        files = sorted((self.journal / stream).glob("*.jnl"))
        return [json.loads(line) for path in files for line in parse(path.read_bytes()).records]

    async def metric(self, name: str) -> float:
        _, content = await self.raw("GET", "/metrics", [b""])
        found = re.search(rf"^{re.escape(name)} (.*)$", content.decode(), re.MULTILINE)
        assert found is not None, content.decode()
        return float(found[1])


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path, binary(tmp_path / "m.zip"))


async def test_an_answer_has_one_prediction_a_row_in_order(client: Client) -> None:
    status, answer = await client.predict(GOOD, GOOD | {"age": 5, "plan": "basic"})
    assert status == 200
    scores = [row["score"] for row in answer["predictions"]]
    assert scores == pytest.approx([expected(1, "pro", 2), expected(5, "basic", 2)], abs=1e-6)
    assert (answer["model"], answer["version"]) == ("machines", 3)
    assert "logged" not in answer


async def test_each_prediction_is_in_the_journal_with_what_was_asked_and_answered(client: Client) -> None:
    _, answer = await client.predict(
        GOOD | {"plan": "gold", "age": None}, GOOD, entity=12, as_of="2026-01-01"
    )
    first, second = client.records()
    assert [first["prediction_id"], second["prediction_id"]] == [
        p["prediction_id"] for p in answer["predictions"]
    ]
    assert second["score"] == answer["predictions"][1]["score"]
    assert first["score"] is None
    assert first["features"] == {"age": None, "plan": "gold", "days since": 2.0}
    assert (first["entity"], first["as_of"], first["status"]) == ("12", "2026-01-01T00:00:00", 200)
    assert (first["deployment"], first["model"], first["version"]) == ("local", "machines", 3)
    assert first["latency_ms"] > 0


async def test_a_prediction_without_as_of_is_about_the_moment_it_was_served(client: Client) -> None:
    await client.predict(GOOD)
    (record,) = client.records()
    assert record["as_of"] == record["ts"]
    assert record["entity"] is None


async def test_a_multiclass_answer_carries_the_label_and_so_does_the_journal(tmp_path: Path) -> None:
    weights = np.eye(4, 3, dtype=np.float32)
    package = write(tmp_path / "m.zip", description("multiclass"), graph("multiclass", weights))
    client = Client(tmp_path, package)
    _, answer = await client.predict(GOOD | {"age": 9})
    assert answer["predictions"][0]["label"] == "low"
    assert client.records()[0]["label"] == "low"


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/score", "/v1/models/x:predict"])
async def test_predict_has_the_names_that_platforms_use(tmp_path: Path, path: str) -> None:
    client = Client(tmp_path, binary(tmp_path / "m.zip"), aliases={"/v1/models/x:predict": "/predict"})
    body = json.dumps({"instances": [{"features": GOOD}]}).encode()
    assert (await client.ask("POST", path, body))[0] == 200
    assert (
        await client.metric('model_requests_total{route="/predict",code="200",model="machines",version="3"}')
        == 1
    )


@pytest.mark.parametrize("path", ["/health", "/ping"])
async def test_health_says_yes_only_while_it_is_ready(client: Client, path: str) -> None:
    assert await client.ask("GET", path) == (200, {"ready": True, "model": "machines", "version": 3})
    client.app.ready = False
    assert (await client.ask("GET", path))[0] == 503
    assert (await client.ask("GET", "/livez"))[0] == 200


async def test_head_is_answered_without_a_body(client: Client) -> None:
    assert await client.raw("HEAD", "/health", [b""]) == (200, b"")
    assert int(client.headers[b"content-length"]) > 0


async def test_a_wrong_row_is_refused_with_its_path_counted_and_not_journaled(client: Client) -> None:
    status, answer = await client.predict(GOOD, GOOD | {"age": "old"})
    assert status == 422
    assert answer == {
        "error": "Expected `bool | float | null`, got `str`",
        "path": "$.instances[1].features.age",
    }
    assert client.records() == []
    assert await client.metric('model_rejected_rows_total{reason="wrong type"}') == 2


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/predict", 405, b"POST"),
        ("POST", "/health", 405, b"GET, HEAD"),
        ("DELETE", "/metrics", 405, b"GET, HEAD"),
        ("GET", "/", 404, None),
        ("POST", "/../etc/passwd", 404, None),
    ],
)
async def test_other_paths_and_methods_are_refused(
    client: Client, method: str, path: str, status: int, allow: bytes | None
) -> None:
    got, answer = await client.ask(method, path)
    assert got == status
    assert "error" in answer
    assert client.headers.get(b"allow") == allow


async def test_a_body_that_says_it_is_too_large_is_not_read(tmp_path: Path) -> None:
    client = Client(tmp_path, binary(tmp_path / "m.zip"), max_body_bytes=100)
    assert (await client.ask("POST", "/predict", b"{}", content_length="101"))[0] == 413


async def test_a_body_that_grows_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    client = Client(tmp_path, binary(tmp_path / "m.zip"), max_body_bytes=100)
    status, _ = await client.raw("POST", "/predict", [b"x" * 60, b"x" * 60, b"never read"])
    assert status == 413


async def test_a_client_that_leaves_inside_its_request_is_answered_with_nothing(client: Client) -> None:
    assert await client.raw("POST", "/predict", []) == (0, b"")
    assert client.records() == []


async def test_a_web_page_from_elsewhere_cannot_use_a_server_on_this_machine(client: Client) -> None:
    body = json.dumps({"instances": [{"features": GOOD}]}).encode()
    assert (await client.ask("POST", "/predict", body, origin="http://elsewhere.example"))[0] == 403


async def test_a_journal_that_refuses_does_not_keep_the_model_from_answering(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where the folder should be")
    client = Client(tmp_path, binary(tmp_path / "m.zip"))
    status, answer = await client.predict(GOOD, GOOD)
    assert (status, answer["logged"], len(answer["predictions"])) == (200, False, 2)
    assert await client.metric("model_unlogged_rows_total") == 2


async def test_a_model_that_fails_is_a_500_in_json_and_in_the_journal(tmp_path: Path) -> None:
    client = Client(tmp_path, binary(tmp_path / "m.zip"), scorer=Broken)
    status, answer = await client.predict(GOOD)
    assert (status, answer["error"]) == (500, "the model failed on this request: out of luck")
    (record,) = client.records()
    assert (record["status"], record["score"]) == (500, None)


async def test_metrics_count_rows_unseen_categories_and_unknown_keys(client: Client) -> None:
    await client.predict(GOOD, GOOD | {"plan": "gold"}, GOOD | {"shoe": 1})
    assert await client.metric("model_rows_total") == 3
    assert await client.metric('model_unseen_category_total{column="plan"}') == 1
    assert await client.metric("model_unknown_feature_total") == 1
    assert await client.metric("model_request_duration_seconds_count") == 1
    assert await client.metric('model_request_duration_seconds_bucket{le="+Inf"}') == 1
    assert await client.metric("process_resident_memory_bytes") > 1e6


async def test_metrics_are_lines_that_prometheus_reads(tmp_path: Path) -> None:
    client = Client(tmp_path, binary(tmp_path / "m.zip", model='a "b" \\ \n'))
    _, content = await client.raw("GET", "/metrics", [b""])
    line = re.compile(r'^(#.*|[a-z_0-9]+(\{([a-z_0-9]+="(\\.|[^"\\])*",?)*\})? \S+)$')
    assert [text for text in content.decode().splitlines() if not line.match(text)] == []


async def test_the_process_is_sampled_while_it_serves_and_hardly_when_idle(tmp_path: Path) -> None:
    resources = ResourceLog(tmp_path, "local")
    assert [resources.tick(served=False), resources.tick(served=True), resources.tick(served=False)] == [
        False,
        True,
        True,
    ]
    resources.close()
    (path,) = (tmp_path / "sys").glob("*.jnl")
    first = json.loads(parse(path.read_bytes()).records[0])
    assert first["deployment"] == "local"
    assert first["rss_mb"] > 1
