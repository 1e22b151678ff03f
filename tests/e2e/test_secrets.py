"""A secret in the environment: used where files are found, and found nowhere afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.conftest import mlcycle

pytestmark = pytest.mark.e2e

SECRET = "planted-5ecret-value"


def leaks(folder: Path) -> list[Path]:
    """Return the files below a folder, the store's included, in whose bytes or name the secret stands."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name == "store.duckdb" for file in files)
    return [file for file in files if SECRET in file.name or SECRET.encode() in file.read_bytes()]


def test_the_value_of_a_variable_in_a_path_is_written_and_printed_nowhere(tmp_path: Path) -> None:
    home, shop = tmp_path / SECRET, tmp_path / "shop"
    home.mkdir()
    table = home / "table.csv"
    table.write_text("id,size,price\n" + "".join(f"{n},{n % 37},{n * 7 % 31}\n" for n in range(200)))
    plain = tmp_path / "table.csv"
    plain.write_bytes(table.read_bytes())
    done = mlcycle("init", shop, "--from", plain, "--target", "price", "--key", "id")
    assert done.returncode == 0, done.stderr
    lines = (shop / "data.yaml").read_text(encoding="utf-8").splitlines()
    [number] = [n for n, line in enumerate(lines) if line.strip().startswith("path:")]
    lines[number] = lines[number].partition("path:")[0] + "path: ${env:SHOP_HOME}/table.csv"
    (shop / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    unset = mlcycle("data", "ingest", folder=shop)
    assert unset.returncode == 2
    assert f"data.yaml:{number + 1}:" in unset.stderr and "SHOP_HOME is not set" in unset.stderr

    said = ""
    for words in (("data", "ingest"), ("quality", "check"), ("data", "list"), ("status",)):
        done = mlcycle(*words, folder=shop, SHOP_HOME=str(home))
        assert done.returncode in (0, 1), done.stderr
        said += done.stdout + done.stderr
    told = mlcycle("sql", "--json", "SELECT path FROM batches", folder=shop, SHOP_HOME=str(home))
    assert "${env:SHOP_HOME}/table.csv" in told.stdout

    table.write_text("nothing,as,declared\n1,2,3\n")
    changed = mlcycle("data", "ingest", folder=shop, SHOP_HOME=str(home))
    table.unlink()
    missing = mlcycle("data", "ingest", folder=shop, SHOP_HOME=str(home))
    for done in (changed, missing):
        assert done.returncode == 3
        assert "${env:SHOP_HOME}/table.csv" in done.stderr
        said += done.stdout + done.stderr
    assert SECRET not in said + told.stdout + told.stderr
    assert leaks(shop) == []
