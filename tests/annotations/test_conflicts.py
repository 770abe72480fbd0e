"""Conflicts and final annotations of cases by hand, and what must hold for any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.annotations import CATEGORIES, image_masks
from synthscope.annotations.adjudicate import adjudicate
from synthscope.annotations.agreement import agreement, agreement_by_pair, pooled_agreement
from synthscope.annotations.conflicts import conflicts, listed_paths
from synthscope.annotations.records import image_rows, to_table
from synthscope.errors import SynthscopeError, UsageError

EDGE, TEXTURE, COLOR = (category.label for category in CATEGORIES[:3])


def marks(annotator, images, round=1):
    """For each image (20 x 20) a list of ``(x0, y0, x1, y1, category[, confidence])``."""
    rows = []
    for name, regions in images.items():
        image = {"path": name, "width": 20, "height": 20, "annotator": annotator, "round": round}
        found = [
            {"box": list(map(float, r[:4])), "category": r[4], "confidence": r[5] if len(r) > 5 else None}
            for r in regions
        ]
        rows += image_rows(image, found, kind="box")
    return to_table(rows, "x")


def test_each_kind_of_conflict() -> None:
    a = marks("a", {"1": [(0, 0, 4, 4, EDGE), (10, 10, 14, 14, EDGE), (0, 16, 4, 20, EDGE)], "2": [], "3": []})
    b = marks("b", {"1": [(0, 0, 4, 4, TEXTURE), (12, 10, 16, 14, EDGE)], "2": [], "4": []})
    c = marks("c", {"2": [(0, 0, 2, 2, COLOR)]}, round=2)  # saw the others' marks
    found = conflicts(pl.concat([b, a, c]))
    columns = ("kind", "first", "first_region", "first_category", "second", "second_region", "second_category")
    assert found.select("path", *columns).rows() == [
        ("1", "other category", "a", 1, EDGE, "b", 1, TEXTURE),
        ("1", "apart", "a", 2, EDGE, "b", 2, EDGE),
        ("1", "only one", "a", 3, EDGE, "b", None, None),
    ]
    assert found["iou"].to_list() == [1.0, pytest.approx(8 / 24), None]


def test_every_pair_is_compared() -> None:
    tables = [marks(name, {"1": regions}) for name, regions in (("a", [(0, 0, 4, 4, EDGE)]), ("b", []), ("c", []))]
    found = conflicts(pl.concat(tables))
    assert found.select("kind", "first", "second").rows() == [("only one", "a", "b"), ("only one", "a", "c")]


def test_lists_come_back(tmp_path: Path) -> None:
    table = pl.DataFrame({"path": ["=a.png", "=a.png", "b.png"]})
    from synthscope.schema import write_table

    for name in ("l.csv", "l.parquet"):
        write_table(table, tmp_path / name)
        assert listed_paths(tmp_path / name) == ["=a.png", "b.png"]
    write_table(table.rename({"path": "file"}), tmp_path / "l.csv")
    with pytest.raises(SynthscopeError, match="in a column path"):
        listed_paths(tmp_path / "l.csv")
    with pytest.raises(SynthscopeError, match="Expected a CSV table"):
        listed_paths(tmp_path / "none.csv")


def boxes_of(table):
    return [(row["category"], row["box"], row["confidence"]) for row in table.drop_nulls("region").to_dicts()]


def test_majority_of_three() -> None:
    square, moved = (0, 0, 10, 10), (0, 1, 10, 11)
    a = marks("a", {"1": [(*square, EDGE), (15, 15, 18, 18, COLOR)]})
    b = marks("b", {"1": [(*square, TEXTURE)]})
    c = marks("c", {"1": [(*moved, TEXTURE), (15, 15, 18, 18, COLOR, 0.0)]})  # "no artifact" is no vote
    final = adjudicate(pl.concat([c, b, a]))
    assert boxes_of(final) == [(TEXTURE, [0, 0, 10, 10], 1.0)]
    assert final["annotator"].to_list() == ["majority of 3"] and final["region"].to_list() == [1]
    alone = adjudicate(pl.concat([marks("a", {"1": [(*square, EDGE)]}), marks("b", {"1": []}), marks("c", {"1": []})]))
    assert alone["region"].to_list() == [None] and alone["annotator"].to_list() == ["majority of 3"]


def test_union_of_two_one_alone_and_the_last_round() -> None:
    a = marks("a", {"1": [(0, 0, 10, 10, EDGE), (15, 15, 18, 18, COLOR)], "2": [(0, 0, 5, 5, EDGE)]})
    b = marks("b", {"1": [(0, 1, 10, 11, EDGE)]})
    union = adjudicate(pl.concat([a, b]))
    one = union.filter(path="1")
    assert boxes_of(one) == [(EDGE, [0, 0, 10, 10], 1.0), (COLOR, [15, 15, 18, 18], 0.5)]
    assert set(one["annotator"]) == {"union of 2"} and union.filter(path="2")["annotator"].to_list() == ["a"]
    later = marks("c", {"1": [(0, 0, 10, 10, TEXTURE)]}, round=2)
    relayed = adjudicate(pl.concat([a, b, later]))
    assert boxes_of(relayed.filter(path="1")) == [(TEXTURE, [0, 0, 10, 10], None)]
    assert relayed.filter(path="1").select("annotator", "round").rows() == [("c", 2)]
    judged = adjudicate(pl.concat([a, b, later]), adjudicator="b")
    assert boxes_of(judged.filter(path="1")) == [(EDGE, [0, 1, 10, 11], None)]
    assert judged.filter(path="2")["annotator"].to_list() == ["a"]
    with pytest.raises(UsageError, match="Expected annotations by d, got those of a, b"):
        adjudicate(pl.concat([a, b]), adjudicator="d")


@given(st.integers(1, 5), st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_the_final_annotation_lies_between_all_and_none(people, seed) -> None:
    rng = np.random.default_rng(seed)
    tables = []
    for number in range(people):
        corners = rng.integers(0, 14, (rng.integers(0, 4), 2))
        tables.append(marks(f"p{number}", {"1": [(x, y, x + 6, y + 6, EDGE) for x, y in corners.tolist()]}))
    table = pl.concat(tables)
    final = adjudicate(table.sample(fraction=1, shuffle=True, seed=1).sort("annotator", "region"))
    assert final.equals(adjudicate(table))
    anybody = image_masks(table, 20, 20)
    kept = image_masks(final, 20, 20)
    assert not (kept & ~anybody).any()
    if people <= 2:
        everything = all(image_masks([row], 20, 20)[kept].any() for row in table.drop_nulls("region").to_dicts())
        assert everything and final["region"].count() <= table["region"].count()


def test_pooled_agreement_of_one_pair_is_theirs() -> None:
    rng = np.random.default_rng(0)
    tables = {name: {} for name in "ab"}
    for image in range(8):
        for name in tables:
            x, y = rng.integers(0, 6, 2).tolist()
            tables[name][str(image)] = [(x, y, x + 8, y + 8, (EDGE, COLOR)[int(rng.integers(2))])]
    a, b = (marks(name, images) for name, images in tables.items())
    own, pooled = agreement([a, b], n_resamples=200), pooled_agreement(pl.concat([a, b]), n_resamples=200)
    different = pl.col("measure") == "category_kappa"
    assert own.filter(~different).equals(pooled.filter(~different))  # Cohen's kappa of two, Scott's pi of any
    assert agreement_by_pair(pl.concat([b, a]), n_resamples=200).drop("first", "second").equals(own, null_equal=True)


def test_pooled_agreement_is_over_all_pairs() -> None:
    """a and b agree on image 1 alone, b and c disagree on image 2 alone: half of the pairs' IoU."""
    a = marks("a", {"1": [(0, 0, 4, 4, EDGE)]})
    b = marks("b", {"1": [(0, 0, 4, 4, EDGE)], "2": [(0, 0, 4, 4, EDGE)]})
    c = marks("c", {"2": [(8, 8, 12, 12, EDGE)]})
    pooled = pooled_agreement(pl.concat([a, b, c]), n_resamples=100)
    row = pooled.filter(pl.col("category").is_null(), measure="mask_iou").row(0, named=True)
    assert row["value"] == 0.5 and row["n_images"] == 2 and row["n_regions"] == 4
    with pytest.raises(SynthscopeError, match="two annotators share"):
        pooled_agreement(a)
