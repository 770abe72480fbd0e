"""Protocols as views: one compression, the same ones in both classes, one size a test set; what is left out is told."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope.data.align.views import seen_through, view_id
from synthscope.data.audit import HISTORY, OVERALL, audit
from synthscope.data.degrade.recipe import parse_recipe, read_viewed
from synthscope.data.images import read_rgb
from synthscope.data.jpeg_header import read_compression
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST
from synthscope.tables.treatments import treatment_rows, treatment_text
from tests.data.histories import picture, stored, tree

TABLES = [[3 + (i % 7) for i in range(64)], [5 + (i % 3) for i in range(64)]]
CAMERAS = [  # what photographs may be stored with
    {"quality": 95, "subsampling": 2}, {"quality": 80, "subsampling": 0}, {"quality": 90, "subsampling": 1},
    {"qtables": TABLES, "subsampling": 2},
]  # fmt: skip


def through(rgb: np.ndarray, **options: object) -> np.ndarray:
    """One JPEG compression by Pillow."""
    with Image.open(BytesIO(stored(rgb, "JPEG", **options))) as image:
        return np.array(image)


def seen(row: dict[str, object]) -> np.ndarray:
    return read_viewed(str(row["path"]), parse_recipe(str(row["view"])))


def test_a_photograph_is_cropped_on_its_grid_and_an_ai_image_compressed_like_one(tmp_path: Path) -> None:
    files = {f"one/val/nature/{i}.jpg": stored(picture(i, 152), "JPEG", **CAMERAS[i]) for i in range(4)}
    files |= {f"one/val/ai/{i}.png": stored(picture(10 + i, 120)) for i in range(8)}
    table, _ = seen_through(tree(tmp_path, files), "aligned")
    assert set(table["protocol"]) == {"aligned"} and table.height == 12
    for row in table.filter(label=0).to_dicts():  # (152 - 120) / 2 = 16: the corner of a block
        assert np.array_equal(seen(row), read_rgb(row["path"])[16:136, 16:136])
    used = Counter()
    for row in table.filter(label=1).to_dicts():
        found = [
            n
            for n, options in enumerate(CAMERAS)
            if np.array_equal(seen(row), through(read_rgb(row["path"]), **options))
        ]
        assert len(found) == 1
        used[found[0]] += 1
    assert used == {0: 2, 1: 2, 2: 2, 3: 2}  # two full rounds: the very distribution of the photographs


def test_each_test_set_has_the_smaller_of_its_sizes(tmp_path: Path) -> None:
    """GenImage's subsets of 128 and 256 pixels keep their size; shared photographs stand in each at its size."""
    files = {f"imagenet_ai/val/nature/{i}.jpg": stored(picture(i, 176), "JPEG", quality=90) for i in range(10)}
    files |= {"imagenet_ai/val/nature/tiny.jpg": stored(picture(77, 64), "JPEG", quality=90)}
    files |= {f"BigGAN/val/ai/{i}.png": stored(picture(20 + i, 80)) for i in range(3)}
    files |= {f"wukong/val/ai/{i}.png": stored(picture(30 + i, 200)) for i in range(3)}
    images = tree(tmp_path, files)
    assert images.filter(label=0)["subset"].null_count() == 11
    table, treatments = seen_through(images, "aligned")
    for name, side in (("BigGAN", 80), ("wukong", 176)):
        part = table.filter(subset=name)
        assert Counter(part["label"]) == {0: 10, 1: 3}
        assert {seen(row).shape for row in part.to_dicts()} == {(side, side, 3)}
        told = treatments.filter(pl.col("subset") == name, ~pl.col("kept"))
        assert told.select("label", "treatment", "n").rows() == [(0, "smaller than the crop of its test set", 1)]
    shown = treatment_rows(treatments, "aligned")
    assert shown.rows() == [("Wukong", 10, 1, 3, 0, 176), ("BigGAN", 10, 1, 3, 0, 80)]
    assert "Left out: 2 real (smaller than the crop of its test set)." in treatment_text(treatments)
    together, _ = seen_through(images, "aligned", by="split")
    assert {seen(row).shape for row in together.to_dicts()} == {(80, 80, 3)} and together.height == 16


def test_what_is_jpeg_already_is_matched_one_to_one_and_never_compressed_again(tmp_path: Path) -> None:
    real = [CAMERAS[0]] * 4 + [CAMERAS[1]] * 4
    ai = [CAMERAS[0]] * 2 + [CAMERAS[1]] * 6 + [CAMERAS[3]] * 2
    files = {f"one/val/nature/{i}.jpg": stored(picture(i, 96), "JPEG", **o) for i, o in enumerate(real)}
    files |= {f"one/val/ai/{i}.jpg": stored(picture(20 + i, 96), "JPEG", **o) for i, o in enumerate(ai)}
    table, treatments = seen_through(tree(tmp_path, files), "aligned")
    assert set(table["view"]) == {"crop:size=96,grid=16"}
    kinds = [Counter(read_compression(p).step for p in table.filter(label=label)["path"]) for label in (0, 1)]
    assert kinds[0] == kinds[1] and sorted(kinds[0].values()) == [2, 4]
    left = dict(treatments.filter(~pl.col("kept")).select("label", "n").rows())
    assert left == {0: 2, 1: 4}

    files |= {f"one/val/ai/png{i}.png": stored(picture(40 + i, 96)) for i in range(5)}
    table, _ = seen_through(tree(tmp_path, files), "aligned")  # lossless images take the places that are free
    lossless = table.filter(pl.col("path").str.ends_with("png"))
    assert Counter(lossless["view"]) == {"jpeg:q=95|crop:size=96,grid=16": 2}
    assert Counter(table["label"]) == {0: 8, 1: 8}


def test_other_files_are_left_out_and_counted(tmp_path: Path) -> None:
    rgb, exif = picture(0, 96), Image.Exif()
    exif[0x0112] = 6
    odd = {
        "gray.jpg": stored(rgb[..., 0], "JPEG"), "turned.jpg": stored(rgb, "JPEG", exif=exif),
        "a.webp": stored(rgb, "WEBP"), "a.gif": stored(rgb, "GIF"),
    }  # fmt: skip
    files = {f"one/val/nature/{name}": data for name, data in odd.items()}
    files |= {f"one/val/nature/{i}.jpg": stored(picture(i, 96), "JPEG") for i in range(3)}
    files |= {f"one/val/ai/{i}.png": stored(picture(9 + i, 96)) for i in range(3)}
    table, treatments = seen_through(tree(tmp_path, files), "aligned")
    assert Counter(table["label"]) == {0: 3, 1: 3}
    assert sorted(treatments.filter(~pl.col("kept"))["treatment"]) == [
        "a JPEG in grey or in other colours than YCbCr", "a JPEG turned by its EXIF orientation",
        "stored as GIF, neither JPEG nor without loss", "stored as WEBP, neither JPEG nor without loss",
    ]  # fmt: skip
    assert treatments.filter("kept")["n"].sum() + treatments.filter(~pl.col("kept"))["n"].sum() == 10


def test_images_without_loss_in_both_classes_are_only_cropped(tmp_path: Path) -> None:
    files = {f"one/val/{kind}/{i}.png": stored(picture(i, 96)) for i, kind in enumerate(["nature", "ai"] * 3)}
    assert set(seen_through(tree(tmp_path, files), "aligned")[0]["view"]) == {"crop:size=96,grid=16"}


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([75, 90, 95]), min_size=2, max_size=7),
    st.lists(st.sampled_from([None, 75, 90]), min_size=2, max_size=9),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_both_classes_have_the_same_compressions(tmp_path_factory, real, ai, seed, random) -> None:  # type: ignore[no-untyped-def]
    """Whole rounds of places: the number of each compression in one class is a multiple of that in the other."""
    flat = np.full((64, 64, 3), 90, np.uint8)
    files = {f"one/val/nature/{i}.jpg": stored(flat, "JPEG", quality=q) for i, q in enumerate(real)}
    files |= {
        f"one/val/ai/{i}.{'png' if q is None else 'jpg'}": stored(flat)
        if q is None
        else stored(flat, "JPEG", quality=q)
        for i, q in enumerate(ai)
    }
    images = tree(tmp_path_factory.mktemp("files"), files)
    try:
        table, treatments = seen_through(images, "aligned", seed=seed)
    except SynthscopeError as error:
        assert not set(real) & set(ai) and None not in ai and "comparable images of both classes" in str(error)
        return
    assert treatments["n"].sum() == len(real) + len(ai)
    counts = []
    for label in (0, 1):
        rows = table.filter(label=label)
        own = [read_compression(p).step or v.partition("|")[0] for p, v in rows.select("path", "view").rows()]
        counts.append(Counter(own))
        again = [view for p, view in rows.select("path", "view").rows() if read_compression(p).step and "jpeg" in view]
        assert not again
    if set(ai) - {None}:  # places were matched one to one
        assert counts[1] == counts[0] or not set(real) & set(ai)
    else:
        full = len(ai) // len(real)
        assert all(full * n <= counts[1][step] <= (full + 1) * n for step, n in counts[0].items())
    order = random.sample(range(images.height), images.height)
    assert seen_through(images[order], "aligned", seed=seed)[0].sort("path").equals(table.sort("path"))


def test_laundered_does_the_same_to_both_classes(tmp_path: Path) -> None:
    files = {f"one/val/nature/{i}.webp": stored(picture(i, 140), "WEBP") for i in range(40)}
    files |= {f"one/val/ai/{i}.png": stored(picture(50 + i, 120)) for i in range(40)}
    table, treatments = seen_through(tree(tmp_path, files), "laundered")
    assert {seen(row).shape for row in table.to_dicts()} == {(60, 60, 3)} and treatments["kept"].all()
    drawn = table.select(
        "label", scale=pl.col("view").str.extract(r"scale=([\d.]+)").cast(float),
        quality=pl.col("view").str.extract(r"q=(\d+)").cast(int),
    )  # fmt: skip
    assert drawn["scale"].is_between(0.5, 0.8).all() and drawn["quality"].is_between(75, 95).all()
    means = drawn.group_by("label").agg(pl.col("scale").mean(), pl.col("quality").mean()).sort("label")
    assert abs(np.diff(means["scale"])[0]) < 4 * 0.3 / 12**0.5 * (2 / 40) ** 0.5
    assert abs(np.diff(means["quality"])[0]) < 4 * 21 / 12**0.5 * (2 / 40) ** 0.5
    fresh = seen_through(tree(tmp_path, files), "laundered", seed=1)[0]
    assert (fresh["view"] != table["view"]).mean() > 0.9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.with_columns(view=pl.lit("lr:64")), "Expected images as stored, got the view lr:64"),
        (lambda t: t.with_columns(width=pl.lit(None, pl.Int32)), "Run `synthscope data verify`"),
        (lambda t: t.filter(label=1), "both classes for the view aligned"),
    ],
)
def test_what_cannot_be_aligned_is_said(tmp_path: Path, change, sentence: str) -> None:  # type: ignore[no-untyped-def]
    files = {"one/val/nature/1.jpg": stored(picture(1, 96), "JPEG"), "one/val/ai/2.png": stored(picture(2, 96))}
    with pytest.raises(SynthscopeError, match=sentence):
        seen_through(change(tree(tmp_path, files)), "aligned")


def test_names_of_views() -> None:
    assert [view_id(text) for text in ("raw", "none", "aligned", "lr:size=64")] == ["none", "none", "aligned", "lr:64"]
    with pytest.raises(UsageError, match="Expected a view, got 'align'. Did you mean aligned?"):
        view_id("align")
    with pytest.raises(UsageError, match="by subset or split"):
        seen_through(pl.DataFrame(schema=MANIFEST), "aligned", by="generator")


def test_null_world_the_audit_stands_at_chance_in_the_aligned_view_and_not_in_one_recipe_for_both(
    tmp_path: Path,
) -> None:
    """The same kind of pictures in both classes; sizes, containers and compressions as real data sets have them."""
    rng, files = np.random.default_rng(3), {}
    for i in range(160):
        rgb = picture(500 + i, 208)
        if i % 2:
            files[f"one/val/ai/{i}.png"] = stored(rgb[24:184, 24:184])
        else:
            files[f"one/val/nature/{i}.jpg"] = stored(rgb, "JPEG", **CAMERAS[rng.integers(4)])
    images = tree(tmp_path, files)
    raw = audit(images)
    assert raw.filter(subset=OVERALL, attributes="all")["balanced_accuracy"].item() > 0.95
    aligned = audit(seen_through(images, "aligned")[0]).filter(subset=OVERALL)
    assert set(aligned["view"]) == {"aligned"}
    for attributes in ("all", HISTORY):
        row = aligned.filter(attributes=attributes).row(0, named=True)
        assert row["ci_low"] < 0.5 < row["ci_high"] or row["balanced_accuracy"] < 0.5, row
    recipe = audit(seen_through(images, "crop:size=160,grid=16|jpeg:q=96")[0]).filter(subset=OVERALL)
    assert recipe.filter(attributes=HISTORY)["balanced_accuracy"].item() > 0.9
