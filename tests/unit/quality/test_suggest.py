"""Suggestions describe what was seen, pass the checks made of them, and are written beside what is there."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from tests.unit.quality.conftest import Shop

from mlcycle import clock, declare, quality
from mlcycle.errors import DeclarationError, NotFoundError

COLUMNS = {"id": "integer", "amount": "number", "kind": "text", "note": "text", "at": "timestamp"}


def batch(day: int, rows: int = 60) -> str:
    """Return a file of one day, the amounts between 0 and 100, a note in half of the rows."""
    chance = random.Random(day)
    lines = ["id,amount,kind,note,at"]
    for number in range(rows):
        at = datetime(2026, 1, day, 6) + timedelta(minutes=number)
        note = f"n{number}" if number % 2 else ""
        lines.append(f"{day * 1000 + number},{chance.uniform(0, 100):.2f},{'abc'[number % 3]},{note},{at}")
    return "\n".join(lines) + "\n"


def deliver(shop: Shop, monkeypatch: pytest.MonkeyPatch, *days: int) -> list[quality.QualityReport]:
    found = []
    for day in days:
        monkeypatch.setenv(clock.VARIABLE, datetime(2026, 1, day, 18).isoformat())
        found += shop.deliver(batch(day), file=f"in/things-{day}.csv")
    return found


def test_each_kind_is_suggested_with_what_was_seen(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.source(columns=COLUMNS, time="at")
    deliver(shop, monkeypatch, 1, 2, 3)
    told = {one.name: one for one in quality.suggest(shop.workspace, "things")}
    assert set(told) == {
        "things.id.not_null",
        "things.amount.not_null",
        "things.kind.not_null",
        "things.at.not_null",
        "things.id.unique",
        "things.kind.in_set",
        "things.at.fresh",
        "things.rows",
        "things.amount.between",
    }
    assert told["things.id.unique"].evidence == (
        "180 different values in 180 rows of the newest 3 batches (2026-01-01 to 2026-01-03)"
    )
    assert told["things.kind.in_set"].written == "{in_set: {kind: [a, b, c]}, severity: warning}"
    assert told["things.at.fresh"].check["fresh"] == "{at: 1d}"
    assert told["things.rows"].check["rows"] == "[30, 120]"
    assert told["things.amount.between"].check["between"].startswith("{amount: [0, 12")
    assert "0 seen lie outside" in told["things.amount.between"].evidence
    assert {one.file for one in told.values()} == {"checks/things.yaml"}


def test_what_was_accepted_passes_on_the_next_batch_and_is_not_suggested_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.source(columns=COLUMNS, time="at")
    deliver(shop, monkeypatch, 1, 2, 3)
    accepted = quality.accept(shop.workspace)
    assert len(accepted) == 9
    text = (shop.root / "checks" / "things.yaml").read_text()
    assert (
        text.startswith("table: things\n") and "  # none missing in 180 rows of the newest 3 batches" in text
    )
    assert quality.suggest(shop.workspace) == []
    (report,) = deliver(shop, monkeypatch, 4)
    assert {result.verdict for result in report.results} == {"pass"}
    assert len(report.results) == 9


def test_an_accepted_check_stands_behind_those_of_its_dimension_and_the_rest_stays(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.source(columns=COLUMNS, time="at")
    written = (
        "# by hand\ntable: things\n\nconsistency:\n  - unique: id # once\n\ncompleteness:\n  - not_null: note\n"
        "    mostly: 0.1\n"
    )
    shop.write("checks/things.yaml", written)
    deliver(shop, monkeypatch, 1)
    names = [one.name for one in quality.suggest(shop.workspace)]
    assert "things.id.unique" not in names and "things.at.fresh" not in names
    quality.accept(shop.workspace, ["things.kind.in_set", "things.amount.between"])
    after = (shop.root / "checks/things.yaml").read_text()
    seen = "  # 3 different values in 60 of the newest batch (2026-01-01); the rarest 20 times\n"
    item = "  - in_set: {kind: [a, b, c]}\n    severity: warning\n"
    wanted = written.replace("unique: id # once\n", f"unique: id # once\n{seen}{item}")
    assert after.startswith(wanted)
    assert after[len(wanted) :].startswith("\naccuracy:\n  # ")
    assert len(declare.load(shop.workspace).checks["things"].consistency) == 2


def test_rows_without_a_key_of_their_own_are_numbered_and_no_check_is_made_of_the_numbers(shop: Shop) -> None:
    shop.source(key="row_number", columns={"amount": "number", "kind": "text"})
    shop.deliver("amount,kind\n" + "".join(f"{number / 7},{'ab'[number % 2]}\n" for number in range(90)))
    assert [one.name for one in quality.suggest(shop.workspace)] == [
        "things.amount.not_null",
        "things.kind.not_null",
        "things.kind.in_set",
        "things.amount.between",
    ]


def test_two_columns_that_are_the_key_together_are_unique_together(shop: Shop) -> None:
    shop.source(key=["id", "day"], columns={"id": "integer", "day": "date"})
    rows = "".join(f"{number % 20},2026-01-{1 + number // 20:02}\n" for number in range(100))
    shop.deliver("id,day\n" + rows)
    found = {one.name: one for one in quality.suggest(shop.workspace)}
    assert found["things.id+day.unique"].written == "{unique: [id, day], severity: warning}"
    assert "things.id.between" not in found


def test_a_file_in_braces_takes_checks_in_braces(shop: Shop) -> None:
    shop.source(columns={"id": "integer", "odd: name": "number"})
    shop.checks(consistency=[{"unique": "id"}], accuracy=[])
    shop.deliver("id,odd: name\n" + "".join(f"{number},{number / 3}\n" for number in range(90)))
    assert len(quality.accept(shop.workspace)) == 3
    assert quality.suggest(shop.workspace) == []
    checks = declare.load(shop.workspace).checks["things"]
    assert [len(checks.consistency), len(checks.completeness), len(checks.accuracy)] == [1, 2, 1]


def test_few_rows_suggest_nothing_and_unknown_names_are_said(shop: Shop) -> None:
    shop.source()
    with pytest.raises(NotFoundError, match="no checked version"):
        quality.suggest(shop.workspace, "things")
    shop.deliver("id,amount\n1,2\n2,3\n")
    assert quality.suggest(shop.workspace) == []
    with pytest.raises(NotFoundError, match="no suggestion is called"):
        quality.accept(shop.workspace, ["things.id.unique"])
    assert not (shop.root / "checks").exists()


def test_a_check_file_that_is_wrong_stays_as_it_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.source(columns=COLUMNS)
    deliver(shop, monkeypatch, 1)
    shop.write("checks/things.yaml", "table: things\nconsistency:\n  - unique: idd\n")
    with pytest.raises(DeclarationError, match=r"checks/things.yaml:3:\d+"):
        quality.accept(shop.workspace)
    assert "kind" not in (shop.root / "checks/things.yaml").read_text()
