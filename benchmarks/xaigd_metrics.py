"""Time the X-AIGD metrics against a plain loop over the images, as the official scripts are, on the same files.

    python benchmarks/xaigd_metrics.py [--images 48] [--side 1024] [--workers 2]

Checks that both write the same bytes, then prints how many times faster `synthscope xaigd-metrics` is for each task.
Both tables, overall and by generator, are asked for; the official pixel script passes over the images once for each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ratios import Ratio

from synthscope.annotations.taxonomy import LABELS as CATEGORIES
from synthscope.scoring.xaigd.official import ParityScores, score_instances, score_pixels
from synthscope.scoring.xaigd.records import read_images

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.reference import xaigd_official as official

HEADER = "generator,uid,category,x_min,y_min,x_max,y_max"
LABELS = pa.list_(pa.struct([("label", pa.string()), ("points", pa.list_(pa.list_(pa.float64())))]))


def make_rows(images: int, side: int) -> list[dict[str, Any]]:
    """Five artifacts an image, about a fifth of its side each, most of them edges, as in the data set."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(images):
        labels = []
        for category in rng.choice(CATEGORIES, 5, p=[0.55, 0.05, 0.04, 0.11, 0.17, 0.05, 0.03]):
            angle = np.sort(rng.uniform(0, 2 * np.pi, 14))
            points = rng.uniform(0, side, 2) + rng.uniform(0.02, 0.2) * side * np.stack(
                [np.cos(angle), np.sin(angle)], 1
            )
            labels.append({"label": str(category), "points": points.tolist()})
        rows.append({"generator": f"g{i % 13:02d}", "uid": str(i), "width": side, "height": side, "labels": labels})
    return rows


def write_predictions(rows: list[dict[str, Any]], folder: Path) -> str:
    """Masks of a middling detector for both tasks; the CSV of boxes around them."""
    rng = np.random.default_rng(1)
    lines = [HEADER]
    for row in rows:
        for category in ("", *CATEGORIES):
            names = [category] if category else CATEGORIES
            truth = official.ground_truth(row, names)
            guess = np.roll(truth, rng.integers(-40, 40, 2), (0, 1))
            task = "fine-grained" if category else "category-agnostic"
            place = folder / task / row["generator"] / category / row["uid"]
            if category and not guess.any() and rng.random() < 0.8:
                continue
            place.mkdir(parents=True)
            cv2.imwrite(str(place / "mask.png"), guess)
            if category and guess.any():
                x, y, w, h = cv2.boundingRect(guess)
                lines.append(f"{row['generator']},{row['uid']},{category},{x},{y},{x + w},{y + h}")
    return "\n".join(lines) + "\n"


def compare(name: str, ours: Callable[[], ParityScores], plain: Callable[[], tuple[Any, Any]]) -> None:
    """Time both, best of three, and check that they agree."""
    seconds, results = [], []
    for program in (ours, plain):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            result = program()
            times.append(time.perf_counter() - start)
        seconds.append(min(times))
        results.append(result)
    scores, (overall, per_generator) = results
    same = official.csv_text(scores.overall) == official.csv_text(overall)
    same &= official.csv_text(scores.per_generator) == official.csv_text(per_generator)
    print(f"{name}: {seconds[1] / seconds[0]:.1f} times faster, {'same bytes' if same else 'DIFFERENT NUMBERS'}")
    print(Ratio(f"xaigd-metrics, {name}", seconds[1] / seconds[0], "a plain loop over the images"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"images": 48, "side": 1024, "workers": os.cpu_count() or 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = make_rows(options.images, options.side)
        boxes = write_predictions(rows, folder)
        (folder / "boxes.csv").write_text(boxes)
        pq.write_table(pa.Table.from_pylist(rows, pa.schema({**_FIELDS, "labels": LABELS})), folder / "data.parquet")

        def images() -> list[Any]:
            return read_images([folder / "data.parquet"])

        def pixels(task: str) -> ParityScores:
            return score_pixels(images(), folder / task, task=task, workers=options.workers)

        for task in ("category-agnostic", "fine-grained"):
            compare(task, lambda: pixels(task), lambda: official.pixel_tables(rows, folder / task, task))  # noqa: B023
        compare(
            "instance",
            lambda: score_instances(images(), folder / "boxes.csv", workers=options.workers),
            lambda: official.instance_tables(rows, boxes),
        )


_FIELDS = {"generator": pa.string(), "uid": pa.string(), "width": pa.int64(), "height": pa.int64()}

if __name__ == "__main__":
    main()
