"""Pairs of a photograph and an image made of it, which are trained on side by side with the same random draws.

Whatever is drawn for the one, a crop, a mirror, a compression, is drawn for the other, so an image that was made by
changing nothing becomes the very same tensor. An epoch takes every photograph once, with one of its AI images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synthscope.errors import SynthscopeError
from synthscope.runtime import seed_for
from synthscope.training.augment import PairStep
from synthscope.training.batches import Images, Sample, Token
from synthscope.training.cache import Cache
from synthscope.training.data import Rows
from synthscope.training.pairs import Pairs


class PairedImages(Images):
    """Images by pair: a token's number is a pair's, and an item is the samples of its two images, the real one first.

    Args:
        rows: Of all images.
        pairs: Among them.
        transform: Of both images, with the token of the real one, so that it draws the same for both.
        cache: Of decoded images.
        steps: Of the AI image, before that.
        seed: Of these steps, and of which AI image a photograph is met with.
    """

    def __init__(
        self,
        rows: Rows,
        pairs: Pairs,
        transform: Callable[[np.ndarray, Token], np.ndarray],
        *,
        cache: Cache,
        steps: tuple[PairStep, ...] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(rows, transform, cache=cache)
        self.pairs, self.steps, self.seed = pairs, steps, seed

    def __getitem__(self, token: Token) -> list[Sample]:
        """Both, or neither where one of them cannot be read.

        Raises:
            SynthscopeError: They differ in size.
        """
        epoch, number, repeat = token
        real = self.pairs.real[number]
        rng = np.random.default_rng(seed_for(self.seed, "pair", epoch, repeat, self.rows.keys[real]))
        ai = self.pairs.ai[number][int(rng.integers(len(self.pairs.ai[number])))]
        pixels: list[np.ndarray] = []
        for row in (real, ai):
            try:
                pixels.append(self.pixels(row))
            except OSError as error:
                self.leave_out(row, error)
                return [(row, self.rows.labels[row], None) for row in (real, ai)]
        self._check_sizes(real, ai, pixels)
        for step in self.steps:
            pixels[1] = step(pixels[1], pixels[0], rng, self.pairs.quality[number])
        views = [self.transform(image, (epoch, real, repeat)) for image in pixels]
        return [(row, self.rows.labels[row], view) for row, view in zip((real, ai), views, strict=True)]

    def _check_sizes(self, real: int, ai: int, pixels: list[np.ndarray]) -> None:
        (height, width, _), (h, w, _) = (image.shape for image in pixels)
        if (height, width) != (h, w):
            raise SynthscopeError(
                f"Expected a pair of one size, got {width} x {height} pixels of {self.rows.paths[real]} and {w} x {h} "
                f"of {self.rows.paths[ai]}. Make AI images at their source's size, or set data.pairs=false."
            )
