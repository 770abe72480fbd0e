"""Runs of heatmaps made by hand: maps that are bright on the annotated half by a known factor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from synthscope.annotations import ANNOTATIONS, save_annotations
from synthscope.data.images import read_file
from synthscope.detectors.input import InputConfig
from synthscope.inference.heatmaps.store import KEY, read_index, write_part
from synthscope.schema import PREDICTIONS

HEIGHT, WIDTH, SIDE = 24, 40, 8  # of images and, square, of heatmaps
BOX = [0.0, 0.0, 20.0, 24.0]  # the left half
EXPLANATION_KEYS = ["detector", "explainer", "layer", "view", "condition", "generator", "category", "level", "gt_kind"]


def half_map(mass: float) -> np.ndarray:
    """A heatmap with this share of its relevance on the left half; blank for 0 and less."""
    heat = np.full((SIDE, SIDE), 1 - mass, np.float32)
    heat[:, : SIDE // 2] = mass
    return heat if mass > 0 else np.full_like(heat, mass)


def make_heatmaps(
    run: Path,
    masses: dict[tuple[str, str], list[float]],
    *,
    conditions: tuple[str, ...] = ("none",),
    annotated: bool = True,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    category: str | None = "low-level-color",
    images: Path | None = None,
) -> list[str]:
    """Images, heatmaps of ``{(detector, explainer): mass of every image}``, annotations; returns the paths."""
    rng = np.random.default_rng(0)
    height, width = size
    folder = images or run / "images"
    paths, rows, maps = [], [], []
    shapes = {"height": height, "width": width}
    for number in range(len(next(iter(masses.values())))):
        path = folder / "gen" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        paths.append(path.as_posix())
    hashes = [read_file(path)[1] for path in paths]
    for (detector, explainer), own in masses.items():
        for condition in conditions:
            for sha256, mass in zip(hashes, own, strict=True):
                key = [sha256, "none", detector, "p", explainer, "{}", "net.last", condition, 0]
                rows.append(dict(zip(KEY, key, strict=True)) | shapes)
                maps.append(half_map(mass))
    write_part(run / "heatmaps", rows, maps)
    config = InputConfig(resize=SIDE, resize_mode="square", crop=None).model_dump_json()
    about = pl.DataFrame({"sha256": hashes, "path": paths}).with_columns(
        label=pl.lit(1, pl.Int8), generator=pl.lit("gen"), subset=pl.lit("gen"), split=pl.lit("test"),
        error=pl.lit(None, pl.String), input=pl.lit(config),
    )  # fmt: skip
    read_index(run / "heatmaps").join(about, on="sha256", how="left").write_parquet(run / "explanations.parquet")
    if annotated:
        box = [value * scale for value, scale in zip(BOX, (width / WIDTH, height / HEIGHT) * 2, strict=True)]
        regions = [{"path": path, "region": 1, "gt_kind": "box", "box": box, "category": category} for path in paths]
        save_annotations(pl.DataFrame(regions, schema=ANNOTATIONS), run / "annotations.parquet")
    return paths


def make_verdicts(run: Path, logits: dict[str, list[float]], paths: list[str]) -> None:
    """``predictions.parquet`` with these logits of the images, for every detector."""
    rows = [
        {"path": path, "detector": detector, "view": "none", "condition": "none", "logit": logit,
         "p_ai": 1 / (1 + np.exp(-logit)), "threshold": 0.0, "label": 1}
        for detector, own in logits.items() for path, logit in zip(paths, own, strict=True)
    ]  # fmt: skip
    table = pl.DataFrame(rows, schema_overrides=PREDICTIONS)
    missing = [pl.lit(None, kind).alias(name) for name, kind in PREDICTIONS.items() if name not in table.columns]
    table.with_columns(missing).select(list(PREDICTIONS)).write_parquet(run / "predictions.parquet")


def heatmap_score_rows(*rows: dict) -> pl.DataFrame:
    """Explanation scores with the given values, and plain ones elsewhere."""
    plain = {
        "detector": "d@1", "explainer": "gradcam", "layer": "net", "view": "none", "condition": "none",
        "generator": "all", "category": None, "level": None, "gt_kind": "polygon", "metric": "relevance_mass",
        "value": 0.4, "ci_low": 0.3, "ci_high": 0.5, "n_images": 30, "n_instances": 70, "n_blank": 2, "n_unseen": 0,
        "n_excluded": 0, "unseen": 0.0,
        "baseline_random": 0.1, "baseline_centre": 0.35, "baseline_edges": 0.2, "lift": 0.3,
    }  # fmt: skip
    return pl.DataFrame([plain | row for row in rows], schema_overrides=dict.fromkeys(EXPLANATION_KEYS, pl.String))
