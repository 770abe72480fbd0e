"""Which rows are trained on and which are held out."""

from __future__ import annotations

import polars as pl
import pytest

from synthscope.errors import SynthscopeError
from synthscope.schema import MANIFEST, conform
from synthscope.training.config import Data
from synthscope.training.data import choose, manifest_digest


def table(**changes: pl.Expr) -> pl.DataFrame:
    """200 images: two generators with reals of their own, 40 reals that belong to both; pairs share a group."""
    rows = []
    for number in range(200):
        kind = number % 5  # ADM ai, ADM real, glide ai, glide real, shared real
        rows.append(
            {
                "path": f"/data/set/train/{number:03}.png",
                "label": int(kind in (0, 2)),
                "subset": ("ADM", "ADM", "glide", "glide", None)[kind],
                "split": "train",
                "group": f"pair {number // 5}" if kind < 2 else None,
            }
        )
    return conform(pl.DataFrame(rows), MANIFEST, "test").with_columns(**changes)


def test_held_out_rows_are_a_stratified_tenth_that_shares_no_group() -> None:
    train, held = choose(table(), Data())
    assert train.height + held.height == 200
    assert not set(train["path"]) & set(held["path"])
    assert not set(train["group"].drop_nulls()) & set(held["group"].drop_nulls())
    for subset, label in (("ADM", 0), ("ADM", 1), ("glide", 0), ("glide", 1), (None, 0)):
        part = held.filter(pl.col("subset").eq_missing(subset) & (pl.col("label") == label))
        assert 2 <= part.height <= 6, (subset, label)


def test_the_choice_depends_on_neither_the_order_of_rows_nor_the_folder() -> None:
    first = choose(table(), Data(max_per_class=30))
    moved = pl.format("/elsewhere{}", "path")
    second = choose(table(path=moved).sample(fraction=1, shuffle=True, seed=1), Data(max_per_class=30))
    assert first[1]["path"].to_list() == [path.removeprefix("/elsewhere") for path in second[1]["path"]]
    other = choose(table(), Data(max_per_class=30, seed=1))
    assert set(other[1]["path"]) != set(first[1]["path"])


def test_subsets_keep_the_reals_that_belong_to_all_and_nothing_else() -> None:
    both = pl.concat(choose(table(), Data(subsets=("ADM",))))
    assert both.height == 120
    assert set(both["subset"]) == {"ADM", None}


def test_split_view_and_class_limits() -> None:
    views = pl.when(pl.int_range(200) < 100).then(pl.lit("jpeg:q=96")).otherwise(None)
    assert pl.concat(choose(table(view=views), Data(view="jpeg:q=96"))).height == 100
    assert set(pl.concat(choose(table(view=views), Data(view="none")))["view"]) == {"none"}
    limited = pl.concat(choose(table(), Data(max_per_class=25)))
    assert limited["label"].value_counts()["count"].to_list() == [25, 25]
    splits = pl.when(pl.int_range(200) < 150).then(pl.lit("train")).otherwise(pl.lit("val"))
    assert pl.concat(choose(table(split=splits), Data())).height == 150
    with pytest.raises(SynthscopeError, match="split 'test'"):
        choose(table(), Data(split="test"))


def test_rows_with_an_error_are_left_out_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    errors = pl.when(pl.int_range(200) < 7).then(pl.lit("empty file")).otherwise(None)
    assert pl.concat(choose(table(error=errors), Data())).height == 193
    assert "7 of 200 images are left out" in capsys.readouterr().err


def test_copies_of_one_file_stay_on_one_side() -> None:
    twins = pl.format("{}", pl.int_range(200) // 2)
    train, held = choose(table(sha256=twins, group=pl.lit(None, pl.String)), Data(holdout=0.3))
    assert held.height > 20
    assert not set(train["sha256"]) & set(held["sha256"])


def test_a_class_without_images_is_a_sentence() -> None:
    with pytest.raises(SynthscopeError, match=r"Expected real and AI images in split 'train', subsets ADM.* 0 AI"):
        choose(table().filter(pl.col("label") == 0), Data(subsets=("ADM",)))
    with pytest.raises(SynthscopeError, match=r"held out of .* data\.holdout=0\.01"):
        choose(table(), Data(holdout=0.01))


def test_the_digest_follows_what_matters() -> None:
    digest = manifest_digest(*choose(table(), Data()))
    assert digest == manifest_digest(*choose(table(path=pl.format("/elsewhere{}", "path")), Data()))
    assert digest != manifest_digest(*choose(table(label=1 - pl.col("label")), Data()))
    assert digest != manifest_digest(*choose(table(view=pl.lit("jpeg:q=96")), Data()))
    assert digest != manifest_digest(*choose(table(), Data(seed=1)))
