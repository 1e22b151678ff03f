"""Tables as files: every value comes back as it was."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.tui import factory

from mlcycle import clock
from mlcycle_app.cli.output import Answer, emit
from mlcycle_app.cli.root import cli
from mlcycle_app.exporting import csv_line, export, write_csv, write_json, written
from mlcycle_app.gateway import CouldNot, Gateway
from mlcycle_app.pages import Arrangement
from mlcycle_app.tables import SCREENS, TABLES

cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture
def gateway(full_store: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """A workspace that has been round the cycle, at a fixed time of the wall."""
    monkeypatch.setattr(clock, "wall", lambda: factory.NOW)
    return Gateway.open(full_store)


@pytest.fixture(scope="module")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of it."""
    return factory.full(tmp_path_factory.mktemp("exporting") / "parcels").root


def _read(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text, newline=""), strict=True))


@given(st.lists(cells, min_size=1, max_size=4).flatmap(lambda names: st.tuples(
    st.just(names), st.lists(st.lists(cells, min_size=len(names), max_size=len(names)), max_size=5)
)))  # fmt: skip
def test_any_text_comes_back_from_csv_as_it_was(table: tuple[list[str], list[list[str]]]) -> None:
    names, rows = table
    text = "".join(csv_line(row) for row in (names, *rows))
    assert _read(text) == [names, *rows]


@given(
    st.lists(
        st.dictionaries(cells, cells | st.integers() | st.booleans() | st.none(), max_size=4), max_size=5
    )
)
def test_any_rows_come_back_from_json_as_they_were(rows: list[dict[str, object]]) -> None:
    out = StringIO()
    assert write_json(out, rows) == len(rows)
    assert json.loads(out.getvalue()) == rows


def test_values_are_exact_and_nothing_differs_from_an_empty_text() -> None:
    out = StringIO()
    row = {
        "at": datetime(2026, 3, 1, 12, 30, 0, 250_000), "x": 0.1 + 0.2, "nan": math.nan, "none": None, "empty": "",
        "yes": True, "list": ["a", "b"], "formula": "=1+1", "many": 1_234_567,
    }  # fmt: skip
    write_csv(out, tuple(row), [row])
    assert out.getvalue().split("\r\n")[1] == (
        '2026-03-01T12:30:00.250000,0.30000000000000004,NaN,,"",true,"[""a"", ""b""]",=1+1,1234567'
    )


def test_a_record_of_one_missing_value_is_no_empty_line() -> None:
    assert csv_line([None]) == '""\r\n'


def test_an_export_holds_every_row_in_the_order_of_the_list_and_overwrites_nothing(
    gateway: Gateway, tmp_path: Path
) -> None:
    arranged = Arrangement("value", True, "psi")
    path = export(gateway, "windows", arranged, "csv", tmp_path)
    again = export(gateway, "windows", arranged, "json", tmp_path)
    other = export(gateway, "windows", arranged, "csv", tmp_path)
    assert [path.name, again.name, other.name] == [
        "windows-20260310T120000Z.csv",
        "windows-20260310T120000Z.json",
        "windows-20260310T120000Z-2.csv",
    ]
    head, *rows = _read(path.read_bytes().decode())
    page = gateway.page("windows", sort="value", descending=True, words="psi")
    assert tuple(head) == TABLES["windows"].columns
    assert [row[2] for row in rows] == [row["subject"] for row in page.rows] and len(rows) > 1
    assert [row["subject"] for row in json.loads(again.read_text())] == [row[2] for row in rows]


def test_an_export_of_nothing_has_its_columns(gateway: Gateway, tmp_path: Path) -> None:
    path = export(gateway, "images", Arrangement(), "csv", tmp_path)
    assert path.read_bytes() == b"tag,model,built,bytes,digest\r\n"


def test_where_nothing_can_be_written_it_is_said(gateway: Gateway, tmp_path: Path) -> None:
    with pytest.raises(CouldNot, match="cannot be written"):
        export(gateway, "runs", Arrangement(), "csv", tmp_path / "not there")


def test_an_export_that_fails_leaves_no_half_file(gateway: Gateway, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        export(gateway, "no such table", Arrangement(), "csv", tmp_path)
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, sys
from pathlib import Path
from mlcycle_app.exporting import export, written
from mlcycle_app.gateway import CouldNot, Gateway
from mlcycle_app.pages import Arrangement
gateway, folder = Gateway.open(sys.argv[1]), Path(sys.argv[2])
gateway.page("windows")  # the rows are read from then on, and nothing is written but the file
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
for write in (
    lambda: export(gateway, "windows", Arrangement(), "csv", folder),
    lambda: export(gateway, "windows", Arrangement(), "json", folder),
    lambda: written(gateway, "home", "x" * 100_000, folder),
    lambda: written(gateway, "home", "short", folder),
):
    try:
        print(write().name)
    except CouldNot as error:
        print(error.message, error.hint, sep="; ")
"""


@pytest.mark.skipif(os.name == "nt", reason="RLIMIT_FSIZE")
def test_a_file_that_finds_no_room_in_its_middle_or_at_its_last_byte_is_said_and_is_not_there(
    full_store: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", FULL, str(full_store), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    csv_, json_, long, short = done.stdout.splitlines()
    for said, start in ((csv_, "windows-"), (json_, "windows-"), (long, "home-")):
        assert said.startswith(f"{tmp_path}/{start}")
        assert said.endswith(" cannot be written: File too large; make room there, or start elsewhere")
    assert [path.name for path in tmp_path.iterdir()] == [short] and done.stderr == ""


def test_a_view_goes_into_a_file_of_its_own(gateway: Gateway, tmp_path: Path) -> None:
    assert written(gateway, "home", "words\n", tmp_path).read_text() == "words\n"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ([{"a": 1, "b": "x,y"}], 'a,b\r\n1,"x,y"\r\n'),
        ({"a": None, "b": [1, 2]}, 'a,b\r\n,"[1, 2]"\r\n'),
        ([], "a,b\r\n"),
        (["one", "two"], "value\r\none\r\ntwo\r\n"),
    ],
)
def test_an_answer_as_csv_is_a_table_even_of_one_thing(
    data: object, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    emit(Answer(data, ("a", "b") if data == [] else ()), as_json=False, as_csv=True)
    assert capsys.readouterr().out == wanted


def test_every_list_command_answers_in_csv_and_says_what_it_leaves_out(full_store: Path) -> None:
    def typed(*words: str) -> str:
        return CliRunner().invoke(cli, ["-w", str(full_store), *words]).stdout_bytes.decode()

    assert typed("runs", "list", "--csv").startswith("status,run,metrics,")
    assert typed("monitor", "windows", "--csv", "--all").count("\r\n") == 9
    assert (
        "not both"
        in CliRunner().invoke(cli, ["-w", str(full_store), "runs", "list", "--csv", "--json"]).stderr
    )


@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_can_be_read_as_plain_text(full_store: Path, screen: str) -> None:
    def typed(*words: str) -> str:
        done = CliRunner().invoke(cli, ["-w", str(full_store), "show", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    told, found = typed(screen), json.loads(typed(screen, "--json"))
    for name in SCREENS[screen]:
        table = TABLES[name]
        assert table.title.upper() in told
        assert found["tables"][name]["total"] == len(found["tables"][name]["rows"])
        if found["tables"][name]["rows"]:
            assert all(column.replace("_", " ") in told for column in table.columns)
        else:
            assert table.empty in told
    assert ("LIFECYCLE" in told) == (screen == "home")
    assert ("\nNOW\n" in told) == (screen == "monitor")
