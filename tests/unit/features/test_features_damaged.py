from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlcycle import data, features
from mlcycle.errors import DataError

VIEWS = {
    "orders": {"table": "orders", "key": "shop", "windows": {"orders_30d": {"count": "*", "over": "30d"}}}
}

Shops = Callable[..., Any]


def test_nothing_is_trained_on_a_training_set_with_a_flipped_byte(shops: Shops) -> None:
    product = shops(VIEWS)
    path = features.build(product.workspace).path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"part {path.stem[:8]} of training set default does not hold"):
        features.load(product.workspace)


@pytest.mark.parametrize("dataset", ["orders", "asked"])
def test_no_training_set_is_built_from_a_part_with_a_flipped_byte(shops: Shops, dataset: str) -> None:
    product = shops(VIEWS)
    [path, *_] = data.current(product.workspace, dataset).parts
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=f"part {path.stem[:8]} of version 1 of {dataset} does not hold"
    ) as error:
        features.build(product.workspace)
    assert error.value.hint == "mlcycle doctor"
    assert features.list_training_sets(product.workspace) == []
