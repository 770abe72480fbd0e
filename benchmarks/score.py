"""Time `score` on a million predictions: 8 test sets of 12,500 images, 10 columns, 2,000 resamples, every metric.

    python benchmarks/score.py [--images 12500] [--sets 8] [--detectors 5] [--resamples 2000]

Prints seconds, CPU seconds, peak memory, and how many times faster it is than calling the plain metric functions on
resampled images, measured on a few resamples.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import polars as pl
from ratios import Ratio

from synthscope.metrics.detection import METRICS
from synthscope.runtime import tune_allocator
from synthscope.schema import PREDICTIONS
from synthscope.scoring.score import score


def predictions(images: int, sets: int, detectors: int, seed: int = 0) -> pl.DataFrame:
    """Random predictions of ``detectors`` under two conditions on ``sets`` balanced test sets."""
    rng = np.random.default_rng(seed)
    label = np.arange(images) % 2
    frames = []
    for test_set in range(sets):
        path = [f"/{test_set}/{i:07d}.png" for i in range(images)]
        for detector in range(detectors):
            for condition in ("none", "jpeg:q=65"):
                frame = pl.DataFrame({"path": path, "label": label, "logit": rng.normal(1.5 * label - 0.75)})
                named = {"subset": f"set{test_set}", "detector": f"d{detector}", "condition": condition, "view": "none"}
                frames.append(frame.with_columns(pl.lit(value).alias(name) for name, value in named.items()))
    return pl.concat(frames).with_columns(generator=pl.when(label=1).then("subset").otherwise(pl.lit("real")))


def plain_seconds(images: int, repeats: int = 3) -> float:
    """Seconds to resample one column once and call every metric function."""
    rng = np.random.default_rng(0)
    label = np.arange(images) % 2
    logit = rng.normal(1.5 * label - 0.75)
    start = time.perf_counter()
    for _ in range(repeats):
        pick = rng.integers(0, images, images)
        for metric in METRICS.values():
            metric(label[pick], logit[pick], p=None, threshold=0.0)
    return (time.perf_counter() - start) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"images": 12_500, "sets": 8, "detectors": 5, "resamples": 2000}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    tune_allocator()
    table = predictions(options.images, options.sets, options.detectors).select(
        column
        for column in PREDICTIONS
        if column in {"path", "label", "generator", "subset", "detector", "view", "condition", "logit"}
    )
    start, cpu = time.perf_counter(), time.process_time()
    scores = score(table, n_resamples=options.resamples)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    columns = options.sets * options.detectors * 2
    plain = plain_seconds(options.images) * columns * options.resamples
    print(
        f"{table.height} predictions, {options.resamples} resamples, {len(METRICS)} metrics -> {scores.height} scores"
    )
    print(
        f"{seconds:.1f} s, {cpu:.1f} CPU seconds, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )
    print(f"plain functions on resampled images: {plain:.0f} CPU seconds, {plain / cpu:.0f} times as many")
    print(Ratio("score with intervals, CPU seconds", plain / cpu, "plain metrics of resampled images"))


if __name__ == "__main__":
    main()
