from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
from tests.unit.deploy.product import make
from tests.unit.serving.packages import GOOD, binary

from mlcycle import deploy
from mlcycle.deploy import engine, wheelhouse
from mlcycle.deploy.client import Connection
from mlcycle.deploy.context import INSTALL, build_context, dockerfile, server_files
from mlcycle.errors import EngineError, NotFoundError
from mlcycle.store import Store
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

Product = Callable[..., Workspace]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Point to a socket that is not there."""
    path = tmp_path / "none.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path


def test_without_an_engine_there_is_no_image_but_a_reason_and_what_to_do(
    product: Product, no_engine: Path
) -> None:
    workspace = product()
    result = deploy.build_image(workspace)
    assert not result.built
    assert result.why_not == f"no container engine answers at unix://{no_engine}: nothing is there"
    assert "DOCKER_HOST" in result.hint
    assert result.tag == "mlcycle/machines:1"
    assert Store(workspace).read("SELECT * FROM images") == []


@pytest.mark.usefixtures("no_engine")
def test_an_image_of_a_version_that_is_not_there_is_an_error(product: Product) -> None:
    with pytest.raises(NotFoundError, match="machines:4"):
        deploy.build_image(product(), "machines:4")


def test_an_engine_that_is_not_running_is_told_apart(no_engine: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(no_engine))
    with pytest.raises(EngineError, match="it is not running"):
        engine.connect()


@pytest.mark.skipif(os.getuid() == 0, reason="root may use every socket")
def test_an_engine_that_may_not_be_used_is_told_apart(no_engine: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(no_engine))
        listening.listen()
        no_engine.chmod(0)
        with pytest.raises(EngineError, match="you may not use it"):
            engine.connect()


def test_an_engine_that_hangs_is_not_waited_for(no_engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TIMEOUT_S", 1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(no_engine))
        silent.listen()
        with pytest.raises(EngineError, match="it said nothing for 1 s"):
            engine.connect()


def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "carrier://pigeon")
    with pytest.raises(EngineError, match="no container engine answers at carrier://pigeon"):
        engine.connect()


def test_the_second_stage_has_no_pip_no_shell_and_no_root_and_the_model_comes_last() -> None:
    lines = dockerfile("base:1", ["numpy==2.0"], {"mlcycle.run_id": 'a "b"'}, "machines").splitlines()
    second = lines[lines.index("FROM base:1") :]
    assert "USER 65532:65532" in second
    assert 'ENTRYPOINT ["python3", "-m", "mlcycle.serving"]' in second
    assert 'LABEL mlcycle.run_id="a \\"b\\""' in second
    assert all(line.startswith("RUN [") for line in lines if line.startswith("RUN"))
    assert not any("pip" in line for line in second)
    copies = [line for line in second if line.startswith("COPY")]
    assert copies[-1] == "COPY model.zip /opt/mlcycle/model.zip"


@pytest.mark.parametrize("pip", [True, False], ids=["with pip", "without pip"])
def test_wheels_are_installed_whether_the_base_has_pip_or_not(tmp_path: Path, pip: bool) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "install.py").write_text(INSTALL, encoding="utf-8")
    with zipfile.ZipFile(wheels / "lamp-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("lamp.py", "LIT = True\n")
        wheel.writestr("lamp-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lamp\nVersion: 1.0\n")
        wheel.writestr(
            "lamp-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("lamp-1.0.dist-info/RECORD", "")
    python = (
        [sys.executable] if pip else [sys.executable, "-I", "-S"]
    )  # without site-packages there is no pip
    done = subprocess.run(
        [*python, str(wheels / "install.py"), str(tmp_path / "site"), "lamp==1.0"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "lamp.py").read_text(encoding="utf-8") == "LIT = True\n"


def test_equal_contents_make_equal_contexts_with_every_folder_named(tmp_path: Path) -> None:
    package, wheel = binary(tmp_path / "m.zip"), tmp_path / "a-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    first = build_context("FROM x\n", [wheel], package)
    os.utime(wheel, (0, 0))
    assert build_context("FROM x\n", [wheel], package) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        members = {member.name: member for member in archive.getmembers()}
    assert {
        "Dockerfile",
        "model.zip",
        "wheels/a-1-py3-none-any.whl",
        "app/mlcycle/serving/app.py",
    } <= members.keys()
    assert {str(Path(name).parent) for name in members} <= members.keys() | {"."}
    assert {member.mode for member in members.values()} == {0o755, 0o644}


def test_the_servers_code_alone_is_enough_to_serve(tmp_path: Path) -> None:
    for name, path in server_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(path.read_bytes())
    probe = (
        f"import sys; sys.path = [{str(tmp_path)!r}] + [p for p in sys.path if not p.rstrip('/').endswith('/core')]\n"
        "import mlcycle.serving.__main__ as server; assert server.__file__.startswith(sys.path[0]), server.__file__\n"
        f"sys.exit(server.main([{str(binary(tmp_path / 'm.zip'))!r}, '--check']))"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, timeout=60)


def fill(folder: Path, flavour: str) -> None:
    folder.mkdir(parents=True)
    for pin in wheelhouse.requirements(flavour):
        name, version = pin.split("==")
        (folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl").touch()


def test_the_wheels_of_a_flavour_are_all_it_asks_for_and_nothing_else(
    product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(wheelhouse.VARIABLE, str(tmp_path / "wheels"))
    fill(tmp_path / "wheels", "onnx")
    (tmp_path / "wheels" / "polars-2.1.0-py3-none-any.whl").touch()
    names = [wheel.name.split("-")[0] for wheel in wheelhouse.find_wheels(product(), "onnx")]
    assert {"msgspec", "numpy", "onnxruntime", "uvicorn", "protobuf"} <= set(names)
    assert not {"polars", "duckdb", "scikit_learn", "textual"} & set(names)


def test_a_wheelhouse_that_lacks_a_wheel_names_it_and_the_command(
    product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(wheelhouse.VARIABLE, str(tmp_path / "wheels"))
    monkeypatch.setattr(wheelhouse, "default_folder", lambda: tmp_path / "none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fill(tmp_path / "wheels", "onnx")
    next((tmp_path / "wheels").glob("msgspec*")).unlink()
    with pytest.raises(EngineError, match="the wheelhouse lacks msgspec==") as caught:
        wheelhouse.find_wheels(product(), "onnx")
    assert caught.value.hint == "python -m mlcycle.deploy wheelhouse"


def test_without_a_wheelhouse_the_reason_says_so(
    product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(wheelhouse.VARIABLE, raising=False)
    monkeypatch.setattr(wheelhouse, "default_folder", lambda: tmp_path / "none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(EngineError, match="there is no wheelhouse"):
        wheelhouse.find_wheels(product(), "onnx")


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    """Return an engine's client; without an engine, a base image or wheels the test is skipped, or fails in CI."""
    try:
        engine.connect().close()
        found = docker.from_env(timeout=60)
        engine.base_image(found, None)
    except EngineError as error:
        if os.environ.get("REQUIRE_CONTAINER_ENGINE") == "1":
            pytest.fail(error.message)
        pytest.skip(error.message)
    yield found
    found.close()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        wheelhouse.find_wheels(Workspace(tmp_path_factory.mktemp("none")), "onnx")
    except EngineError as error:
        if os.environ.get("REQUIRE_CONTAINER_ENGINE") == "1":
            pytest.fail(error.message)
        pytest.skip(error.message)
    return wheelhouse.default_folder()


@pytest.mark.container
@pytest.mark.usefixtures("wheels")
def test_an_image_serves_as_nobody_on_a_read_only_root(client: DockerClient, tmp_path: Path) -> None:
    workspace = make(tmp_path / "product")
    result = deploy.build_image(workspace)
    assert result.built, result.why_not
    (row,) = Store(workspace).read("SELECT model, version, tag, digest FROM images")
    assert row == {"model": "machines", "version": 1, "tag": result.tag, "digest": result.digest}
    container = client.containers.create(
        result.tag, ports={"8080/tcp": ("127.0.0.1", 0)}, read_only=True, cap_drop=["ALL"], pids_limit=64
    )
    try:
        container.start()
        url = published(container)
        wait_for(url)
        body = json.dumps({"instances": [{"features": GOOD}]}).encode()
        with Connection(url) as connection:
            assert connection.get("/ping")[0] == 200
            status, answer = connection.post("/invocations", body)
        assert (status, json.loads(answer)["model"]) == (200, "machines")
        assert container.exec_run(["python3", "-c", "import os; print(os.getuid())"]).output == b"65532\n"
        container.stop(timeout=20)
        assert container.wait()["StatusCode"] == 0
    finally:
        container.remove(force=True)
        client.images.remove(result.tag, force=True)


def wait_for(url: str) -> None:
    """Ask until it answers: following the container's log would be better, but the client leaks that socket."""
    pause = threading.Event()
    for _ in range(300):
        with suppress(EngineError), Connection(url) as connection:
            connection.get("/ping")
            return
        pause.wait(0.1)
    pytest.fail(f"{url} does not answer")


def published(container: Container) -> str:
    container.reload()
    port = container.ports["8080/tcp"]
    assert port is not None
    return f"http://127.0.0.1:{port[0]['HostPort']}"


@pytest.mark.container
@pytest.mark.usefixtures("wheels")
def test_a_base_image_that_is_not_here_is_never_fetched(client: DockerClient, tmp_path: Path) -> None:
    before = {image.id for image in client.images.list()}
    workspace = make(tmp_path / "product", deploy="base_image: nowhere/none:1\n")
    result = deploy.build_image(workspace)
    assert not result.built
    assert "nowhere/none:1 is not on this machine" in result.why_not
    assert result.hint == "docker pull nowhere/none:1"
    assert {image.id for image in client.images.list()} == before


@pytest.mark.container
@pytest.mark.usefixtures("client", "wheels")
def test_an_image_whose_model_cannot_serve_is_never_made(tmp_path: Path) -> None:
    from tests.unit.deploy.product import register

    workspace = make(tmp_path / "product", champion=None)
    register(workspace, 2, model=b"no graph")
    result = deploy.build_image(workspace, "machines:2")
    assert not result.built
    assert "the build on" in result.why_not
    assert "cannot be loaded" in result.why_not
