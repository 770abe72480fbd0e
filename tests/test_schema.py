from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from synthscope.data.index import index_to
from synthscope.errors import SynthscopeError
from synthscope.schema import (
    MANIFEST,
    TABLES_VERSION,
    VERSION_KEY,
    conform,
    growing_parquet,
    read_batches,
    read_table,
    write_table,
)


def test_conform_orders_casts_fills_and_drops():
    table = conform(pl.DataFrame({"label": [1], "path": ["a"], "extra": [2]}), MANIFEST, "manifest")
    assert table.schema == MANIFEST
    assert table.row(0, named=True)["label"] == 1
    assert table["width"].null_count() == 1


def test_conform_names_the_bad_column():
    with pytest.raises(SynthscopeError, match=r"'label' of m.csv"):
        conform(pl.DataFrame({"label": ["cat"]}), MANIFEST, "m.csv")


def test_tables_carry_their_version(tmp_path: Path) -> None:
    write_table(pl.DataFrame({"a": [1]}), tmp_path / "whole.parquet")
    with growing_parquet(tmp_path / "grown.parquet", pl.Schema({"a": pl.Int64})) as add:
        add(pl.DataFrame({"a": [1]}))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    index_to(f"files:{tmp_path}", tmp_path / "manifest.parquet", workers=1)
    for name in ("whole", "grown", "manifest"):
        assert pl.read_parquet_metadata(tmp_path / f"{name}.parquet")[VERSION_KEY] == str(TABLES_VERSION)
    assert read_table(tmp_path / "grown.parquet").equals(read_table(tmp_path / "whole.parquet"))


def test_tables_of_another_version_are_refused_and_those_without_one_are_read(tmp_path: Path) -> None:
    frame, later, earlier = pl.DataFrame({"a": [1]}), tmp_path / "later.parquet", tmp_path / "earlier.parquet"
    frame.write_parquet(later, metadata={VERSION_KEY: "2"})
    frame.write_parquet(earlier)
    assert read_table(earlier).equals(frame)
    for read in (read_table, lambda path: list(read_batches(path, frame.schema, 10))):
        with pytest.raises(SynthscopeError, match=r"version 1 at .*later\.parquet, got version 2\. Read it with"):
            read(later)
