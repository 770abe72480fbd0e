from __future__ import annotations

import polars as pl
import pytest

from synthscope.errors import SynthscopeError
from synthscope.schema import MANIFEST, conform


def test_conform_orders_casts_fills_and_drops():
    table = conform(pl.DataFrame({"label": [1], "path": ["a"], "extra": [2]}), MANIFEST, "manifest")
    assert table.schema == MANIFEST
    assert table.row(0, named=True)["label"] == 1
    assert table["width"].null_count() == 1


def test_conform_names_the_bad_column():
    with pytest.raises(SynthscopeError, match=r"'label' of m.csv"):
        conform(pl.DataFrame({"label": ["cat"]}), MANIFEST, "m.csv")
