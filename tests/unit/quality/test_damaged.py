from __future__ import annotations

import pytest
from tests.unit.quality.conftest import Shop

from mlcycle import data, quality
from mlcycle.errors import DataError


def test_no_batch_is_judged_from_a_part_with_a_flipped_byte(shop: Shop) -> None:
    shop.source(columns={"id": "integer", "amount": "number"})
    data.ingest(shop.workspace, shop.write("in/things.csv", "id,amount\n1,5\n2,6\n"), source="things")
    [path] = shop.workspace.data.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"part {path.stem[:8]} of a batch of things does not hold") as error:
        quality.check(shop.workspace)
    assert error.value.hint == "mlcycle doctor"
    assert data.list_versions(shop.workspace) == []
