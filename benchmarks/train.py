"""What share of its time `train` spends in steps: a step-only loop on batches in memory, over the real loop.

For the first epoch, which decodes, for later ones, and for ones without a cache; 1 is the limit. Random crops and flips
of the images in a folder, whose labels alternate: speed does not depend on them. The loops take turns.
Run: python benchmarks/train.py [images] [folder]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import torch
from ratios import Ratio

from synthscope.detectors.hub import create_detector
from synthscope.runtime import best_device, tune_allocator
from synthscope.schema import MANIFEST, conform
from synthscope.tables.render import plain_text
from synthscope.training.batches import Batch
from synthscope.training.config import TrainConfig
from synthscope.training.data import choose
from synthscope.training.distributed import World
from synthscope.training.feeds import Feeds, feeds
from synthscope.training.fit import Run

IMAGES = Path(__file__).resolve().parents[2] / "shared" / "images"
SUFFIXES = {".png", ".jpg", ".jpeg"}
CASES = [("cnn_small", 128), ("npr", 128), ("timm:resnet18", 224), ("resnet50", 224)]
SECONDS, LEAST, MOST = 8.0, 3, 40  # of a case's turns, and how many there are


def main(count: int = 96, folder: Path = IMAGES) -> None:
    tune_allocator()
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)[:100_000]
    if not files:
        sys.exit(f"Expected images under {folder}, got none. Name a folder of images as the second argument.")
    paths = [str(path) for path in islice(cycle(files[:: max(1, len(files) // count)]), count)]
    rows = [{"path": path, "label": row % 2, "split": "train"} for row, path in enumerate(dict.fromkeys(paths))]
    manifest = conform(pl.DataFrame(rows), MANIFEST, "the benchmark")
    table = []
    for architecture, crop in CASES:
        table.append(row := measure(architecture, crop, manifest))
        for when in ("first epoch", "later epochs", "without a cache"):
            what = f"train, {row['detector']}, {row['precision']}, {when}"
            print(Ratio(what, row[when], "nothing but steps"), flush=True)
    print(plain_text(pl.DataFrame(table)))
    print(f"{len(rows)} images, {torch.get_num_threads()} threads, {best_device().type}; 1 = nothing but steps")


def measure(architecture: str, crop: int, manifest: pl.DataFrame) -> dict[str, Any]:
    """A row of the table."""
    tree = {
        "name": "benchmark",
        "detector": {"architecture": architecture, "input": {"resize": None, "crop": crop}},
        "data": {"holdout": 0.1},
        "augment": {"steps": [{"step": "random_crop"}, {"step": "hflip"}]},
        "epochs": 1000,
        "batch_size": 16,
    }
    config = TrainConfig.model_validate(tree)
    parts = choose(manifest, config.data)
    with tempfile.TemporaryDirectory() as place:
        run = Run(config, parts, folder=Path(place), world=World(best_device()))
        held = list(run.feeds.train)  # and decodes, so that files are in the system's memory
        uncached = feed(config, parts, crop, cache_megabytes=0)
        epoch(run, held)
        first = [epoch(run, feed(config, parts, crop).train) for _ in range(LEAST)]
        taken: dict[str, list[float]] = {"steps": [], "later": [], "no cache": []}
        start = time.perf_counter()
        while len(taken["steps"]) < LEAST or (time.perf_counter() - start < SECONDS and len(taken["steps"]) < MOST):
            for name, batches in (("steps", held), ("later", run.feeds.train), ("no cache", uncached.train)):
                taken[name].append(epoch(run, batches))
    steps = median(taken["steps"])
    return {
        "detector": f"{architecture} {crop}",
        "precision": str(run.dtype or torch.float32).removeprefix("torch."),
        "first epoch": steps / median(first),
        "later epochs": steps / median(taken["later"]),
        "without a cache": steps / median(taken["no cache"]),
        "turns": len(taken["steps"]),
    }


def feed(config: TrainConfig, parts: tuple[pl.DataFrame, pl.DataFrame], crop: int, **data: int) -> Feeds:
    """Loaders that have decoded nothing yet."""
    changed = config.model_copy(update={"data": config.data.model_copy(update=data)})
    detector = create_detector("cnn_small", input={"resize": None, "crop": crop})
    return feeds(changed, parts, detector, world=World(best_device()))


def epoch(run: Run, batches: Iterable[Batch]) -> float:
    """Seconds of a step on every batch."""
    run.model.train()
    start, run.state.step = time.perf_counter(), 0
    for batch in batches:
        run._step([batch])
        run.state.step += 1
    run.state.count_losses()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*[kind(text) for kind, text in zip((int, Path), sys.argv[1:], strict=False)])
