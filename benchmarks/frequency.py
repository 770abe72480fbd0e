"""Speed of ``analyze frequency`` against the plainest loop over numpy, and against decoding alone.

``python benchmarks/frequency.py [images]``: PNG files of 256 pixels, the better of two runs each. The goal is 8,000
images in a minute on two cores, 133 a second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from joblib import cpu_count
from PIL import Image
from ratios import Ratio

from synthscope.data.images import read_rgb
from synthscope.schema import MANIFEST, conform
from synthscope.studies.frequency.residuals import DENOISERS
from synthscope.studies.frequency.study import ORDERS, residual_spectra

SIDE = 256


def build(folder: Path, count: int) -> pl.DataFrame:
    """Noisy gradients, about as compressible as generated images."""
    rng, paths = np.random.default_rng(0), []
    y, x = np.indices((SIDE, SIDE))
    for i in range(count):
        smooth = (x * rng.uniform(0, 0.5) + y * rng.uniform(0, 0.5))[..., None]
        paths.append(str(folder / f"{i:05}.png"))
        Image.fromarray((smooth + rng.integers(0, 12, (SIDE, SIDE, 3))).astype(np.uint8)).save(paths[-1])
    return conform(pl.DataFrame({"path": paths, "label": 1, "generator": "noise"}), MANIFEST, "benchmark")


def naive(paths: list[str], order: str) -> None:
    """All residuals in memory, float64, complex transforms."""
    residuals = []
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        residuals.append(pixels.astype(float) - cv2.medianBlur(pixels, 3))
    stack = np.mean(residuals, axis=0)[None] if order == "average_then_fft" else np.array(residuals)
    np.abs(np.fft.fft2(stack, axes=(1, 2))).mean(axis=(0, 3))


def rate(task: Callable[[], object], count: int) -> float:
    """Images a second, the better of two runs."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    return count / min(seconds)


def main(count: int) -> None:
    """Build, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        images = build(Path(folder), count)
        paths = images["path"].to_list()
        floor = rate(lambda: [read_rgb(path) for path in paths], count)
        print(f"decode only, 1 thread                          {floor:6.0f} images/s")
        for order in ORDERS:
            plain = rate(lambda order=order: naive(paths, order), count)
            print(f"{order:17} median   plain numpy        {plain:6.0f} images/s")
            for denoiser in DENOISERS:
                for workers in dict.fromkeys((1, cpu_count())):
                    ours = rate(
                        lambda order=order, denoiser=denoiser, workers=workers: residual_spectra(
                            images, n=count, denoiser=denoiser, order=order, workers=workers
                        ),
                        count,
                    )
                    against = f"{ours / plain:.2f} x plain, {ours / floor:.2f} x decoding"
                    print(f"{order:17} {denoiser:8} {workers:2} threads         {ours:6.0f} images/s, {against}")
                    if denoiser == "median" and workers > 1:
                        print(Ratio(f"analyze frequency, {order}", ours / plain, "a plain numpy loop"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 500)
