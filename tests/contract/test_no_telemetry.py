"""Nothing leaves the machine: the one library that would report usage is loaded with that switched off."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_onnx_runtime_is_loaded_in_one_place_only() -> None:
    importing = re.compile(r"^\s*(import onnxruntime|from onnxruntime(?!\.capi))", re.MULTILINE)
    found = [
        path for path in (ROOT / "core").rglob("*.py") if importing.search(path.read_text(encoding="utf-8"))
    ]
    assert [path.name for path in found] == ["ort.py"]


def test_loading_onnx_runtime_leaves_no_device_id_in_the_home_folder(tmp_path: Path) -> None:
    # CI machines switch the telemetry off by their name alone: take that away, so that ours is what is tested.
    hidden = ("CI", "ORT_", "GITHUB_", "TF_BUILD", "XDG_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    code = "from mlcycle import ort; ort.load().InferenceSession; import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "1", done.stderr
    assert list(tmp_path.rglob("*")) == []
