"""The loaders of a run: training batches in random order, held-out batches in fixed order."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from synthscope.detectors.base import Detector
from synthscope.errors import UsageError
from synthscope.training.batches import Augmenter, HeldOutBatches, Images, Preprocessor, TrainBatches, loader
from synthscope.training.config import TrainConfig
from synthscope.training.data import Rows, rows_of
from synthscope.training.distributed import World
from synthscope.training.masks import Targets, preprocess_with_target


class Feeds(NamedTuple):
    """Loaders yield ``Batch``; ``batches`` says which epoch, and where in it to start."""

    train: DataLoader[Any]
    batches: TrainBatches
    held_out: DataLoader[Any]
    held_out_labels: np.ndarray  # by row
    annotated: Tensor | None = None  # float32 by row, 1 = its masks are known; None where masks don't matter
    held_out_annotated: Tensor | None = None


def feeds(config: TrainConfig, parts: tuple[pl.DataFrame, pl.DataFrame], detector: Detector, *, world: World) -> Feeds:
    """Loaders of this process's share of the images to train on and of those held out.

    Raises:
        UsageError: The detector takes images of any size, which don't stack.
    """
    if (crop := detector.config.input.side) is None:
        raise UsageError(
            "Expected an input of fixed size to make batches, got none. Set detector.input.crop, or a square resize."
        )
    rows, held_out = (rows_of(part) for part in parts)
    targets, preprocess = None, detector.preprocess
    if config.uses_masks:
        source = config.aligned.source if config.aligned else "artifact"
        targets = Targets(source=source, categories=config.task != "authenticity")
        preprocess = partial(preprocess_with_target, detector)
    augmenter = Augmenter(config.augment, rows.keys, preprocess=preprocess, crop=crop, seed=config.seed)
    room = config.data.cache_megabytes * 2**20 // world.size
    share = len(rows.keys) / (len(rows.keys) + len(held_out.keys))
    batches = TrainBatches(
        len(rows.keys),
        config.batch_size,
        seed=config.seed,
        repeats=config.data.repeats,
        accumulate=config.accumulate,
        rank=world.rank,
        size=world.size,
    )
    size = max(config.batch_size // (config.accumulate * world.size), 1)
    held_out_batches = HeldOutBatches(len(held_out.keys), size, rank=world.rank, size=world.size)
    images = Images(rows, augmenter, budget=int(room * share), targets=targets)
    held_out_images = Images(held_out, Preprocessor(preprocess), budget=int(room * (1 - share)), targets=targets)
    pin, workers = world.device.type == "cuda", config.data.workers
    return Feeds(
        loader(images, batches, workers=workers, pin=pin),
        batches,
        loader(held_out_images, held_out_batches, workers=workers, pin=pin),
        np.array(held_out.labels),
        *(_annotated(part) for part in (rows, held_out)),
    )


def _annotated(rows: Rows) -> Tensor | None:
    return None if rows.regions is None else torch.tensor([float(regions is not None) for regions in rows.regions])
