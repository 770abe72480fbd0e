"""Targets from annotations: they follow the image, know what is unknown, and train every X-AIGD recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from synthscope.annotations.records import save_annotations, to_table
from synthscope.config import load_recipe, recipe_names
from synthscope.detectors.artifact_vit import ArtifactVit
from synthscope.detectors.hub import create_detector, load_detector, save_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform
from synthscope.training.augment import Step, augment, nearest
from synthscope.training.config import TrainConfig
from synthscope.training.data import Data, choose, manifest_digest
from synthscope.training.distributed import World
from synthscope.training.fit import train
from synthscope.training.held_out import held_out_masks
from synthscope.training.masks import (
    REGION,
    Targets,
    alignment_region,
    annotate,
    artifact_loss,
    category_targets,
    class_targets,
    preprocess_with_target,
)
from synthscope.training.state import State

Weights = Callable[[Path], dict[str, torch.Tensor]]
TEXTURE, SEMANTICS = "low-level-texture", "high-level-semantics"
OPTIONS = {"patch": 8, "depth": 1, "width": 32, "masks": "sigmoid"}


def square(x: int, y: int, side: int) -> list[list[float]]:
    return [[x, y], [x + side - 1, y], [x + side - 1, y + side - 1], [x, y + side - 1]]


def region(path: str, number: int | None, category: str | None = TEXTURE, *polygons: Any, **more: Any) -> dict:
    geometry = {"category": category, "polygons": list(polygons)} if polygons else {}
    blank = dict.fromkeys(("width", "height", "box", "rle", "mask_path", "heatmap_path"))
    return blank | {"path": path, "region": number, "gt_kind": "polygon"} | geometry | more


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, str]:
    """40 images of 40 pixels: 20 real ones, 16 annotated (4 of them clean) and 4 AI-generated ones that nobody saw."""
    folder, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    rows, regions = [], []
    for number in range(40):
        path, ai = str(folder / f"{number:02}.png"), number % 2
        pixels = rng.integers(80, 170, (40, 40, 3), dtype=np.uint8)
        if ai and number < 32:
            x, y = (int(v) for v in rng.integers(4, 20, 2))
            if number % 8 == 7:
                regions.append({"path": path, "gt_kind": "polygon"})
            else:
                pixels[y : y + 16, x : x + 16] = np.where(np.arange(16) % 2, 255, 0)[:, None]
                where = {"width": 40, "height": 40, "gt_kind": "polygon", "polygons": [square(x, y, 16)]}
                regions.append({"path": path, "region": 1, "category": TEXTURE} | where)
        assert cv2.imwrite(path, pixels)
        # draws are seeded by it, else by the path: with some of them a gradient of the alignment jumps (its maximum
        # and its relu) where two sums differ by a rounding, and micro-batches seem to change something
        sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        rows.append({"path": path, "sha256": sha256, "label": ai, "generator": "g" if ai else "real", "split": "train"})
    save_annotations(to_table(regions, "test"), folder / "annotations.parquet")
    return conform(pl.DataFrame(rows), MANIFEST, "test"), str(folder / "annotations.parquet")


def config(annotations: str, **changes: Any) -> TrainConfig:
    task = changes.get("task", "both")
    tree = {
        "name": "tiny",
        "detector": {
            "architecture": "artifact_vit",
            "options": OPTIONS | {"task": task},
            "input": {"resize": None, "crop": 32},
        },
        "data": {"holdout": 0.25},
        "augment": {"steps": [{"step": "random_crop"}, {"step": "hflip"}]},
        "optimizer": {"lr": 3e-3},
        "steps": 4,
        "batch_size": 8,
        "precision": "fp32",
        "task": task,
        "annotations": annotations,
    }
    return TrainConfig.model_validate({key: value for key, value in (tree | changes).items() if value is not None})


def test_real_and_clean_images_have_no_regions_and_unseen_ones_are_unknown(world: tuple[pl.DataFrame, str]) -> None:
    parts = choose(world[0], Data(holdout=0.25))
    for part in annotate(parts, world[1]):
        for row in part.iter_rows(named=True):
            number = int(Path(row["path"]).stem)
            if number % 2 and number >= 32:
                assert row["regions"] is None
            else:
                assert len(row["regions"]) == int(number % 2 and number % 8 != 7)
    assert [part["path"].to_list() for part in annotate(parts, world[1])] == [part["path"].to_list() for part in parts]


def test_files_are_found_by_their_bytes_wherever_they_lie(tmp_path: Path) -> None:
    images = conform(
        pl.DataFrame({"path": ["/new/a.png", "/new/b.png"], "sha256": ["aa", "bb"], "label": [1, 1]}), MANIFEST, "t"
    )
    rows = [
        {"path": "/old/b.png", "sha256": "bb", "region": 1, "gt_kind": "box", "box": [0.0, 0, 2, 2]},
        {"path": "/new/b.png", "sha256": "cc", "region": 1, "gt_kind": "box", "box": [0.0, 0, 9, 9]},
        {"path": "/new/a.png", "region": 1, "gt_kind": "box", "box": [0.0, 0, 5, 5]},
    ]
    save_annotations(to_table(rows, "test"), tmp_path / "a.parquet")
    found = annotate((images, images), str(tmp_path / "a.parquet"))[0]["regions"].to_list()
    assert [[region["box"][2] for region in regions] for regions in found] == [[5], [2]]


def test_the_digest_knows_the_regions_and_not_where_they_lie(world: tuple[pl.DataFrame, str], tmp_path: Path) -> None:
    images, source = world
    known = pl.read_parquet(source)
    parts = choose(images, Data(holdout=0.25))
    before = manifest_digest(*annotate(parts, source))
    save_annotations(known.with_columns(category=pl.lit(SEMANTICS)), tmp_path / "other.parquet")
    assert manifest_digest(*annotate(parts, str(tmp_path / "other.parquet"))) != before != manifest_digest(*parts)
    moved = pl.format("/moved{}", "path")
    save_annotations(known.with_columns(path=moved), tmp_path / "moved.parquet")
    elsewhere = tuple(part.with_columns(path=moved) for part in parts)
    assert manifest_digest(*annotate(elsewhere, str(tmp_path / "moved.parquet"))) == before


def test_what_cannot_be_matched_is_explained(world: tuple[pl.DataFrame, str], tmp_path: Path) -> None:
    parts = choose(world[0], Data(holdout=0.25))
    known = pl.read_parquet(world[1]).with_columns(path=pl.lit("/elsewhere.png"))
    save_annotations(known, tmp_path / "a.parquet")
    with pytest.raises(SynthscopeError, match="none that match by sha256 or path"):
        annotate(parts, str(tmp_path / "a.parquet"))
    with pytest.raises(UsageError, match="--annotations FILE"):
        train(config(world[1]).model_copy(update={"annotations": None}), world[0], tmp_path / "a")


def test_every_category_has_a_bit_and_overlaps_keep_both() -> None:
    rgb = np.zeros((20, 30, 3), np.uint8)
    regions = [
        region("a", 1, TEXTURE, square(2, 3, 6)),
        region("a", 2, SEMANTICS, square(4, 5, 10), square(20, 1, 2)),
        region("a", 3, "cognitive-level-physics", square(25, 15, 2)),
    ]
    pixels = Targets(source="artifact", categories=True)(rgb, regions, "key")
    assert pixels.shape == (20, 30, 4) and pixels.dtype == np.uint8
    masks = category_targets(torch.from_numpy(pixels[None, ..., 3]))[0].numpy()
    assert masks.sum((1, 2)).tolist() == [0, 36, 0, 0, 104, 0, 4]
    assert masks[1, 3:9, 2:8].all() and masks[4, 5:15, 4:14].all() and masks[4, 1:3, 20:22].all()
    assert np.array_equal((pixels[..., 3] & REGION) > 0, masks.any(0))
    classes = class_targets(torch.from_numpy(masks[None]))[0].numpy()
    assert (classes[3:9, 2:8] == 2).all()  # the smaller region wins
    assert (classes == 5).sum() == 104 - 16 and (classes == 7).sum() == 4
    assert not Targets(source="artifact", categories=True)(rgb, None, "key")[..., 3].any()


def test_wrong_regions_are_named() -> None:
    rgb = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(SynthscopeError, match=r"8 x 9 pixels for region 1 of cat\.png, got 30 x 20"):
        Targets(source="artifact", categories=True)(
            rgb, [region("cat.png", 1, TEXTURE, square(0, 0, 3), width=8, height=9)], ""
        )
    nameless = [region("cat.png", 4, None, square(0, 0, 3))]
    with pytest.raises(SynthscopeError, match=r"category for every region of cat\.png, got none for region 4"):
        Targets(source="artifact", categories=True)(rgb, nameless, "")
    assert Targets(source="artifact", categories=False)(rgb, nameless, "")[..., 3].sum() == 9 * REGION


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["saliency", "random", "benign"]), st.floats(0.01, 0.95))
def test_controls_cover_as_many_pixels_as_the_artifacts(seed: int, source: Any, share: float) -> None:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (24, 31, 3), dtype=np.uint8)
    artifacts = rng.random((24, 31)) < share
    got = alignment_region(rgb, artifacts, source=source, key=str(seed))
    assert np.array_equal(got, alignment_region(rgb, artifacts, source=source, key=str(seed)))
    area = int(artifacts.sum())
    assert got.sum() == (min(area, got.size - area) if source == "benign" else area)
    assert source != "benign" or not (got & artifacts).any()
    assert not alignment_region(rgb, np.zeros_like(artifacts), source=source, key="").any()


def test_random_regions_depend_on_the_image_and_salient_ones_on_its_pixels() -> None:
    artifacts = np.zeros((64, 64), bool)
    artifacts[40:56, 40:56] = True
    rgb = np.full((64, 64, 3), 120, np.uint8)
    rgb[8:16, 8:16] = 250
    first, second = (alignment_region(rgb, artifacts, source="random", key=key) for key in "ab")
    assert not np.array_equal(first, second)
    salient = alignment_region(rgb, artifacts, source="saliency", key="a")
    assert salient[4:20, 4:20].sum() > 0.6 * salient.sum()
    assert not alignment_region(rgb, artifacts, source="none", key="a").any()


GEOMETRY: list[dict[str, Any]] = [
    {"step": "resize", "size": 60},
    {"step": "resize", "size": 97, "mode": "square", "interpolation": "pillow_bicubic"},
    {"step": "resize", "size": 50, "interpolation": "opencv_bilinear"},
    {"step": "random_squeeze", "size": [50, 90]},
    {"step": "random_crop", "size": 48},
    {"step": "random_crop", "size": 120},
    {"step": "random_crop", "size": 120, "small": "tile"},
    {"step": "random_resized_crop", "size": 64, "scale": [0.3, 1.0]},
    {"step": "random_crop", "size": 120, "small": "pad"},
    {"step": "random_resize", "factor": [0.5, 2], "interpolation": ["pillow_nearest", "pillow_lanczos"]},
    {"step": "hflip", "p": 1},
    {"step": "vflip", "p": 1},
    {"step": "affine", "degrees": 180, "translate": 0.1, "shear": 15},
    {"step": "random_list", "steps": [{"step": "affine", "degrees": 15}, {"step": "hflip", "p": 1}]},
    {"step": "blur_jpeg", "blur_prob": 0, "jpg_prob": 1, "quality": [95, 95]},
]


def painted(height: int = 80, width: int = 100) -> np.ndarray:
    """A white square on black, marked in the fourth channel."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[22:54, 30:70, :3], pixels[22:54, 30:70, 3] = 255, REGION | 2
    return pixels


def check_lies_on_the_square(grey: np.ndarray, mask: np.ndarray) -> None:
    """All but the pixels on the very edge, which may round either way."""
    inside, kernel = (mask > 0).astype(np.uint8), np.ones((3, 3), np.uint8)
    assert inside.any() and (grey[cv2.erode(inside, kernel) > 0] > 127).all()
    assert (grey[cv2.dilate(inside, kernel) == 0] <= 127).all()


@pytest.mark.parametrize("step", GEOMETRY, ids=lambda step: "-".join(map(str, step.values())))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_painted_square_stays_under_its_mask(step: dict[str, Any], seed: int) -> None:
    built: Step = TypeAdapter(Step).validate_python(step)
    got = augment(painted(), [built], rng=np.random.default_rng(seed), crop=48)
    alone = augment(painted()[..., :3], [built], rng=np.random.default_rng(seed), crop=48)
    assert np.array_equal(got[..., :3], alone)
    assert set(np.unique(got[..., 3])) <= {0, REGION | 2}
    check_lies_on_the_square(got[..., 0], got[..., 3])


def test_erased_pixels_are_no_artifacts() -> None:
    steps = [TypeAdapter(Step).validate_python({"step": "random_erasing", "p": 1, "area": [0.3, 0.5]})]
    got = augment(painted(), steps, rng=np.random.default_rng(0), crop=48)
    erased = (got[..., :3] != painted()[..., :3]).any(2)
    assert erased.mean() > 0.25 and not got[erased][:, 3].any() and (got[~erased][:, 3] > 0).any()


def test_masked_patches_hide_artifacts_and_a_border_has_none() -> None:
    rng = np.random.default_rng(0)
    patches: Step = TypeAdapter(Step).validate_python({"step": "mask_patches", "p": 1, "share": [0.5, 0.5]})
    got = patches(painted(), rng, 48)
    assert np.array_equal(got[..., 3] > 0, got[..., 0] > 0) and 0.2 < got[..., 3].any(1).mean() < 0.5
    border: Step = TypeAdapter(Step).validate_python({"step": "pad_resize", "border": 0.25})
    smaller = border(painted(), rng, 48)
    assert (smaller[..., 3] > 0).sum() == pytest.approx((painted()[..., 3] > 0).sum() / 1.5**2, rel=0.1)
    assert (smaller[smaller[..., 3] > 0][:, 0] > 100).all()


@pytest.mark.parametrize(
    "geometry",
    [
        {"resize": 64, "crop": 48},
        {"resize": 56, "resize_mode": "square", "crop": 56, "interpolation": "bicubic"},
        {"resize": None, "crop": 48},
        {"resize": None, "crop": 96, "small": "pad"},
        {"resize": None, "crop": 112, "small": "tile"},
        {"resize": None, "crop": 112, "small": "upscale", "interpolation": "opencv_bilinear"},
    ],
    ids=str,
)
def test_preprocessing_takes_the_mask_along(geometry: dict[str, Any]) -> None:
    detector = create_detector("artifact_vit", options=OPTIONS, input=geometry)
    got = preprocess_with_target(detector, painted()).numpy()
    assert np.array_equal(got[:3], detector.preprocess(np.ascontiguousarray(painted()[..., :3])).numpy())
    check_lies_on_the_square(got[0], got[3])


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_nearest_pixel_is_the_one_at_the_centre(old: int, new: int) -> None:
    got = nearest(np.arange(old, dtype=np.uint8).reshape(1, old, 1), 1, new)[0, :, 0]
    expected = torch.nn.functional.interpolate(torch.arange(old).float()[None, None], size=new, mode="nearest-exact")
    assert np.abs(got - expected.numpy().ravel()).max() <= (0 if old % new == 0 or new % old == 0 else 1)
    assert got.tolist() == [int((i + 0.5) * old / new + 1e-9) for i in range(new)]


def test_segmentation_losses_are_their_formulas() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 8, 4, 5))
    masks = rng.random((2, 7, 4, 5)) < 0.2
    masks[0, 3], masks[1] = False, False
    given_maps, given_masks = torch.from_numpy(maps), torch.from_numpy(masks)
    classes = class_targets(given_masks).numpy()
    got = artifact_loss(given_maps, given_masks, "softmax").numpy()
    log_p = maps - np.log(np.exp(maps).sum(1, keepdims=True))
    for image in range(2):
        expected = -np.mean([log_p[image, classes[image, y, x], y, x] for y in range(4) for x in range(5)])
        assert got[image] == pytest.approx(expected)
    got = artifact_loss(given_maps, given_masks, "sigmoid").numpy()
    p = 1 / (1 + np.exp(-maps[:, 1:]))
    for image in range(2):
        entropy = -np.mean(np.where(masks[image], np.log(p[image]), np.log(1 - p[image])))
        dice = [
            (2 * p[image, c][masks[image, c]].sum() + 1) / (p[image, c].sum() + masks[image, c].sum() + 1)
            for c in range(7)
            if masks[image, c].any()
        ]
        assert got[image] == pytest.approx(entropy + (np.mean(1 - np.array(dice)) if dice else 0), rel=1e-5)


def test_held_out_figures_count_pixels_over_the_chosen_images() -> None:
    detector = create_detector("artifact_vit", options=OPTIONS, input={"resize": None, "crop": 16})
    assert isinstance(detector, ArtifactVit)
    found = torch.zeros(3, 16, 16, dtype=torch.bool)
    found[0, :4], found[2, :8] = True, True

    def logits(images: torch.Tensor) -> torch.Tensor:
        here = found[images[:, 0, 0, 0].long()]
        maps = torch.full((len(images), 8, 16, 16), -1.0)
        maps[:, 3][here] = 1.0
        return maps

    detector.artifact_logits = logits  # type: ignore[method-assign]
    images = torch.zeros(3, 4, 16, 16, dtype=torch.uint8)
    images[:, :3] = torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1)
    images[0, 3, 2:6], images[1, 3], images[2, 3, :8, :8] = 1, 1, 64
    batches: Any = [(torch.arange(3)[i::2], None, images[i::2]) for i in range(2)]
    figures = held_out_masks(
        detector, batches, chosen=np.array([True, False, True]), world=World(torch.device("cpu")), dtype=None
    )
    tp, fp, fn = 32 + 64, 32 + 64, 32
    assert figures == {"iou": tp / (tp + fp + fn), "pix_f1": 2 * tp / (2 * tp + fp + fn)}


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_a_run_learns_where_the_artifacts_are(world: tuple[pl.DataFrame, str], tmp_path: Path, form: str) -> None:
    options = OPTIONS | {"masks": form, "task": "artifacts", "width": 64}
    detector = {"architecture": "artifact_vit", "options": options, "input": {"resize": None, "crop": 32}}
    run = config(world[1], task="artifacts", detector=detector, steps=300, select_on="iou")
    folder = train(run, world[0], tmp_path / "a")
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert max(line["held_out_iou"] for line in log) > 0.5 and log[-1]["loss"] < 0.5 * log[0]["loss"]
    assert "| pix f1 | 0." in (folder / "README.md").read_text()
    assert isinstance(load_detector(folder), ArtifactVit)


def test_micro_batches_and_workers_change_nothing(
    world: tuple[pl.DataFrame, str], weights: Weights, tmp_path: Path
) -> None:
    changes = {"align": {"beta": 3, "source": "random"}, "optimizer": {"name": "sgd", "lr": 0.05}}
    one = weights(train(config(world[1], **changes), world[0], tmp_path / "one"))
    data = {"holdout": 0.25, "workers": 1, "cache_megabytes": 0}
    three = weights(train(config(world[1], **changes, accumulate=3, data=data), world[0], tmp_path / "three"))
    for key, value in one.items():
        torch.testing.assert_close(three[key], value, rtol=1e-4, atol=1e-5)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    world: tuple[pl.DataFrame, str], weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = config(world[1], align={}, checkpoint_minutes=1e-9)
    whole = weights(train(run, world[0], tmp_path / "whole"))
    save = State.save

    def save_then_die(self: State, file: Path, fingerprint: str) -> None:
        save(self, file, fingerprint)
        if self.step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(State, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        train(run, world[0], tmp_path / "cut")
    monkeypatch.setattr(State, "save", save)
    cut = weights(train(run, world[0], tmp_path / "cut"))
    assert all(torch.equal(value, cut[key]) for key, value in whole.items())


def test_source_none_is_training_without_alignment(
    world: tuple[pl.DataFrame, str], weights: Weights, tmp_path: Path
) -> None:
    none = train(config(world[1], task="authenticity", align={"source": "none"}), world[0], tmp_path / "none")
    plain = train(config(world[1], task="authenticity"), world[0], tmp_path / "plain")
    aligned = train(config(world[1], task="authenticity", align={}), world[0], tmp_path / "aligned")
    first, second, third = (weights(folder) for folder in (none, plain, aligned))
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert not all(torch.equal(value, third[key]) for key, value in first.items())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"augment": {"steps": [{"step": "randaugment"}]}}, "cannot follow the augmentation randaugment"),
        ({"augment": {"steps": [{"step": "simplest_patch"}]}}, "cannot follow the augmentation simplest_patch"),
        ({"augment": {"mix": {}}}, "augment.mix null"),
        ({"task": "artifacts", "align": {}}, "authenticity head"),
        ({"freeze": "backbone", "align": {}}, "freeze none"),
        ({"task": "authenticity", "select_on": "iou"}, "select_on iou needs"),
        ({"align": {"lambda": 1.5}}, "less than or equal to 1"),
    ],
)
def test_what_masks_cannot_do_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        config("a.parquet", **changes)


def test_a_detector_that_cannot_is_refused(world: tuple[pl.DataFrame, str], tmp_path: Path) -> None:
    images, source = world
    vit = {"architecture": "timm:test_vit", "input": {"crop": 32, "resize": None}}
    with pytest.raises(UsageError, match="Expected architecture artifact_vit"):
        train(config(source, detector=vit), images, tmp_path / "a")
    with pytest.raises(UsageError, match=r"detector\.options\.task 'authenticity'"):
        train(
            config(source, task="authenticity", detector={"architecture": "artifact_vit", "options": OPTIONS}),
            images,
            tmp_path / "b",
        )
    with pytest.raises(UsageError, match="trained weights in a frozen backbone"):
        train(config(source, task="authenticity", freeze="backbone"), images, tmp_path / "c")
    with pytest.raises(SynthscopeError, match=r"Expected absent/config\.json"):
        train(config(source, task="authenticity", init_from="absent"), images, tmp_path / "d")


@pytest.mark.parametrize("freeze", ["backbone", "none"])
def test_a_transfer_starts_from_the_backbone_alone(
    world: tuple[pl.DataFrame, str], weights: Weights, tmp_path: Path, freeze: str
) -> None:
    pad = train(config(world[1], task="artifacts"), world[0], tmp_path / "pad")
    run = config(world[1], task="authenticity", init_from=str(pad), freeze=freeze, optimizer={"lr": 1e-3}, steps=1)
    before, after = weights(pad), weights(train(run, world[0], tmp_path / "aj"))
    assert set(after) == {key for key in before if key.startswith("vit.")} | {"head.weight", "head.bias"}
    near = [torch.allclose(after[key], value, atol=2e-3) for key, value in before.items() if key in after]
    same = [torch.equal(after[key], value) for key, value in before.items() if key in after]
    assert all(near) and all(same) == (freeze == "backbone")
    with pytest.raises(UsageError, match="with the backbone"):
        other = {"architecture": "artifact_vit", "options": OPTIONS | {"task": "authenticity", "width": 64}}
        train(run.model_copy(update={"detector": config("", detector=other).detector}), world[0], tmp_path / "no")


RECIPES = [
    name
    for name in recipe_names("synthscope.training")
    if load_recipe(TrainConfig, name, package="synthscope.training").detector.architecture == "artifact_vit"
]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_a_step(name: str, world: tuple[pl.DataFrame, str], tmp_path: Path) -> None:
    small = [
        "detector.options.backbone=tiny", "detector.options.patch=8", "detector.options.width=32",
        "detector.options.depth=1", "detector.options.residual=false", "detector.options.weights=null",
        "detector.input={crop: 32, resize: 36}", "data.holdout=0.25", "data.workers=0", "steps=1", "epochs=null",
        "batch_size=16", "precision=fp32", f"annotations={world[1]}",
    ]  # fmt: skip
    if "transfer" in name:
        options = {"patch": 8, "width": 32, "depth": 1, "task": "artifacts"}
        source = create_detector("artifact_vit", options=options, input={"resize": None, "crop": 48})
        save_detector(source, tmp_path / "pad")  # position embeddings of another size are resampled
        small.append(f"init_from={tmp_path / 'pad'}")
    run = load_recipe(TrainConfig, name, package="synthscope.training", overrides=small)
    folder = train(run, world[0], tmp_path / name)
    (line,) = [json.loads(text) for text in (folder / "log.jsonl").read_text().splitlines()]
    assert 0 < line["loss"] < 20 and ("held_out_iou" in line) == (run.task != "authenticity")


def test_the_recipes_are_those_of_the_paper_at_two_sizes() -> None:
    kinds = {"aj_only", "pad_only", "transfer_frozen", "transfer_full", "multitask", "align"}
    assert set(RECIPES) == {f"{size}_{kind}" for size in ("cpu", "xaigd") for kind in kinds}
