"""Policies of other libraries."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import numpy as np
from PIL import Image

from synthscope import runtime
from synthscope.config import Config
from synthscope.detectors.input import IMAGENET_MEAN
from synthscope.training.augment.step import side_of

_GLOBAL = threading.Lock()  # held by the one thread that draws from the global generators


class RandAugment(Config):
    """timm's RandAugment; the default is GenImage's ``rand-m9-mstd0.5-inc1``."""

    step: Literal["randaugment"]
    policy: str = "rand-m9-mstd0.5-inc1"

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Augment."""
        transform = _randaugment(self.policy, side_of(None, crop, self.step))
        with _global_seed(int(rng.integers(2**32))):  # timm draws from the global generators
            return np.asarray(transform(Image.fromarray(np.ascontiguousarray(rgb))))


@cache
def _randaugment(policy: str, crop: int) -> Callable[[Image.Image], Image.Image]:
    runtime.import_timm()
    from timm.data.auto_augment import rand_augment_transform

    fill = tuple(round(255 * value) for value in IMAGENET_MEAN)
    hparams: dict[str, Any] = {"translate_const": int(crop * 0.45), "img_mean": fill}
    return rand_augment_transform(policy, hparams)


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    with _GLOBAL:
        python, numpy = random.getstate(), np.random.get_state()
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
