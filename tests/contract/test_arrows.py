"""The arrows between the rooms, as import-linter's contracts in pyproject.toml draw them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_every_arrow_between_the_rooms_points_the_right_way(tmp_path: Path) -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    arguments = ["--no-logo", "--cache-dir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments], cwd=_ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_of_core_has_its_place_in_the_arrows() -> None:
    contracts = (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    rooms = {path.stem for path in (_ROOT / "core" / "mlcycle").iterdir() if path.suffix in {"", ".py"}}
    rooms = {room for room in rooms if not room.startswith(("_", ".", "py."))}
    missing = sorted(room for room in rooms if f"({room})" not in contracts)
    assert missing == []
