"""Batches of decoded and augmented images, sharded over processes.

Every random draw of an image is seeded by (seed, epoch, image), so workers, processes and resuming change nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from joblib import cpu_count
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from synthscope.data.degrade.recipe import parse_recipe, read_viewed
from synthscope.data.remote import permission
from synthscope.errors import SynthscopeError
from synthscope.runtime import seed_for, tune_allocator
from synthscope.runtime.signals import leave_stopping_to_parent
from synthscope.runtime.threads import in_threads
from synthscope.runtime.told import printable
from synthscope.training.augment import augment
from synthscope.training.cache import Cache
from synthscope.training.config import Augmentation
from synthscope.training.data import Rows
from synthscope.training.masks import Targets

AHEAD = 8  # threads at most that work ahead: each is up to four batches in front, and more wait for Python's lock
Token = tuple[int, int, int]  # epoch, row (or number of a pair), repeat
Sample = tuple[int, int, np.ndarray | None]  # row, label, uint8 (V, h, w, 3); None = unreadable
# rows int64 (B,), labels float32 (B,), images uint8 (V * B, 3, h, w), or (B, 4, h, w) with targets of the masks
Batch = tuple[Tensor, Tensor, Tensor]


class Images(Dataset[Sample | list[Sample]]):
    """Decoded, viewed and transformed images; decoded and viewed ones are kept in ``cache``."""

    def __init__(
        self,
        rows: Rows,
        transform: Callable[[np.ndarray, Token], np.ndarray],
        *,
        cache: Cache,
        targets: Targets | None = None,
    ) -> None:
        self.rows, self.transform, self.cache, self.targets = rows, transform, cache, targets

    def __getitem__(self, token: Token) -> Sample | list[Sample]:
        row = token[1]
        try:
            return row, self.rows.labels[row], self.transform(self.pixels(row), token)
        except OSError as error:  # UnreadableImageError is one
            self.leave_out(row, error)
            return row, self.rows.labels[row], None

    def leave_out(self, row: int, error: OSError) -> None:
        """Say that an image is not trained on."""
        print(printable(f"warning: left out of training: {self.rows.paths[row]}: {error}"), file=sys.stderr)

    def pixels(self, row: int) -> np.ndarray:
        """Uint8 ``(H, W, 3)`` of a row, decoded and viewed. Raises ``OSError`` where it cannot be read."""
        if (kept := self.cache.get(row)) is not None:
            return kept
        rgb = read_viewed(self.rows.paths[row], parse_recipe(self.rows.views[row]))
        if self.targets is not None and self.rows.regions is not None:
            rgb = self.targets(rgb, self.rows.regions[row], self.rows.keys[row])
        self.cache.put(row, rgb)
        return rgb


class Augmenter:
    """The transform of training: views ``(V, crop, crop, 3)`` of one image, seeded by its token and key.

    Copies at other sizes get the draws of the image itself, as DDA's do. Without a crop, where the detector takes any
    size, its own preprocessing follows the steps.
    """

    def __init__(
        self,
        config: Augmentation,
        keys: list[str],
        *,
        preprocess: Callable[[np.ndarray], Tensor],
        crop: int | None,
        seed: int,
    ) -> None:
        self.config, self.keys, self.preprocess, self.crop, self.seed = config, keys, preprocess, crop, seed

    def __call__(self, rgb: np.ndarray, token: Token) -> np.ndarray:
        epoch, row, repeat = token
        place = self.seed, epoch, repeat, self.keys[row]
        rng = np.random.default_rng(seed_for(*place))
        base = self._base(rgb, rng)
        if self.config.copies:
            sizes = np.random.default_rng(seed_for(*place, "copies"))
            copies = [step(rgb, sizes, self.crop) for step in self.config.copies]
            return np.stack([base, *(self._base(copy, np.random.default_rng(seed_for(*place))) for copy in copies)])
        if self.config.views == 1:
            return base[None]
        more = [augment(base, self.config.view_steps, rng=rng, crop=self.crop) for _ in range(self.config.views - 1)]
        return np.stack([base, *more])

    def _base(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        base = augment(rgb, self.config.steps, rng=rng, crop=self.crop)
        if not self.config.steps or self.crop is None:
            base = self.preprocess(base).permute(1, 2, 0).numpy()
        if self.crop is not None and base.shape[:2] != (self.crop, self.crop):
            raise SynthscopeError(
                f"Expected augmented images of {self.crop} x {self.crop} pixels, the detector's crop, got "
                f"{base.shape[1]} x {base.shape[0]}. End augment.steps with random_crop or random_resized_crop."
            )
        return base


class Preprocessor:
    """The transform of held-out images: the detector's own preprocessing, nothing random."""

    def __init__(self, preprocess: Callable[[np.ndarray], Tensor]) -> None:
        self.preprocess = preprocess

    def __call__(self, rgb: np.ndarray, token: Token) -> np.ndarray:
        return self.preprocess(rgb).permute(1, 2, 0).numpy()[None]


class TrainBatches(Sampler[list[Token]]):
    """One epoch in random order, cut into batches that differ by at most one image, each shared out to processes.

    A batch of the optimiser is ``accumulate`` micro-batches in each of ``size`` processes, or as many as it has images.
    No image is dropped and none appears twice. Set ``epoch`` and ``start`` before iterating. Where a token stands for
    several images, ``members`` of a pair, that holds for pairs, and a batch has whole ones.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        *,
        seed: int,
        repeats: int = 1,
        accumulate: int = 1,
        rank: int = 0,
        size: int = 1,
        members: int = 1,
    ) -> None:
        self.images, self.seed, self.repeats, self.members = images, seed, repeats, members
        self.accumulate, self.rank, self.size = accumulate, rank, size
        self.tokens, batch = images // members, batch_size // members
        self.steps = -(-self.tokens // max(batch, 1))
        self.epoch = self.start = 0
        least, got = (accumulate * size, batch) if batch < accumulate * size else (size, self.tokens // self.steps)
        if got < least:
            raise SynthscopeError(
                f"Expected at least {least * members} images a batch for {size} processes x {accumulate} "
                f"micro-batches{' of whole pairs' if members > 1 else ''}, got {got * members}. Raise batch_size or "
                f"lower accumulate."
            )

    def batch_images(self, step: int) -> int:
        """Images of batch ``step`` over all processes."""
        return self._tokens(step) * self.members

    def micro_batches(self, step: int) -> int:
        """Micro-batches of batch ``step`` in this process."""
        return min(self.accumulate, len(range(self.rank, self._tokens(step), self.size)))

    def _tokens(self, step: int) -> int:
        return self.tokens // self.steps + (step < self.tokens % self.steps)

    def __iter__(self) -> Iterator[list[Token]]:
        order = np.random.default_rng(seed_for(self.seed, "order", self.epoch)).permutation(self.tokens)
        tokens = [(self.epoch, int(row), repeat) for row in order for repeat in range(self.repeats)][: self.tokens]
        first = 0
        for step in range(self.steps):
            last = first + self._tokens(step)
            if step >= self.start:
                share, parts = tokens[first + self.rank : last : self.size], self.micro_batches(step)
                yield from (share[part::parts] for part in range(parts))
            first = last


class HeldOutBatches(Sampler[list[Token]]):
    """Every image once over all processes, without padding."""

    def __init__(self, images: int, batch_size: int, *, rank: int = 0, size: int = 1) -> None:
        share = range(rank, images, size)
        self.batches = [[(0, row, 0) for row in share[i : i + batch_size]] for i in range(0, len(share), batch_size)]

    def __iter__(self) -> Iterator[list[Token]]:
        return iter(self.batches)


class Threads:
    """Iterates over ``Batch``es of ``images``, prepared by threads of this process, which share what it has in memory.

    On a CPU they work between the steps, as many as the steps have threads, so that neither waits for the other's
    cores. Beside an accelerator they work ahead of the steps, and batches lie in pinned memory.
    """

    def __init__(self, images: Images, batches: Iterable[list[Token]], *, ahead: bool) -> None:
        self.images, self.batches, self.ahead = images, batches, ahead
        self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._threads)

    def __iter__(self) -> Iterator[Batch]:
        if self.ahead:
            here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
            threads = min(max(cpu_count() // here, 1), AHEAD)
            return in_threads(lambda tokens: _pinned(collate(self._prepare(tokens))), self.batches, threads)
        return map(self._together, self.batches)

    def _together(self, tokens: list[Token]) -> Batch:
        shares = [tokens[first :: self._threads] for first in range(min(self._threads, len(tokens)))]
        prepared = map(self._prepare, shares) if len(shares) == 1 else self._pool.map(self._prepare, shares)
        samples: list[Any] = [None] * len(tokens)
        for first, share in enumerate(prepared):
            samples[first :: self._threads] = share
        return collate(samples)

    def _prepare(self, tokens: list[Token]) -> list[Sample | list[Sample]]:
        return [self.images[token] for token in tokens]


def loader(images: Images, batches: Iterable[list[Token]], *, workers: int, pin: bool) -> Iterable[Batch]:
    """Iterates over ``Batch``es of ``images``; ``workers`` are processes, 0 = threads of this one."""
    if not workers:
        return Threads(images, batches, ahead=pin)
    return DataLoader(
        images,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        persistent_workers=True,
        worker_init_fn=partial(_start_worker, permission.granted()),
    )


def collate(items: Sequence[Sample | list[Sample]]) -> Batch:
    """Stack the readable images, of pairs one beside the other; memory is channels-last, view by view."""
    samples = [sample for item in items for sample in (item if isinstance(item, list) else [item])]
    readable = [(row, label, views) for row, label, views in samples if views is not None]
    if not readable:
        raise SynthscopeError(
            f"Expected readable images in a batch, got {len(samples)} unreadable ones. Run synthscope data verify."
        )
    pixels = torch.from_numpy(np.stack([views for _, _, views in readable], axis=1))  # (V, B, h, w, 3)
    labels = torch.tensor([label for _, label, _ in readable], dtype=torch.float32)
    return torch.tensor([row for row, _, _ in readable]), labels, pixels.flatten(0, 1).permute(0, 3, 1, 2)


def _pinned(batch: Batch) -> Batch:
    rows, labels, images = batch
    return rows, labels.pin_memory(), images.pin_memory()


def _start_worker(asked: tuple[str, ...], worker: int) -> None:
    if asked:
        permission.allow(*asked)
    leave_stopping_to_parent()
    cv2.setNumThreads(0)
    tune_allocator()
