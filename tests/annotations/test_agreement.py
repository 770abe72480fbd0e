"""Agreement by hand, and what must hold for any masks."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from synthscope.annotations.agreement import agreement, by_annotator, match
from synthscope.annotations.records import image_rows, to_table
from synthscope.annotations.rle import encode_rle
from synthscope.annotations.taxonomy import CATEGORIES
from synthscope.errors import SynthscopeError, UsageError

EDGE, TEXTURE = CATEGORIES[0].label, CATEGORIES[1].label


def boxes(images, annotator=None):
    """One table: for each image (a 10 x 10 canvas) a list of ``(x0, y0, x1, y1, category)``."""
    rows = []
    for name, regions in images.items():
        image = {"path": name, "width": 10, "height": 10, "annotator": annotator}
        found = [{"box": list(map(float, region[:4])), "category": region[4]} for region in regions]
        rows += image_rows(image, found, kind="box")
    return to_table(rows, "x")


def values(table, category=None):
    chosen = table.filter(table["category"].is_null() if category is None else table["category"] == category)
    return dict(zip(chosen["measure"], chosen["value"], strict=True))


def test_two_annotators_by_hand() -> None:
    a = boxes({"1": [(0, 0, 4, 2, EDGE), (0, 5, 2, 7, TEXTURE)], "2": [], "3": [(0, 0, 1, 1, EDGE)]})
    b = boxes({"1": [(0, 0, 4, 4, EDGE), (0, 5, 2, 7, EDGE)], "2": [], "9": []})
    got = values(agreement([a, b], n_resamples=200))
    # image 1: 8 + 4 = 12 pixels against 16 + 4 = 20, 12 in common; image 2: clean twice; image 3 is not shared
    iou, p = 12 / 20, 32 / 400
    assert got["mask_iou"] == pytest.approx(iou)  # the pair of empty masks is left out
    expected = p / (2 - p)
    assert got["fleiss_kappa_iou"] == pytest.approx((iou - expected) / (1 - expected))
    chance = p**2 + (1 - p) ** 2
    assert got["fleiss_kappa_pixels"] == pytest.approx((192 / 200 - chance) / (1 - chance))
    assert got["instance_f1@0.3"] == 1.0 and got["instance_f1@0.5"] == 1.0  # IoU 0.5 and 1
    # matched: edge with edge, texture with edge: observed 1/2, by chance 1/2 * 1 + 1/2 * 0
    assert got["category_kappa"] == pytest.approx(0.0)
    edge = values(agreement([a, b], n_resamples=200), EDGE)
    assert edge["mask_iou"] == pytest.approx(8 / 20)
    assert edge["instance_f1@0.5"] == pytest.approx(2 / 3) and "category_kappa" not in edge


def test_three_annotators_by_hand() -> None:
    """4 x 1 pixels marked by 3, 2 and 1 of three annotators."""
    tables = [boxes({"1": [(0, 0, width, 1, EDGE)]}) for width in (1, 2, 3)]
    got = values(agreement(tables, n_resamples=200))
    assert got["mask_iou"] == pytest.approx((1 / 2 + 1 / 3 + 2 / 3) / 3)
    both, either, p = 3 + 1 + 0, 3 + 3 + 2, 6 / 300
    expected = p / (2 - p)
    assert got["fleiss_kappa_iou"] == pytest.approx((both / either - expected) / (1 - expected))
    observed, chance = (97 * 3 + 3 + 1 + 1) / 300, p**2 + (1 - p) ** 2
    assert got["fleiss_kappa_pixels"] == pytest.approx((observed - chance) / (1 - chance))
    assert got["instance_f1@0.5"] == pytest.approx(2 * 2 / 6)
    assert np.isnan(got["category_kappa"])  # one category: nothing but chance


def random_masks(rng, share=0.3, shape=(8, 9)):
    return rng.random(shape) < share


def masks_table(masks):
    rows = []
    for number, mask in enumerate(masks):
        image = {"path": str(number), "width": mask.shape[1], "height": mask.shape[0]}
        rows += image_rows(image, [{"rle": encode_rle(mask)}] if mask.any() else [], kind="mask")
    return to_table(rows, "x")


@given(st.integers(2, 4), st.integers(1, 5), st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_order_does_not_matter_and_agreement_is_one_with_oneself(raters, images, seed) -> None:
    rng = np.random.default_rng(seed)
    drawn = [[random_masks(rng) for _ in range(images)] for _ in range(raters)]
    tables = [masks_table(masks) for masks in drawn]
    got = values(agreement(tables, n_resamples=100))
    turned = values(agreement([t.reverse() for t in tables[::-1]], n_resamples=100))
    assert got == pytest.approx(turned, nan_ok=True)
    alike = values(agreement([tables[0]] * raters, n_resamples=100))
    assert all(value == pytest.approx(1) for name, value in alike.items() if name != "category_kappa")
    items = np.array([[mask.ravel() for mask in masks] for masks in drawn]).reshape(raters, -1).sum(axis=0)
    assert got["fleiss_kappa_pixels"] == pytest.approx(_fleiss(np.stack([raters - items, items], axis=1)))


def _fleiss(counts: np.ndarray) -> float:
    """Fleiss (1971), item by item; ``counts`` ``(items, categories)``."""
    raters = counts[0].sum()
    observed = np.mean([(row @ row - raters) / (raters * (raters - 1)) for row in counts])
    chance = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return (observed - chance) / (1 - chance)


def test_chance_is_zero() -> None:
    rng = np.random.default_rng(1)
    tables = [masks_table([random_masks(rng, shape=(60, 60)) for _ in range(30)]) for _ in range(3)]
    table = agreement(tables, n_resamples=500)
    for name in ("fleiss_kappa_iou", "fleiss_kappa_pixels"):
        row = next(row for row in table.to_dicts() if row["measure"] == name)
        assert abs(row["value"]) < 0.01 and row["ci_low"] < row["value"] < row["ci_high"]
        assert row["n_images"] == 30 and row["n_regions"] == 90


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25), st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_category_kappa_equals_scikit_learn(pairs, seed) -> None:
    """One image a pair of coinciding regions."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 8, (len(pairs), 2))
    tables = [
        boxes({str(i): [(x, y, x + 2, y + 2, CATEGORIES[p[side]].label)] for i, (p, (x, y)) in
               enumerate(zip(pairs, places, strict=True))})
        for side in (0, 1)
    ]  # fmt: skip
    got = values(agreement(tables, n_resamples=100))["category_kappa"]
    one, other = zip(*pairs, strict=True)
    if len({*one, *other}) > 1:
        assert got == pytest.approx(cohen_kappa_score(one, other))
    else:
        assert np.isnan(got)
    third = values(agreement([*tables, tables[0]], n_resamples=100))["category_kappa"]
    counts = np.zeros((len(pairs), 7))
    for row, (a, b) in zip(counts, pairs, strict=True):
        row[a] += 2
        row[b] += 1
    if len({*one, *other}) > 1:
        assert third == pytest.approx(_fleiss(counts))


def test_as_many_regions_are_matched_as_can_be() -> None:
    """A greedy match of the best pair (a1, b0) would leave a0 and b1 alone."""
    a, b = np.zeros((2, 1, 20), bool), np.zeros((2, 1, 20), bool)
    a[0, 0, 0:8], a[1, 0, 2:12] = True, True
    b[0, 0, 0:11], b[1, 0, 4:14] = True, True
    assert sorted(match(a, b, 0.6)) == [(0, 0), (1, 1)]
    a, b = np.zeros((2, 1, 12), bool), np.zeros((2, 1, 12), bool)
    a[0, 0, :4], a[1, 0, 1:], b[0, 0, :], b[1, 0, 8:] = True, True, True, True  # IoU 0.33 and 0.36 against one of 0.92
    assert sorted(match(a, b, 0.3)) == [(0, 0), (1, 1)]
    assert match(a, b, 0.99) == [] and match(a[:0], b, 0.1) == []


def test_sources_of_annotators() -> None:
    tables = [boxes({"1": [(0, 0, 2, 2, EDGE)]}, name) for name in ("ann", "bob")]
    both = tables[0].vstack(tables[1])
    assert [t["annotator"][0] for t in by_annotator(both)] == ["ann", "bob"]
    with pytest.raises(UsageError, match="two or more annotators, got 1"):
        agreement(tables[:1])
    with pytest.raises(SynthscopeError, match="images that all annotators share, got none with the same path"):
        agreement([tables[0], boxes({"2": []})])
    moved = [t.with_columns(sha256=t["path"], path=t["path"] + name) for t, name in zip(tables, "ab", strict=True)]
    assert values(agreement(moved, n_resamples=100))["mask_iou"] == 1  # the same image, elsewhere
    unsized = tables[0].with_columns(width=None)
    with pytest.raises(SynthscopeError, match="Expected the width and height of 1"):
        agreement([unsized, unsized])
    foreign = tables[0].with_columns(category=pl.lit("blurry"))
    with pytest.raises(SynthscopeError, match="Expected categories of the taxonomy, got 'blurry'"):
        agreement([foreign, tables[0]])


def test_images_of_a_prompt_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    once = [masks_table([random_masks(rng) for _ in range(12)]) for _ in range(2)]

    def copied(uid: pl.Expr) -> pl.DataFrame:
        copies = [[t.with_columns(uid=uid, path=pl.format(f"{i}/{{}}", "path")) for i in range(6)] for t in once]
        return agreement([pl.concat(tables) for tables in copies]).filter(pl.col("category").is_null())

    single = agreement(once).filter(pl.col("category").is_null())
    together, apart = copied(pl.col("path")), copied(pl.lit(None, pl.String))
    for name in ("mask_iou", "fleiss_kappa_iou", "fleiss_kappa_pixels"):
        one, six, many = (t.filter(measure=name).row(0, named=True) for t in (single, together, apart))
        assert [six[k] for k in ("value", "ci_low", "ci_high")] == pytest.approx(
            [one[k] for k in ("value", "ci_low", "ci_high")]
        )
        assert six["n_images"] == 72 and many["ci_high"] - many["ci_low"] < 0.6 * (one["ci_high"] - one["ci_low"])
