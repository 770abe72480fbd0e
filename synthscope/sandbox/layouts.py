"""Where the pictures of the sandbox stand: the folders and file names of GenImage, the tables of X-AIGD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from synthscope.data.layouts.imagenet import synsets
from synthscope.errors import SynthscopeError
from synthscope.runtime import seed_for
from synthscope.sandbox.generators import GENERATORS
from synthscope.sandbox.images import Picture
from synthscope.sandbox.objects import THINGS

Formats = Literal["raw", "aligned"]
ALIGNED_QUALITY = 96
LABELLED_IN_TRAINING = ("latent_v1", "transposed", "nearest", "vq", "denoiser")
"""As in X-AIGD, the labelled training split shows five generators and the test split all."""

_SCALE = {"vq": 1.25, "autoencoder": 1.25, "denoiser": 1.125}  # of the size at which a generator draws
_ASPECTS = (1.0, 1.25, 4 / 3, 1.5)


@dataclass(frozen=True)
class Placed:
    """A picture and where it belongs: a path below the sandbox, or a row of an X-AIGD table."""

    picture: Picture
    path: str
    split: str
    uid: str | None = None  # of X-AIGD


@dataclass(frozen=True)
class Plan:
    """Sizes and formats of the pictures of a sandbox."""

    size: int
    classes: int
    seed: int
    formats: Formats

    def genimage(self, split: Literal["train", "val"], count: int) -> list[Placed]:
        """``count`` generated and ``count`` real pictures for each generator, spread evenly over the classes."""
        names = synsets()
        if not names:
            raise SynthscopeError("Expected timm, whose list of synsets names the files, got none. Install timm.")
        placed = []
        for subset, generator in enumerate(GENERATORS):
            folder = f"genimage/{generator}/imagenet_sandbox_{generator}/{split}"
            for i in range(count):
                thing, number = i % self.classes, subset * count + i
                index = THINGS[thing].class_index
                seeds = [seed_for(self.seed, "genimage", generator, split, label, i) for label in ("ai", "nature")]
                drawn = self._generated(thing, seeds[0], seeds[0], generator)
                serial = 2 * (i // self.classes) + (split == "val")  # the splits interleave
                suffix = "png" if drawn.quality is None else "JPEG"
                placed.append(Placed(drawn, f"{folder}/ai/{index:03d}_{generator}_{serial:05d}.{suffix}", split))
                name = f"{names[index]}_{number}" if split == "train" else f"ILSVRC2012_val_{number + 1:08d}"
                placed.append(
                    Placed(self._photograph(thing, seeds[1], seeds[1]), f"{folder}/nature/{name}.JPEG", split)
                )
        return placed

    def xaigd(self, split: Literal["train", "test"], count: int) -> list[Placed]:
        """``count`` photographs, each with a picture of the same caption by every generator of the split."""
        placed = []
        for i in range(count):
            uid, meaning = f"{split}_{i:06d}", seed_for(self.seed, "xaigd", split, i)
            real = self._photograph(i % self.classes, meaning, seed_for(meaning, "real"))
            placed.append(Placed(real, f"xaigd/real/{uid}.jpg", split, uid))
            for generator in LABELLED_IN_TRAINING if split == "train" else GENERATORS:
                drawn = self._generated(i % self.classes, meaning, seed_for(meaning, generator), generator)
                suffix = "png" if drawn.quality is None else "jpg"
                placed.append(Placed(drawn, f"{generator}_{uid}.{suffix}", split, uid))
        return placed

    def _generated(self, thing: int, meaning: int, layout: int, generator: str) -> Picture:
        if self.formats == "aligned":
            return Picture(thing, meaning, layout, generator, self.size, self.size, ALIGNED_QUALITY)
        side = round(self.size * _SCALE.get(generator, 1.0) / 8) * 8
        return Picture(thing, meaning, layout, generator, side, side, None)

    def _photograph(self, thing: int, meaning: int, layout: int) -> Picture:
        if self.formats == "aligned":
            return Picture(thing, meaning, layout, None, self.size, self.size, ALIGNED_QUALITY)
        rng = np.random.default_rng(seed_for(layout, "file"))
        height = 2 * round(self.size * rng.uniform(1.0, 1.25) / 2)
        width = 2 * round(height * rng.choice(_ASPECTS) / 2)
        quality = ALIGNED_QUALITY if rng.random() < 0.75 else int(rng.integers(75, 96))
        return Picture(thing, meaning, layout, None, width, height, quality)
