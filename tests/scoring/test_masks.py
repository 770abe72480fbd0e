"""Artifact masks of detectors: official counts of the same masks, known answers, chance by drawing, resuming."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from polars.testing import assert_frame_equal
from sklearn.metrics import average_precision_score
from torch import Tensor

from synthscope.annotations import ANNOTATIONS, CATEGORIES, save_annotations
from synthscope.data.images import read_rgb
from synthscope.detectors.artifact_vit import ArtifactVit, category_masks
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers.artifact_map import artifact_probabilities
from synthscope.inference.masks.count import count_masks
from synthscope.inference.masks.store import BINS
from synthscope.metrics.localization.pooled import PooledPixels, pooled_average_precision
from synthscope.schema import MANIFEST, conform
from synthscope.scoring.masks import MASK_SCORES, METRICS, Pixels, _at_random, _measures, write_mask_scores
from synthscope.scoring.xaigd.official import score_pixels
from synthscope.scoring.xaigd.records import read_images
from tests.explainers.test_artifact_map import artifact_vit

LABELS = [category.label for category in CATEGORIES]
EDGE, TEXTURE = LABELS[:2]


def scored(
    run: Path, images: pl.DataFrame, detectors: list[Detector], annotations: pl.DataFrame, **arguments: int
) -> pl.DataFrame:
    """Count, then score."""
    count_masks(run, images, detectors, annotations, **arguments)
    return write_mask_scores(run)


class RedDrawer(ArtifactVit):
    """Draws red pixels as edges, and green ones as textures."""

    calls = 0

    def __init__(self, masks: str = "softmax", **input: object) -> None:
        options = {"patch": 4, "depth": 1, "width": 32, "masks": masks}
        geometry = {"resize": None, "crop": 32} | input
        config = DetectorConfig(name=f"red_{masks}", architecture="artifact_vit", options=options,
                                input=InputConfig.model_validate(geometry))  # fmt: skip
        super().__init__(config)

    def artifact_logits(self, images: Tensor) -> Tensor:
        RedDrawer.calls += len(images)
        pixels = images.float() / 255
        maps = torch.full((len(images), 8, *images.shape[-2:]), -9.0)
        maps[:, 0] = 0.0
        maps[:, 1] = 10 * (pixels[:, 0] - pixels[:, 1]) - 5
        maps[:, 2] = 10 * (pixels[:, 1] - pixels[:, 0]) - 5
        return maps


def polygon(rows: tuple[int, int], columns: tuple[int, int]) -> list[list[list[float]]]:
    (top, bottom), (left, right) = rows, columns  # the boundary belongs to a polygon
    return [[[left, top], [right - 1, top], [right - 1, bottom - 1], [left, bottom - 1]]]


def one(scores: pl.DataFrame, metric: str, category: str | None = None, generator: str = "all") -> dict:
    chosen = scores.filter(pl.col("category").eq_missing(category), metric=metric, generator=generator)
    assert chosen.height == 1
    return chosen.row(0, named=True)


def noise_world(folder: Path, n: int = 9, size: tuple[int, int] = (32, 32)) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Images of noise by two generators with random polygons; the first of each has none."""
    rng = np.random.default_rng(0)
    images, regions = [], []
    for number in range(n):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)).save(path)
        image = {"path": str(path), "generator": f"g{number % 2}", "label": 1}
        images.append(image)
        known = {"path": str(path), "uid": str(number), "generator": image["generator"], "gt_kind": "polygon"}
        known |= {"width": size[1], "height": size[0]}
        for region in range(0 if number < 2 else int(rng.integers(1, 4))):
            points = (rng.uniform(-0.1, 1.1, (4, 2)) * size[::-1]).tolist()
            regions.append(known | {"region": region, "category": str(rng.choice(LABELS)), "polygons": [points]})
        if number < 2:
            regions.append(known | {"region": None})
    return conform(pl.DataFrame(images), MANIFEST, "m"), pl.DataFrame(regions, schema=ANNOTATIONS)


@pytest.mark.parametrize("masks", ["softmax", "sigmoid"])
def test_counts_are_the_official_ones_of_the_same_masks(tmp_path: Path, masks: str) -> None:
    images, annotations = noise_world(tmp_path)
    detector = artifact_vit(masks=masks)
    scores = scored(tmp_path / "run", images, [detector], annotations, batch_size=4)
    assert scores.schema == MASK_SCORES
    save_annotations(annotations, tmp_path / "a.parquet")
    records = read_images([tmp_path / "a.parquet"])
    for record, path in zip(records, images["path"], strict=True):
        with torch.no_grad():
            maps = detector.artifact_logits(detector.preprocess(read_rgb(path))[None])
        drawn = category_masks(maps, masks)[0].numpy()  # type: ignore[arg-type]
        for name, mask in [*zip(LABELS, drawn, strict=True), (None, drawn.any(0))]:
            folder = tmp_path / "png" / ("all" if name is None else "fine") / record.generator / (name or "")
            (folder / record.uid).mkdir(parents=True)
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / record.uid / "m.png")
    tasks = {"all": "category-agnostic", "fine": "fine-grained"}
    rows = []
    for folder_name, task in tasks.items():
        official = score_pixels(records, tmp_path / "png" / folder_name, task=task)
        rows += official.overall + official.per_generator
    assert len(rows) == 3 * 8 and any(0.01 < row["IoU"] < 0.9 for row in rows)
    for row in rows:
        category = None if row["category"] == "all" else row["category"]
        names = {"IoU": "iou", "PixP": "pix_precision", "PixR": "pix_recall", "PixF1": "pix_f1"}
        for theirs, metric in names.items():
            ours = one(scores, metric, category, row["generator"])
            assert ours["value"] == pytest.approx(row[theirs], abs=1e-12)
            assert (ours["n_images"], ours["n_zero_predictions"]) == (
                row["evaluated_images"],
                row["zero_prediction_images"],
            )
            assert ours["gt_kind"] == "polygon" and ours["unseen"] == 0


@pytest.mark.parametrize("masks", ["softmax", "sigmoid"])
def test_average_precision_is_that_of_all_pixels(tmp_path: Path, masks: str) -> None:
    images, annotations = noise_world(tmp_path)
    detector = artifact_vit(masks=masks)
    scores = scored(tmp_path / "run", images, [detector], annotations)
    truth, found = [], []
    for path, regions in zip(images["path"], annotations.partition_by("path", maintain_order=True), strict=True):
        with torch.no_grad():
            maps = detector.artifact_logits(detector.preprocess(read_rgb(path))[None])
        found.append(artifact_probabilities(maps, masks)[0].numpy())  # type: ignore[arg-type]
        drawn = np.zeros((8, 32, 32), np.uint8)
        for row in regions.filter(pl.col("region").is_not_null()).to_dicts():
            points = np.clip(np.array(row["polygons"][0]), 0, 31).astype(np.int32)
            for place in (0, 1 + LABELS.index(row["category"])):
                cv2.fillPoly(drawn[place], [points], 1)
        truth.append(drawn)
    labels, values = np.stack(truth, 1).reshape(8, -1), np.stack(found, 1).reshape(8, -1)
    for place, category in enumerate([None, *LABELS]):
        row = one(scores, "average_precision", category)
        if not labels[place].any():
            assert row["value"] is None and row["n_annotated"] == 0
            continue
        assert row["value"] == pytest.approx(average_precision_score(labels[place], values[place]), abs=0.01)
        assert row["chance"] == pytest.approx(labels[place].mean())
        assert row["ci_low"] is None or row["ci_low"] <= row["value"] <= row["ci_high"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_measures_restate_the_plain_ones(seed: int, n: int) -> None:
    """Against the pooled curve of metrics/, and draws against the images written out so many times."""
    rng = np.random.default_rng(seed)
    annotated, background = rng.integers(0, 5, (2, n, BINS)) * (rng.random((2, n, BINS)) < 0.1)
    annotated[0, 3] = background[0, 3] = 1
    tp = rng.integers(0, 9, n) * (rng.random(n) < 0.8)
    of = Pixels(
        *(column.astype(float) for column in (tp, rng.integers(0, 9, n), rng.integers(0, 9, n), annotated, background))
    )
    draws = rng.integers(0, 3, (1, n)).astype(float)
    draws[0, 0] += 1
    again = np.repeat(np.arange(n), draws[0].astype(int))
    np.testing.assert_allclose(
        _measures(of, draws), _measures(Pixels(*(column[again] for column in of)), np.ones((1, len(again)))), atol=1e-12
    )
    pooled = PooledPixels(background.sum(0).astype(float), annotated.sum(0).astype(float), annotated.sum(0), 1, n, 0, 0)
    whole = dict(zip(METRICS, _measures(of, np.ones((1, n)))[:, 0], strict=True))
    assert whole["average_precision"] == pytest.approx(pooled_average_precision(pooled).value)
    f1 = 2 * whole["iou"] / (1 + whole["iou"])
    assert whole["pix_f1"] == pytest.approx(f1)


def test_chance_is_what_random_masks_of_the_same_size_score() -> None:
    rng = np.random.default_rng(0)
    annotated, predicted = rng.random((6, 40, 40)) < 0.3, rng.random((6, 40, 40)) < rng.random((6, 1, 1)) / 2
    annotated[0], predicted[1] = False, False
    drawn = []
    for _ in range(300):
        mask = rng.permuted(predicted.reshape(6, -1), axis=1).reshape(predicted.shape)
        tp, p, a = ((part).sum((1, 2)).astype(float) for part in (mask & annotated, mask, annotated))
        drawn.append(_measures(Pixels(tp, p - tp, a - tp, a[:, None], 1600 - a[:, None]), np.ones((1, 6)))[:, 0])
    tp, p, a = (part.sum((1, 2)).astype(float) for part in (predicted & annotated, predicted, annotated))
    of = Pixels(tp, p - tp, a - tp, a[:, None], 1600 - a[:, None])
    expected = _measures(_at_random(of, np.full(6, 1600.0)), np.ones((1, 6)))[:, 0]
    np.testing.assert_allclose(np.mean(drawn, 0), expected, rtol=0.01)
    assert expected[METRICS.index("average_precision")] == pytest.approx(annotated.mean())


@pytest.fixture
def world(tmp_path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Grey images of 40 x 60 with a red rectangle of 8 x 10; the third is clean, the fourth real; one unreadable."""
    images, regions = [], []
    for number in range(4):
        rgb = np.full((40, 60, 3), 90 + number, np.uint8)
        rgb[14:22, 20:30] = (255, 0, 0)
        path = tmp_path / f"{number}.png"
        Image.fromarray(rgb).save(path)
        images.append({"path": str(path), "label": int(number < 3), "generator": ["one", "two", "one", "real"][number]})
        image = {"path": str(path), "width": 60, "height": 40, "gt_kind": "polygon"}
        if number < 2:
            regions.append(image | {"region": 1, "category": EDGE, "polygons": polygon((14, 22), (20, 30))})
        if number == 1:
            regions.append(image | {"region": 2, "category": TEXTURE, "polygons": polygon((36, 40), (0, 5))})
        if number >= 2:
            regions.append(image | {"region": None})
    (tmp_path / "broken.png").write_bytes(b"no image")
    images.append({"path": str(tmp_path / "broken.png"), "label": 1, "generator": "two"})
    regions.append({"path": str(tmp_path / "broken.png"), "region": None, "gt_kind": "polygon"})
    return conform(pl.DataFrame(images), MANIFEST, "m"), pl.DataFrame(regions, schema=ANNOTATIONS)


def test_scores_of_known_masks(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    """The input is the middle 32 x 32 of 40 x 60: it holds the rectangle and not the corner, which counts nowhere."""
    images, annotations = world
    scores = scored(tmp_path / "run", images, [RedDrawer(), create_detector("cnn_small")], annotations)
    assert scores.equals(pl.read_parquet(tmp_path / "run/mask_scores.parquet"))
    assert scores["detector"].n_unique() == 1  # the other one draws nothing
    iou = one(scores, "iou")
    assert iou["value"] == pytest.approx(160 / (160 + 80))  # the clean image's rectangle is false
    assert (iou["n_images"], iou["n_annotated"], iou["n_zero_predictions"], iou["n_error"]) == (3, 2, 0, 1)
    assert iou["unseen"] == pytest.approx(1 - 32 * 32 / 2400) and iou["unseen_annotated"] == pytest.approx(20 / 180)
    assert one(scores, "pix_precision")["value"] == pytest.approx(160 / 240)
    assert one(scores, "pix_recall")["value"] == 1 and one(scores, "mean_iou")["value"] == 1
    assert one(scores, "pix_precision", EDGE, "two")["value"] == 1
    texture = one(scores, "pix_recall", TEXTURE)
    assert (texture["n_annotated"], texture["n_zero_predictions"], texture["unseen_annotated"]) == (0, 3, 1)
    assert one(scores, "mean_iou", TEXTURE)["value"] is None
    assert one(scores, "mean_iou", LABELS[6])["value"] is None
    expected = 80 * (80 + 80) / 1024  # of true pixels in three rectangles thrown anywhere where it looks
    assert one(scores, "pix_precision")["chance"] == pytest.approx(expected / 240)
    assert one(scores, "iou")["chance"] == pytest.approx(expected / (240 + 160 - expected))
    assert one(scores, "iou")["lift"] == pytest.approx(iou["value"] - iou["chance"])
    counts = pl.read_parquet(tmp_path / "run/mask_counts.parquet")
    assert counts.filter(pl.col("error").is_not_null())["path"].to_list() == [str(tmp_path / "broken.png")]
    edge = counts.filter(pl.col("category") == EDGE, path=str(tmp_path / "1.png"))
    assert edge.select("tp", "fp", "fn", "pixels", "unseen").row(0) == (80, 0, 0, 2400, 2400 - 1024)
    texture = counts.filter(pl.col("category") == TEXTURE, path=str(tmp_path / "1.png"))
    assert texture.select("tp", "fp", "fn", "unseen_annotated").row(0) == (0, 0, 0, 20)


def test_random_masks_where_the_detector_looks_score_chance(tmp_path: Path) -> None:
    """40 images of 64 x 64 seen through a crop of 32: the mean of random masks, and what the whole image would say."""
    rng = np.random.default_rng(0)

    class Random(RedDrawer):
        def artifact_logits(self, images: Tensor) -> Tensor:
            maps = torch.full((len(images), 8, *images.shape[-2:]), -9.0)
            maps[:, 0] = 0.0
            maps[:, 1] = torch.from_numpy(rng.normal(-1, 1, (len(images), *images.shape[-2:])))
            return maps

    images, annotations = noise_world(tmp_path, n=40, size=(64, 64))
    scores = scored(tmp_path / "run", images, [Random()], annotations, workers=1)
    counts = pl.read_parquet(tmp_path / "run/mask_counts.parquet").filter(pl.col("category").is_null())
    for metric in ("pix_precision", "pix_recall", "average_precision"):
        row = one(scores, metric)
        assert abs(row["value"] - row["chance"]) < 0.01 and row["ci_low"] < row["chance"] < row["ci_high"]
    tp, fp, fn, lost = (counts[name].sum() for name in ("tp", "fp", "fn", "unseen_annotated"))
    area = counts.select((pl.col("tp") + pl.col("fp")) * (pl.col("tp") + pl.col("fn") + lost / 40) / 64**2).sum().item()
    assert abs(tp / (tp + fn) - area / (tp + fn + lost)) > 0.05 and fp  # the old chance was that of the whole image


@pytest.mark.parametrize(
    "input", [{"resize": 64, "crop": 64}, {"resize": 20, "crop": 20}, {"crop": 64, "small": "pad"}]
)
def test_masks_return_to_the_pixels_of_the_image(world, tmp_path: Path, input: dict) -> None:
    images, annotations = world
    scores = scored(tmp_path / "run", images.head(1), [RedDrawer(**input)], annotations)
    assert one(scores, "iou")["value"] > 0.75
    assert one(scores, "average_precision")["value"] > 0.9


def test_masks_follow_the_view(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    images, annotations = world
    images = images.head(2).with_columns(view=pl.lit("crop:size=32|resize:scale=2"))
    scores = scored(tmp_path / "run", images, [RedDrawer(crop=64)], annotations)
    row = one(scores, "iou")
    assert row["value"] > 0.85 and row["unseen"] == 0
    area = 320 / 4096
    assert row["view"] != "none" and row["chance"] == pytest.approx(area / (2 - area), rel=0.1)
    assert one(scores, "iou", TEXTURE)["n_annotated"] == 0  # its corner was cut off


def test_nothing_is_counted_twice(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, annotations = world
    run, detectors = tmp_path / "run", [RedDrawer(), RedDrawer("sigmoid")]
    scored(run, images.head(2), detectors[:1], annotations)
    RedDrawer.calls = 0
    first = scored(run, images, detectors, annotations)
    assert RedDrawer.calls == 1 + 3
    RedDrawer.calls = 0
    assert scored(run, images, detectors, annotations).equals(first) and RedDrawer.calls == 0
    rows = annotations.to_dicts()
    rows[2]["polygons"] = polygon((0, 4), (0, 9))
    moved = pl.DataFrame(rows, schema=ANNOTATIONS)
    assert not scored(run, images, detectors, moved).equals(first) and RedDrawer.calls == 2
    part = sorted((run / "mask_counts").glob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:99])
    assert scored(run, images, detectors, annotations).equals(first)
    assert "computed again" in capsys.readouterr().err and part.with_suffix(".broken").is_file()


def test_batches_threads_and_order_do_not_matter(tmp_path: Path) -> None:
    images, annotations = noise_world(tmp_path, n=11, size=(40, 50))
    detector, values = artifact_vit(), ["detector", "generator", "category", "metric", "value", "chance", "n_images"]
    a = scored(tmp_path / "a", images, [detector], annotations, batch_size=1, workers=1)
    b = scored(tmp_path / "b", images.reverse(), [detector], annotations.reverse(), batch_size=16, workers=3)
    a, b = (table.select(values).sort("generator", "category", "metric") for table in (a, b))
    assert a.drop("value", "chance").equals(b.drop("value", "chance"))
    for name in ("value", "chance"):
        np.testing.assert_allclose(a[name].to_numpy(), b[name].to_numpy(), atol=0.003)


def test_annotations_are_found_by_sha256_too(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    import hashlib

    images, annotations = world
    sha256 = hashlib.sha256(Path(images["path"][0]).read_bytes()).hexdigest()
    moved = annotations.head(1).with_columns(path=pl.lit("elsewhere.png"), sha256=pl.lit(sha256))
    scores = scored(tmp_path / "run", images, [RedDrawer()], moved)
    assert one(scores, "iou")["value"] == 1 and one(scores, "iou")["n_images"] == 1
    changed = images.head(1).with_columns(sha256=pl.lit("0" * 64))
    with pytest.raises(SynthscopeError, match="none that could be read"):
        scored(tmp_path / "run", changed, [RedDrawer()], annotations)


def test_what_cannot_be_scored(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    images, annotations = world
    with pytest.raises(UsageError, match="draws artifacts, got none among 2"):
        others = [create_detector("cnn_small"), artifact_vit(task="authenticity")]
        scored(tmp_path / "run", images, others, annotations)
    for few in (images.filter(label=0), images.head(2).with_columns(path=pl.lit("x") + pl.col("path"))):
        with pytest.raises(SynthscopeError, match="Expected annotated AI images, got 0 of"):
            scored(tmp_path / "run", few, [RedDrawer()], annotations)
    with pytest.raises(SynthscopeError, match="Expected an image of 61 x 40"):
        scored(tmp_path / "run", images, [RedDrawer()], annotations.with_columns(width=61))


def test_copies_of_a_file_are_one_image(tmp_path: Path) -> None:
    images, annotations = noise_world(tmp_path)
    once = scored(tmp_path / "once", images, [artifact_vit()], annotations)
    for path in images["path"]:
        Path(f"{path}.copy").write_bytes(Path(path).read_bytes())
    run, copied = tmp_path / "copies", pl.format("{}.copy", "path")
    twice, marked = (pl.concat([table, table.with_columns(path=copied)]) for table in (images, annotations))
    two = scored(run, twice, [artifact_vit()], marked)
    same = ["category", "generator", "metric", "value", "ci_low", "ci_high"]
    assert_frame_equal(two.select(same), once.select(same))
    assert one(two, "iou")["n_images"] == 2 * one(once, "iou")["n_images"]
    pl.read_parquet(run / "mask_counts.parquet").drop("group").write_parquet(run / "mask_counts.parquet")
    assert_frame_equal(write_mask_scores(run).select(same), once.select(same))  # earlier runs know the bytes alone
    prompts = images.with_columns(group=pl.lit("one prompt"))
    assert one(scored(tmp_path / "prompt", prompts, [artifact_vit()], annotations), "iou")["ci_low"] is None
