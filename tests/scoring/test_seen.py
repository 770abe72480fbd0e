"""Heatmaps of detectors that crop are scored over what they see: chance by drawing, counts by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope.annotations import ANNOTATIONS
from synthscope.data.images import read_file
from synthscope.detectors.input import InputConfig, place
from synthscope.detectors.sight import seen_share
from synthscope.inference.heatmaps.store import KEY, read_index, write_part
from synthscope.metrics.localization.maps import LOCALIZATION, relevance_mass
from synthscope.scoring.heatmaps.score import heatmap_values, write_heatmap_scores
from synthscope.scoring.heatmaps.summary import headline

SIDE, CROP = 128, 28  # as 224 of 1,024 pixels: 4.8 % of the image
START = (SIDE - CROP) // 2
CROPPED, SQUARE = InputConfig(resize=None, crop=CROP), InputConfig(resize=32, resize_mode="square", crop=None)
SYMBOL, COLOR = "low-level-symbol", "low-level-color"
PINNED = {
    "relevance_mass": 0.15881678809666006, "relevance_rank": 0.1579375, "pointing_game": 0.0,
    "pointing_game_15px": 0.5, "iou_at_area": 0.08580165045682286, "iou_at_5pct": 0.034272710485190344,
    "iou_at_10pct": 0.06068191797607128, "iou_at_20pct": 0.09932348100289617,
    "iou_at_threshold": 0.02424653984559247, "iou_at_otsu": 0.10232632839721253,
    "pixel_average_precision": 0.15666980333811786, "pixel_auroc": 0.5169653746702824,
    "aupro": 0.15398222842975948, "micro_f1": 0.043886198547215496,
}  # fmt: skip
PINNED_BASELINES = [0.1544189453125, 0.16213279962539673, 0.1542637050151825]  # of the relevance mass


def run_of(
    folder: Path, maps: list[np.ndarray], regions: list[list[tuple[str | None, list[float]]]], config: InputConfig
) -> tuple[Path, pl.DataFrame]:
    """A run of one heatmap an image of noise, and the boxes ``[x0, y0, x1, y1]`` that are annotated in each."""
    rng, rows, about, marked = np.random.default_rng(1), [], [], []
    folder.mkdir(parents=True, exist_ok=True)
    for number, boxes in enumerate(regions):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)
        sha256 = read_file(path)[1]
        key = [sha256, "none", "d@1", "p", "e", "{}", "input", "none", 0]
        rows.append(dict(zip(KEY, key, strict=True)) | {"height": SIDE, "width": SIDE})
        about.append({"sha256": sha256, "path": str(path), "generator": "g", "input": config.model_dump_json()})
        image = {"path": str(path), "gt_kind": "box"}
        marked += [image | {"region": n, "category": c, "box": box} for n, (c, box) in enumerate(boxes, 1)]
        marked += [image | {"region": None}] * (not boxes)
    write_part(folder / "run/heatmaps", rows, maps)
    table = read_index(folder / "run/heatmaps").join(pl.DataFrame(about), on="sha256", maintain_order="left")
    table.with_columns(error=pl.lit(None, pl.String)).write_parquet(folder / "run/explanations.parquet")
    return folder / "run", pl.DataFrame(marked, schema=ANNOTATIONS)


def chosen(scores: pl.DataFrame, metric: str = "relevance_mass", category: str | None = None) -> dict:
    none = pl.col("level").is_null() if category is None else pl.lit(True)
    return scores.filter(pl.col("category").eq_missing(category), none, generator="all", metric=metric).row(
        0, named=True
    )


def test_random_maps_inside_the_crop_score_the_printed_chance(tmp_path: Path) -> None:
    """Every measure within 4 standard errors; over the whole image, as it was, mass misses its chance by far more."""
    rng, n = np.random.default_rng(0), 60
    boxes = [[(SYMBOL, [40.0, 45.0, 62.0, 66.0]), (COLOR, [0.0, 0.0, 30.0, 9.0])]] * n
    maps = [rng.random((CROP, CROP), dtype=np.float32) for _ in range(n)]
    run, annotations = run_of(tmp_path, maps, boxes, CROPPED)
    values = heatmap_values(run, annotations, measures=list(LOCALIZATION))
    values = values.filter(pl.col("category").is_null(), pl.col("level").is_null(), pl.col("metric") != "micro")
    assert values["metric"].n_unique() == len(LOCALIZATION) and values.height == n * len(LOCALIZATION)
    for (metric,), rows in values.group_by("metric"):
        score = rows["value"].to_numpy()
        error = score.std(ddof=1) / np.sqrt(n)
        assert abs(score.mean() - rows["baseline_random"][0]) < 4 * error + 1 / CROP**2, metric

    area = (62 - START) * (66 - START) / CROP**2
    assert chosen(write_heatmap_scores(run, annotations))["baseline_random"] == pytest.approx(area)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[45:66, 40:62] = mask[:9, :30] = True
    old = np.array([relevance_mass(place(heat, CROPPED, mask.shape).heat, mask) for heat in maps])
    assert abs(old.mean() - mask.mean()) > 40 * old.std(ddof=1) / np.sqrt(n)


def test_artifacts_that_are_not_seen_are_counted_and_not_scored(tmp_path: Path) -> None:
    corner, half = [0.0, 0.0, 10.0, 10.0], [START - 10.0, START, START + 10.0, START + 5.0]
    inside = [START + 4.0, START + 4.0, START + 8.0, START + 8.0]
    heat = np.zeros((CROP, CROP), np.float32)
    heat[4:8, 4:8] = 1
    heat[20, 20] = 0.25
    boxes = [[(SYMBOL, corner)], [(SYMBOL, inside), (COLOR, corner)], [(SYMBOL, half)], []]
    run, annotations = run_of(tmp_path, [heat] * 4, boxes, CROPPED)
    scores = write_heatmap_scores(run, annotations)
    mass = chosen(scores)
    counts = ("n_images", "n_instances", "n_blank", "n_unseen", "n_excluded")
    assert tuple(mass[name] for name in counts) == (2, 2, 0, 1, 1)
    # the second image holds the blob, the third rows 0..4 and columns 0..9 of the input: a row of it
    assert mass["value"] == pytest.approx((16 / 16.25 + 4 / 16.25) / 2)
    assert mass["baseline_random"] == pytest.approx((16 + 50) / 2 / CROP**2)
    assert mass["unseen"] == pytest.approx((1 + 100 / 116 + 0.5) / 3)
    color = chosen(scores, category=COLOR)
    assert (color["value"], color["ci_low"], color["lift"], color["unseen"]) == (None, None, None, 1)
    assert tuple(color[name] for name in counts) == (0, 0, 0, 1, 3)
    assert chosen(scores, category=SYMBOL)["unseen"] == pytest.approx((1 + 0 + 0.5) / 3)
    # cut at half of the range, every map marks the blob: true in 16 + 4 pixels, marked are 16 + 50
    assert chosen(scores, "micro_recall")["value"] == pytest.approx(20 / 66)
    precision = chosen(scores, "micro_precision")
    assert precision["value"] == pytest.approx(20 / 64) and precision["n_images"] == 4 and precision["n_unseen"] == 1
    told = headline(scores).row(0, named=True)
    assert (told["images"], told["unseen_images"], told["unseen_area"]) == (2, 1, round(mass["unseen"], 3))


def test_a_detector_that_sees_the_whole_image_keeps_its_numbers(tmp_path: Path) -> None:
    """Written by the version that had no notion of what is seen."""
    rng = np.random.default_rng(7)
    boxes = [[(SYMBOL, [10.0, 20.0, 60.0, 70.0])], [(COLOR, [64.0, 0.0, 128.0, 40.0])], []]
    run, annotations = run_of(tmp_path, [rng.normal(size=(32, 32)).astype(np.float32) for _ in boxes], boxes, SQUARE)
    scores = write_heatmap_scores(run, annotations, measures=list(LOCALIZATION))
    found = {name: chosen(scores, name)["value"] for name in (*LOCALIZATION, "micro_f1")}
    assert found == pytest.approx(PINNED, rel=1e-6)
    mass = chosen(scores)
    assert (mass["n_images"], mass["n_unseen"], mass["n_excluded"], mass["unseen"]) == (2, 0, 1, 0)
    chance = [mass[f"baseline_{name}"] for name in ("random", "centre", "edges")]
    assert chance == pytest.approx(PINNED_BASELINES, rel=1e-6)


@settings(max_examples=80, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.integers(4, 60), st.sampled_from([None, 12, 50]), st.booleans())
def test_what_is_seen_is_a_rectangle_of_the_share_that_is_said(
    height: int, width: int, crop: int, resize: int | None, square: bool
) -> None:
    for small in ("upscale", "pad", "tile"):
        config = InputConfig(resize=resize, resize_mode="square" if square else "short", crop=crop, small=small)
        placed = place(np.ones((crop, crop), np.float32), config, (height, width))
        rows, columns = placed.window
        assert placed.seen[placed.window].all() and placed.seen.sum() == placed.seen[placed.window].size > 0
        np.testing.assert_allclose(placed.heat[placed.window], 1, atol=1e-4)
        share = seen_share(height, width, config)
        sides = [(part.stop - part.start) / side for part, side in ((rows, height), (columns, width))]
        assert share == pytest.approx(sides[0] * sides[1], abs=1.5 * (1 / height + 1 / width))
