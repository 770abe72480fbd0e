"""How often does a perceptual hash miss a copy, and call two different pictures copies?

    python benchmarks/near_duplicates.py FOLDER …

Of every image below the folders: bits by which its hash changes under compression, resizing and cropping, and bits
between the hashes of all pairs. Pairs of one folder of a generator may be alike indeed, so alarms are an upper bound.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.images import read_rgb
from synthscope.data.layouts.walk import IMAGE_SUFFIXES
from synthscope.data.near_duplicates.hashing import distances, perceptual_hashes, thumbnails
from synthscope.errors import UnreadableImageError
from synthscope.metrics.intervals import wilson
from synthscope.runtime import track
from synthscope.runtime.threads import in_threads
from synthscope.tables.render import plain_text

THRESHOLDS = (2, 4, 6, 8, 10, 12)
Change = Callable[[np.ndarray], np.ndarray]


def resized(rgb: np.ndarray) -> np.ndarray:
    """Half as wide and high."""
    from PIL import Image

    size = max(rgb.shape[1] // 2, 1), max(rgb.shape[0] // 2, 1)
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))


def cropped(share: float) -> Change:
    """Without ``share`` of the height and width, half of it at every edge."""

    def crop(rgb: np.ndarray) -> np.ndarray:
        top, left = (round(side * share / 2) for side in rgb.shape[:2])
        return np.ascontiguousarray(rgb[top : rgb.shape[0] - top, left : rgb.shape[1] - left])

    return crop


def compressed(rgb: np.ndarray) -> np.ndarray:
    """As JPEG of quality 50."""
    return parse_recipe("jpeg:q=50").apply(rgb, key="", seed=0)


CHANGES: dict[str, Change] = {
    "JPEG quality 50": compressed,
    "half the size": resized,
    "half the size, JPEG quality 50": lambda rgb: compressed(resized(rgb)),
    "2 % cropped": cropped(0.02),
    "4 % cropped": cropped(0.04),
}


def main() -> None:
    files = [
        file
        for folder in sys.argv[1:]
        for file in sorted(Path(folder).rglob("*"))
        if file.suffix[1:].lower() in IMAGE_SUFFIXES
    ]
    read = [found for found in track(in_threads(changed, files), "hashing", total=len(files)) if found is not None]
    stacked = [[np.stack(kind) for kind in zip(*each, strict=True)] for each in zip(*read, strict=True)]
    hashes, flat = zip(*(perceptual_hashes(*each) for each in stacked), strict=True)
    kept = ~flat[0]
    own, n = hashes[0][kept], int(kept.sum())
    print(f"{n} images; {len(read) - n} flat ones are left out")
    print(f"\nMissed, in percent of {n} with a 95 % interval, by bits of the threshold")
    missed = [
        {"change": name} | {f"> {bits}": share(distances(own, other[kept]) > bits) for bits in THRESHOLDS}
        for name, other in zip(CHANGES, hashes[1:], strict=True)
    ]
    print(plain_text(pl.DataFrame(missed)))
    first, second = np.triu_indices(n, 1)
    print(f"\nPairs of different images that are near, of {len(first):,}")
    apart = {"pHash": own[:, :1], "dHash": own[:, 1:], "both": own}
    alarms = [{"hash": name} | near(distances(each[first], each[second])) for name, each in apart.items()]
    print(plain_text(pl.DataFrame(alarms)))


def near(bits: np.ndarray) -> dict[str, int]:
    """How many distances are within each threshold."""
    return {f"<= {most}": int((bits <= most).sum()) for most in THRESHOLDS}


def changed(file: Path) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Of an image and of what each change makes of it; None where it cannot be read."""
    try:
        rgb = read_rgb(file)
    except UnreadableImageError:
        return None
    return [thumbnails(rgb), *(thumbnails(change(rgb)) for change in CHANGES.values())]


def share(wrong: np.ndarray) -> str:
    """Percent, and its interval by Wilson."""
    low, high = wilson(int(wrong.sum()), len(wrong))
    return f"{100 * wrong.mean():.2f} [{100 * low:.2f}, {100 * high:.2f}]"


if __name__ == "__main__":
    main()
