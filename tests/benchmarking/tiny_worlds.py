"""A benchmark of seconds: two generators with smooth real and striped AI images, and the smallest training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from synthscope.benchmarking.config import BenchmarkConfig

VIEW = "crop:size=32|jpeg:q=96"
ROW = {
    "recipe": "cpu_small",
    "subsets": ["one"],
    "overrides": ["detector.input.crop=32", "steps=2", "batch_size=4", "data.holdout=0.25"],
}


def build_world(root: Path, subsets: tuple[str, ...] = ("one", "two")) -> str:
    """Subsets in the GenImage layout under ``root``: 8 + 3 images a class, real JPEG, AI PNG."""
    rng = np.random.default_rng(0)
    for subset in subsets:
        for split, n in (("train", 8), ("val", 3)):
            for kind in ("ai", "nature"):
                place = root / subset / split / kind
                place.mkdir(parents=True)
                for i in range(n):
                    pixels = rng.integers(90, 160, (36, 40, 3), dtype=np.uint8)
                    pixels[:, :: 2 if kind == "ai" else 40] //= 2
                    Image.fromarray(pixels).save(place / (f"00{i}_x_0000{i}.png" if kind == "ai" else f"{i}.JPEG"))
    return f"genimage:{root}"


def config(**changes: object) -> BenchmarkConfig:
    """Two views, one degradation, one detector, no floors; ``changes`` replace keys."""
    small = {"title": "t", "train": [ROW], "views": ["none", VIEW], "resamples": 100, "floors": []}
    return BenchmarkConfig.model_validate(small | {"conditions": ["none", "jpeg:q=50"]} | changes)
