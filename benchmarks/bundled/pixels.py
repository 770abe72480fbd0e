"""The views that candidates are judged in, and the features of frozen networks of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image

from synthscope.data.align.views import seen_through
from synthscope.data.degrade.recipe import parse_recipe, read_viewed
from synthscope.data.history.features import history_features
from synthscope.data.images import read_rgb
from synthscope.runtime import seed_for, track, whole_file


def in_view(manifest: pl.DataFrame, view: str, *, seed: int = 0) -> pl.DataFrame:
    """The images of all folds as a view shows them, with the column ``fold``; another seed draws anew.

    ``laundered`` gives all of them one size, so that nothing differs between folds; ``aligned`` compares the
    compressions within each fold, where alone classes are compared.
    """
    by_fold = pl.col("fold") if view == "aligned" else pl.lit("all")
    seen, _ = seen_through(manifest.with_columns(split=by_fold).drop("fold"), view, by="split", seed=seed)
    return seen.join(manifest.select("path", "fold"), on="path", how="left", maintain_order="left")


def stored(rows: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The rows with their pixels as PNG files, each viewed once; ``original`` keeps the paths they were made from."""
    targets = []
    for path, view in track(rows.select("path", "view").iter_rows(), "viewing", total=rows.height):
        targets.append(folder / f"{seed_for(path, view):016x}.png")
        if not targets[-1].exists():
            with whole_file(targets[-1]) as temporary:
                Image.fromarray(read_viewed(path, parse_recipe(view))).save(temporary, "PNG", compress_level=1)
    files = pl.Series([str(target) for target in targets])
    return rows.with_columns(path=files, original="path", view=pl.lit("none"), protocol=pl.lit(folder.name))


def middles(rows: pl.DataFrame, side: int) -> np.ndarray:
    """uint8 ``(n, side, side, 3)`` from the middle of images that are at least so large."""
    return np.stack([_middle(read_rgb(path), side) for path in track(rows["path"], "decoding", total=rows.height)])


def _middle(rgb: np.ndarray, side: int) -> np.ndarray:
    top, left = ((length - side) // 2 for length in rgb.shape[:2])
    return rgb[top : top + side, left : left + side]


def cached(file: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array that is made once."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, make())
    return np.load(file)


def clip_features(images: Sequence[np.ndarray], weights: Path) -> np.ndarray:
    """float32 ``(n, 512)`` of CLIP ViT-B/16 with weights of ``examples/clip_8bit.py``; short side 224 bicubic, cropped.

    In float32: 8-bit arithmetic overflows on processors without VNNI, where what it gives is not CLIP's.
    """
    from safetensors.torch import load_file

    from synthscope.detectors.base import preprocess
    from synthscope.detectors.clip import B16, CLIP_MEAN, CLIP_STD, clip_tower
    from synthscope.detectors.input import InputConfig

    tower = clip_tower(224, **B16).eval()
    tower.load_state_dict(load_file(weights))
    config = InputConfig(resize=224, crop=224, interpolation="bicubic", mean=CLIP_MEAN, std=CLIP_STD)
    mean, std = (torch.tensor(value)[:, None, None] for value in (CLIP_MEAN, CLIP_STD))
    found = []
    for start in track(range(0, len(images), 8), "CLIP", total=-(-len(images) // 8), unit="batches"):
        pixels = torch.stack([preprocess(image, config) for image in images[start : start + 8]])
        with torch.no_grad():
            found.append(tower((pixels / 255 - mean) / std).numpy())
    return np.concatenate(found)


def efficientnet_features(images: Sequence[np.ndarray], weights: str) -> np.ndarray:
    """float32 ``(n, 1280)`` of EfficientNet-Lite0 with ImageNet weights, of images of one size."""
    from synthscope.detectors.hub import create_detector

    options = {"backbone": "tf_efficientnet_lite0.in1k", "weights": weights}
    half = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    detector = create_detector("linear_probe", options=options, input={"crop": len(images[0]), **half})
    detector = detector.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    found = []
    for start in track(range(0, len(images), 32), "EfficientNet", total=-(-len(images) // 32), unit="batches"):
        pixels = torch.from_numpy(np.stack(images[start : start + 32])).permute(0, 3, 1, 2)  # channels last in memory
        with torch.no_grad():
            found.append(detector.features(pixels).numpy())
    return np.concatenate(found)


def history_traces(images: Sequence[np.ndarray]) -> np.ndarray:
    """float32 ``(n, d)``: traces of compression and resampling."""
    found = [list(history_features(image).values()) for image in track(images, "history", total=len(images))]
    return np.array(found, np.float32)


def standardised(features: np.ndarray) -> np.ndarray:
    """Features less their mean, over their deviation, for networks whose own scale is not that of a classifier."""
    return (features - features.mean(0)) / np.maximum(features.std(0), 1e-9)
