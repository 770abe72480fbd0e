"""Photographs drawn again: the same content, framing and history, with the traces of a decoder or a resampler.

The decoders are the sandbox's, fitted to photographs of the same source, so that a fold learns nothing of sources that
it holds out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from PIL import Image

from synthscope.data.images import read_rgb
from synthscope.errors import UnreadableImageError
from synthscope.runtime import seed_for, track, whole_file
from synthscope.sandbox.generators import Autoencoder, Decoder, Latent, Quantised, Transposed, Upsampler

FITTED, SIDE = 32, 384  # photographs that a decoder is fitted to; largest side in pixels
NOISE = 0.01  # on the codes: most of the trace is to be the decoder's


def resample(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half or two thirds the size and back, with one of three kernels."""
    kernel = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[rng.integers(3)]
    small = cv2.resize(picture, None, fx=(f := rng.choice([0.5, 2 / 3])), fy=f, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, picture.shape[1::-1], interpolation=kernel)


def decoders(pictures: list[np.ndarray], seed: int) -> dict[str, Decoder | Callable[..., np.ndarray]]:
    """Ways to draw a picture again, fitted to float32 pictures ``(H, W, 3)`` in [0, 1] with sides of whole eights."""
    return {
        "latent": Latent.fit(pictures, 16, NOISE),
        "transposed": Transposed.fit(pictures, 6, NOISE, 0.02),
        "nearest": Upsampler.fit(pictures, 6, NOISE, cv2.INTER_NEAREST),
        "bilinear": Upsampler.fit(pictures, 6, NOISE, cv2.INTER_LINEAR),
        "vq": Quantised.fit(pictures, 192, NOISE, np.random.default_rng(seed)),
        "autoencoder": Autoencoder.fit(pictures, 48, NOISE),
        "resample": resample,
    }


def draw_again(photographs: pl.DataFrame, folder: Path, *, seed: int = 0) -> pl.DataFrame:
    """Rows of the photographs, drawn again by one decoder each and stored as PNG; those below 256 pixels are left out.

    Args:
        photographs: Columns ``path``, ``subset`` and ``fold``.
        folder: For the images; those that are there are kept.
        seed: Chooses the decoder of each photograph.

    Returns:
        The rows with the new ``path``, ``label`` 1 and the decoder as ``generator`` and ``subset``.
    """
    rows = []
    for (fold,), part in photographs.sort("path").group_by("fold", maintain_order=True):
        ways = decoders(
            [_whole_eights(path, 192) for path in part["path"].gather_every(-(-part.height // FITTED))], seed
        )
        for row in track(part.to_dicts(), f"drawing {fold} again", total=part.height):
            rng = np.random.default_rng(seed_for(seed, Path(row["path"]).name))
            name = list(ways)[rng.integers(len(ways))]
            target = folder / f"{fold}_{seed_for(row['path']):016x}.png"
            try:
                picture = _whole_eights(row["path"], SIDE)
            except UnreadableImageError:
                continue
            if min(picture.shape[:2]) < 256:
                continue
            if not target.exists():
                pixels = np.clip(ways[name](picture, rng) * 255 + 0.5, 0, 255).astype(np.uint8)
                with whole_file(target) as temporary:
                    Image.fromarray(pixels).save(temporary, "PNG")
            rows.append({**row, "path": str(target), "label": 1, "generator": name, "subset": name})
    return pl.DataFrame(rows, schema_overrides=photographs.schema)


def _whole_eights(path: str, side: int) -> np.ndarray:
    """The centre of a photograph, float32 ``(H, W, 3)`` in [0, 1], cut to multiples of 8 of at most ``side``."""
    rgb = read_rgb(path)
    kept = [min(length, side) // 8 * 8 for length in rgb.shape[:2]]
    top, left = ((length - keep) // 16 * 8 for length, keep in zip(rgb.shape[:2], kept, strict=True))
    return np.ascontiguousarray(rgb[top : top + kept[0], left : left + kept[1]], np.float32) / 255
