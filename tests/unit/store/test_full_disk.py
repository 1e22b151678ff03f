from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcycle.errors import CouldNot
from mlcycle.ids import new_id
from mlcycle.store import Store, writers
from mlcycle.workspace import Workspace


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can mount")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], capture_output=True
    )
    if done.returncode:
        pytest.skip("mounting is not permitted here")
    yield tmp_path
    writers.close_all()
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk_loses_nothing_acknowledged_and_is_still_read(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small / "mlcycle.yaml").write_text("name: test\n")
    store = Store.create(Workspace(small))
    kept: set[str] = set()

    def put(count: int) -> bool:
        ids = [new_id() for _ in range(count)]
        ok = store.append("metric", [{"run_id": i, "key": "k", "step": 1, "ts": "2026-01-01"} for i in ids])
        kept.update(ids if ok else ())
        return ok

    assert put(100)
    writers.writer(str(store.workspace.journal), "metric").least_free = 0
    filler = small / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small).free - 60_000))
    while put(50):
        pass
    assert "No space left" in capsys.readouterr().err
    with pytest.raises(CouldNot, match="could not be written"):
        store.fold()
    with pytest.raises(CouldNot, match="could not be written"), store.transaction("test"):
        pass
    assert kept <= {row["run_id"] for row in store.read("SELECT run_id FROM live_metric")}
    assert store.sql("SELECT count(*) FROM metrics")[1][0][0] >= len(kept)
    filler.unlink()
    assert put(10)
    rows = store.read("SELECT run_id FROM store.main.metric")
    assert kept <= {row["run_id"] for row in rows} and len(rows) == len({row["run_id"] for row in rows})
    assert store.health().refused == 50
