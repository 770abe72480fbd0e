"""The loaders of a run: training batches in random order, held-out batches in fixed order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.utils.data import Sampler

from synthscope.data.degrade.recipe import encoder_versions
from synthscope.detectors.base import Detector
from synthscope.detectors.probe import Probe
from synthscope.errors import UsageError
from synthscope.training.batches import (
    Augmenter,
    Batch,
    HeldOutBatches,
    Images,
    Preprocessor,
    Token,
    TrainBatches,
    loader,
)
from synthscope.training.cache import Cache, Folder, Memory, content_name
from synthscope.training.config import TrainConfig
from synthscope.training.data import Rows, divide, rows_of
from synthscope.training.distributed import World, autocast_dtype
from synthscope.training.features import KeptFeatures, bytes_an_image, has_frozen_features
from synthscope.training.masks import Targets, preprocess_with_target
from synthscope.training.paired import PairedImages
from synthscope.training.pairs import pairs_of


class HeldOut(NamedTuple):
    """Images that are judged, not trained on; ``images`` yields ``Batch``, of features where they are kept."""

    images: Iterable[Batch]
    labels: np.ndarray  # by row
    annotated: Tensor | None  # float32 by row, 1 = its masks are known; None where masks don't matter


class Feeds(NamedTuple):
    """``train`` yields ``Batch``, of features where they are kept; ``batches`` says which epoch, and where to start."""

    train: Iterable[Batch]
    batches: TrainBatches
    annotated: Tensor | None  # as in HeldOut
    choosing: HeldOut  # the epoch
    calibrating: HeldOut  # the same object where there are too few held-out images for two parts


def feeds(config: TrainConfig, parts: tuple[pl.DataFrame, pl.DataFrame], detector: Detector, *, world: World) -> Feeds:
    """Loaders of this process's share of the images to train on and of those held out.

    Raises:
        UsageError: The detector takes images of any size, which don't stack, and micro-batches hold several.
    """
    crop = detector.config.input.side
    members = 2 if config.data.pairs else 1
    if crop is None and config.batch_size != config.accumulate * world.size * members:
        raise UsageError(
            f"Expected one {'pair' if members > 1 else 'image'} a micro-batch for an input of any size, got batch_size "
            f"{config.batch_size} in {config.accumulate} micro-batches of {world.size} processes. Set accumulate to "
            f"batch_size / {world.size * members}, or a fixed size: detector.input.crop, or a square resize."
        )
    rows = rows_of(parts[0])
    random = bool(config.augment.steps or config.augment.mix or config.augment.looks > 1 or config.data.pairs)
    targets, preprocess = None, detector.preprocess
    if config.uses_masks:
        source = config.aligned.source if config.aligned else "artifact"
        targets = Targets(source=source, categories=config.task != "authenticity")
        preprocess = partial(preprocess_with_target, detector)
    augmenter = Augmenter(config.augment, rows.keys, preprocess=preprocess, crop=crop, seed=config.seed)
    room = config.data.cache_megabytes * 2**20 // world.size / sum(part.height for part in parts)  # an image
    keeps = crop is not None and has_frozen_features(detector) and bytes_an_image(detector, crop) <= room
    pin, workers = world.device.type == "cuda", config.data.workers

    def kept(part: Rows, *, once: bool) -> Cache:
        if config.data.cache_folder is None:
            return Memory(len(part.keys), 0 if once else int(room * len(part.keys)))
        names = partial(_name, part, targets, json.dumps(encoder_versions(), sort_keys=True))
        return Folder(config.data.cache_folder, names, int(room * sum(part.height for part in parts)))

    pairs = pairs_of(parts[0]) if config.data.pairs else None
    batches = TrainBatches(
        len(rows.keys) if pairs is None else 2 * len(pairs.real),
        config.batch_size,
        seed=config.seed,
        repeats=config.data.repeats,
        accumulate=config.accumulate,
        rank=world.rank,
        size=world.size,
        members=members,
    )
    # of several processes, each meets other images in every epoch
    keeps_train = keeps and not random and world.size == 1
    cache, size = kept(rows, once=keeps_train), max(config.batch_size // (config.accumulate * world.size), 1)
    images = Images(rows, augmenter, cache=cache, targets=targets)
    if pairs is not None:
        steps = config.augment.pair_steps
        images = PairedImages(rows, pairs, augmenter, cache=cache, steps=steps, seed=config.seed)
    if crop is None:
        size = 1

    def batched(images: Images, batches: Sampler[list[Token]], *, features: bool) -> Iterable[Batch]:
        load = partial(loader, images, workers=workers, pin=pin)
        if not features:
            return load(batches)
        assert isinstance(detector, Probe)
        dtype, count = autocast_dtype(config.precision, world.device), len(images.rows.keys)
        return KeptFeatures(detector, count, batches, load, device=world.device, dtype=dtype)

    def held_out(table: pl.DataFrame) -> HeldOut:
        part = rows_of(table)
        images = Images(part, Preprocessor(preprocess), cache=kept(part, once=keeps), targets=targets)
        batches = HeldOutBatches(table.height, size, rank=world.rank, size=world.size)
        return HeldOut(batched(images, batches, features=keeps), np.array(part.labels), _annotated(part))

    halves = divide(parts[1], seed=config.data.seed)
    choosing = held_out(halves[0])
    return Feeds(
        batched(images, batches, features=keeps_train),
        batches,
        _annotated(rows),
        choosing,
        choosing if halves[1] is halves[0] else held_out(halves[1]),
    )


def _name(rows: Rows, targets: Targets | None, made_by: str, row: int) -> str:
    regions = None if targets is None or rows.regions is None else rows.regions[row]
    marked = (targets.source, targets.categories, json.dumps(regions), rows.keys[row]) if targets else ()
    return content_name(rows.paths[row], rows.views[row], made_by, *marked)


def _annotated(rows: Rows) -> Tensor | None:
    return None if rows.regions is None else torch.tensor([float(regions is not None) for regions in rows.regions])
