"""Owns what is sent to a container engine: the Dockerfile, the wheels, the server's code and the model, model last."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlcycle

__all__ = ["build_context", "dockerfile", "server_files"]

ROOMS = ("journal", "serving")
"""All of the package that the server sees, beside its top-level modules."""
HOME = "/opt/mlcycle"
INSTALL = """\
# With pip where the base has it, because it says which wheel does not fit; else by unpacking, as some have none.
import glob, importlib.util, os, runpy, sys, zipfile

wheels = os.path.dirname(os.path.abspath(__file__))
target, *pins = sys.argv[1:]
if importlib.util.find_spec("pip"):
    options = ["--no-index", "--no-deps", "--find-links", wheels, "--no-cache-dir", "--disable-pip-version-check"]
    sys.argv = ["pip", "install", *options, "--root-user-action", "ignore", "--target", target, *pins]
    runpy.run_module("pip", run_name="__main__")
else:
    for wheel in sorted(glob.glob(os.path.join(wheels, "*.whl"))):
        zipfile.ZipFile(wheel).extractall(target)
"""
"""Runs in the first stage of the image, with the base's own Python."""


def dockerfile(base: str, requirements: Sequence[str], labels: Mapping[str, str], deployment: str) -> str:
    """Return a Dockerfile of two stages: the wheels never reach the second, which runs as nobody.

    Commands are in exec form, because the base may have no shell. The last step loads the model and scores a
    row, so an image that cannot serve is never made. The model is the last layer: a new one is a small push.
    """
    install = ["python3", "/wheels/install.py", f"{HOME}/site", *requirements]
    environment = {
        "PYTHONPATH": f"{HOME}/app:{HOME}/site",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "MLCYCLE_PACKAGE": f"{HOME}/model.zip",
        "MLCYCLE_DEPLOYMENT": deployment,
    }
    lines = [
        f"FROM {base} AS wheels",
        "COPY wheels /wheels",
        f"RUN {json.dumps(install)}",
        "",
        f"FROM {base}",
        f"COPY --from=wheels {HOME}/site {HOME}/site",
        f"COPY app {HOME}/app",
        f"RUN {json.dumps(['python3', '-m', 'compileall', '-q', f'{HOME}/app'])}",
        *(f"ENV {key}={json.dumps(value)}" for key, value in environment.items()),
        *(f"LABEL {key}={json.dumps(value)}" for key, value in sorted(labels.items())),
        "EXPOSE 8080",
        "USER 65532:65532",
        'ENTRYPOINT ["python3", "-m", "mlcycle.serving"]',
        'CMD ["serve"]',
        f"COPY model.zip {HOME}/model.zip",
        'RUN ["python3", "-m", "mlcycle.serving", "serve", "--check"]',
    ]
    return "\n".join(lines) + "\n"


def build_context(text: str, wheels: Sequence[Path], package: Path) -> bytes:
    """Return the context as a tar archive, equal bytes for equal contents."""
    content: dict[str, bytes] = {"Dockerfile": text.encode(), "model.zip": package.read_bytes()}
    content["wheels/install.py"] = INSTALL.encode()
    content |= {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels}
    content |= {f"app/{name}": path.read_bytes() for name, path in server_files().items()}
    folders = sorted(
        {"/".join(name.split("/")[:depth]) for name in content for depth in range(1, name.count("/") + 1)}
    )
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for folder in folders:
            # Folders that are only implied get a mode that keeps other users out on some storage drivers.
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, data in sorted(content.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def server_files() -> dict[str, Path]:
    """Return the modules a server needs by their place in an import path: top-level ones, the journal, serving."""
    root = Path(mlcycle.__file__).parent
    found = [*root.glob("*.py"), *(path for room in ROOMS for path in (root / room).rglob("*.py"))]
    return {f"mlcycle/{path.relative_to(root).as_posix()}": path for path in sorted(found)}
