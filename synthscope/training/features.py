"""Features of a frozen network, kept: where nothing random happens to an image, they are the same in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.detectors.probe import Probe
from synthscope.training.batches import Batch, Token


def has_frozen_features(detector: Detector) -> TypeGuard[Probe]:
    """Whether all that is trained stands behind ``detector.features``."""
    if not isinstance(detector, Probe) or type(detector).forward is not Probe.forward:
        return False
    return not any(parameter.requires_grad for parameter in detector.backbone.parameters())


@torch.no_grad()
def bytes_an_image(detector: Probe, side: int) -> int:
    """Size of the float32 features of one image. Raises ``SynthscopeError`` for a backbone without weights."""
    return int(detector.features(torch.zeros(1, 3, side, side, dtype=torch.uint8)).nbytes)


class KeptFeatures:
    """Iterates over ``Batch``es with features in the place of images, which are decoded and looked at only once.

    Args:
        detector: One that :func:`has_frozen_features`.
        images: How many there are.
        batches: Tokens of the next epoch.
        loader: Of batches of images, for batches of tokens.
        device: Where the network is when it is asked.
        dtype: Of the cheap arithmetic.
    """

    def __init__(
        self,
        detector: Probe,
        images: int,
        batches: Iterable[list[Token]],
        loader: Callable[[list[list[Token]]], Iterable[Batch]],
        *,
        device: torch.device,
        dtype: torch.dtype | None,
    ) -> None:
        self.detector, self.batches, self.device, self.dtype = detector, batches, device, dtype
        self._asked: list[list[Token]] = []  # batches whose images the loader is to bring
        self._loader = loader(self._asked)
        self._labels = torch.zeros(images)
        self._table: Tensor | None = None
        self._seen, self._unreadable = np.zeros((2, images), bool)

    def under(self, dtype: torch.dtype | None) -> None:
        """Compute in this type from now on; what was computed in another one is dropped."""
        if dtype != self.dtype:
            self.dtype, self._table = dtype, None
            self._seen[:] = False

    def __iter__(self) -> Iterator[Batch]:
        batches = list(self.batches)
        asks = [not self._knows(_rows(tokens)) for tokens in batches]
        self._asked[:] = [tokens for tokens, ask in zip(batches, asks, strict=True) if ask]
        fresh = iter(self._loader) if self._asked else iter(())
        for tokens, ask in zip(batches, asks, strict=True):
            yield self._computed(next(fresh), _rows(tokens)) if ask else self._kept(_rows(tokens))

    def _knows(self, rows: np.ndarray) -> bool:
        return bool((self._seen | self._unreadable)[rows].all() and self._seen[rows].any())

    def _kept(self, rows: np.ndarray) -> Batch:
        found = torch.from_numpy(rows[self._seen[rows]])
        assert self._table is not None
        return found, self._labels[found], self._table[found]

    @torch.no_grad()
    def _computed(self, batch: Batch, asked: np.ndarray) -> Batch:
        rows, labels, images = batch
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            features = self.detector.features(images.to(self.device, non_blocking=True)).cpu()
        if self._table is None:
            self._table = torch.empty(len(self._seen), *features.shape[1:], dtype=features.dtype)
        self._table[rows], self._labels[rows] = features, labels
        self._unreadable[asked] = True
        self._unreadable[rows.numpy()] = False
        self._seen[rows.numpy()] = True
        return rows, labels, features


def _rows(tokens: list[Token]) -> np.ndarray:
    return np.array([row for _, row, _ in tokens])
