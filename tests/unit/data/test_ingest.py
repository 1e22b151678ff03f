from __future__ import annotations

from datetime import datetime

import pytest
from tests.unit.data.conftest import Product

from mlcycle import data
from mlcycle.errors import DataError, NotFoundError, UsageError
from mlcycle.store import Store


def test_ingest_makes_one_batch_a_file_with_the_time_it_arrived(product: Product) -> None:
    product.source()
    product.write("things.csv", "id,amount\n1,2.5\n2,\n")
    (batch,) = data.ingest(product.workspace)
    assert (batch.source, batch.path, batch.state) == ("things", "things.csv", "arrived")
    assert (batch.rows, batch.malformed) == (2, 0)
    assert batch.as_of == batch.arrived_at == datetime(2026, 1, 1)
    assert product.rows(batch) == [(1, 1, 2.5), (2, 2, None)]
    assert data.unchecked(product.workspace) == [batch]
    assert product.workspace.part(batch.raw_part).is_file()
    store = Store(product.workspace)
    assert store.read("SELECT rows, set_aside FROM batches") == [{"rows": 2, "set_aside": 0}]
    (audit,) = store.read("SELECT action, object FROM audit")
    assert audit == {"action": "data ingest", "object": f"batch {batch.batch_id}"}


def test_ingest_takes_the_moment_that_the_batch_is_about(product: Product) -> None:
    product.source()
    product.write("things.csv", "id,amount\n1,2.5\n")
    (batch,) = data.ingest(product.workspace, as_of=datetime(2025, 6, 1))
    assert (batch.as_of, batch.arrived_at) == (datetime(2025, 6, 1), datetime(2026, 1, 1))


def test_the_same_bytes_twice_are_the_same_batch(product: Product) -> None:
    product.source()
    product.write("things.csv", "id,amount\n1,2.5\n")
    first = data.ingest(product.workspace)
    copy = product.write("inbox/things.csv", "id,amount\n1,2.5\n")
    assert data.ingest(product.workspace) == first
    assert data.ingest(product.workspace, copy) == first
    assert len(Store(product.workspace).read("SELECT * FROM batch")) == 1


def test_one_source_may_bring_several_files_at_once_in_the_order_of_their_names(product: Product) -> None:
    product.source(path="in/things-*.csv")
    for month in ("03", "01", "02"):
        product.write(f"in/things-{month}.csv", f"id,amount\n{month},1\n")
    product.write("in/twin/things-04.csv", "id,amount\n03,1\n")
    batches = data.ingest(product.workspace)
    assert [batch.path for batch in batches] == ["in/things-01.csv", "in/things-02.csv", "in/things-03.csv"]
    assert [batch.batch_id for batch in batches] == sorted(batch.batch_id for batch in batches)
    assert data.unchecked(product.workspace) == batches


def test_a_folder_brings_each_source_whose_file_name_is_in_it(product: Product) -> None:
    product.source("things", path="history/things.csv")
    product.source("others", path="history/others.csv")
    product.source("absent", path="history/absent.csv")
    product.write("inbox/others.csv", "id,amount\n1,1\n")
    product.write("inbox/things.csv", "id,amount\n2,2\n")
    product.write("inbox/notes.txt", "hello")
    assert [batch.source for batch in data.ingest(product.workspace, product.root / "inbox")] == [
        "things",
        "others",
    ]
    with pytest.raises(
        DataError, match=r"holds no file of a source; expected names: things\.csv, others\.csv"
    ):
        data.ingest(product.workspace, product.root / ".mlcycle")


def test_a_file_of_another_name_needs_its_source(product: Product) -> None:
    product.source()
    file = product.write("delivery.csv", "id,amount\n1,1\n")
    with pytest.raises(UsageError, match=r"is the name of no source's file; expected: things\.csv") as caught:
        data.ingest(product.workspace, file)
    assert "--source" in caught.value.hint
    with pytest.raises(NotFoundError, match=r"no source is called `thing`; did you mean `things`\?"):
        data.ingest(product.workspace, file, source="thing")
    (batch,) = data.ingest(product.workspace, file, source="things")
    assert batch.source == "things"


def test_a_file_that_two_sources_claim_needs_its_source(product: Product) -> None:
    product.source("things", path="a/*.csv")
    product.source("others", path="b/*.csv")
    file = product.write("c/x.csv", "id,amount\n1,1\n")
    with pytest.raises(UsageError, match="could belong to things or others"):
        data.ingest(product.workspace, file)
    with pytest.raises(UsageError, match="could belong to things or others"):
        data.ingest(product.workspace, file.parent)


def test_a_missing_file_is_named_with_its_source(product: Product) -> None:
    product.source()
    with pytest.raises(DataError, match=r"things.csv does not exist: the file of source things") as caught:
        data.ingest(product.workspace)
    assert "sources.things.path" in caught.value.hint
    with pytest.raises(DataError, match=r"nowhere.csv does not exist"):
        data.ingest(product.workspace, product.root / "nowhere.csv")


def test_one_bad_file_refuses_the_whole_folder_and_leaves_nothing_behind(product: Product) -> None:
    product.source("first", path="in/first.csv")
    product.source("second", path="in/second.csv")
    product.write("in/first.csv", "id,amount\n1,1\n")
    product.write("in/second.csv", "")
    with pytest.raises(DataError, match=r"second.csv is empty"):
        data.ingest(product.workspace)
    assert product.parts() == []
    assert data.unchecked(product.workspace) == []


def test_a_file_whose_name_looks_like_a_pattern_is_read_as_that_one_file(product: Product) -> None:
    product.source(path="things*.csv")
    product.write("things[1].csv", "id,amount\n1,1\n")
    (batch,) = data.ingest(product.workspace)
    assert (batch.path, batch.rows) == ("things[1].csv", 1)
    assert [file.suffix for file in product.parts()] == [".parquet"]


def test_list_sources_counts_what_has_arrived(product: Product) -> None:
    product.source("things")
    product.source("others")
    product.write("things.csv", "id,amount\n1,1\nx,2\n")
    data.ingest(product.workspace, source="things")
    things, others = data.list_sources(product.workspace)
    assert (things.batches, things.unchecked, things.rows, things.clean_rows) == (1, 1, 2, 0)
    assert (others.batches, others.arrived_at) == (0, None)
