"""The X-AIGD evaluators restated from their description, image by image, to compare with and to time against.

Nothing here is imported from the package. Rows of the data are plain dicts as the Parquet files hold them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ORDER = [
    "low-level-edge_shape", "low-level-texture", "low-level-color", "low-level-symbol",
    "high-level-semantics", "cognitive-level-commonsense", "cognitive-level-physics",
]  # fmt: skip
Table = list[dict[str, Any]]


def ground_truth(row: dict[str, Any], categories: Iterable[str]) -> np.ndarray:
    """Union of the polygons of ``categories`` at the size of the image."""
    mask = np.zeros((row["height"], row["width"]), np.uint8)
    for label in row["labels"] or []:
        if label["label"] in categories:
            points = np.array(label["points"], dtype=np.int32)
            points[:, 0] = np.clip(points[:, 0], 0, row["width"] - 1)
            points[:, 1] = np.clip(points[:, 1], 0, row["height"] - 1)
            cv2.fillPoly(mask, [points], 255)
    return mask


def into_frame(
    mask: np.ndarray, size: tuple[int, int] | None, short_side: int | None, crop: tuple[int, int] | None
) -> np.ndarray:
    """Resize with OpenCV, then crop the middle; sizes are (width, height)."""
    height, width = mask.shape
    if short_side is not None:
        size = (
            (int(width * short_side / height), short_side)
            if height < width
            else (short_side, int(height * short_side / width))
        )
    if size is not None:
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    if crop is not None:
        y, x = (mask.shape[0] - crop[1]) // 2, (mask.shape[1] - crop[0]) // 2
        mask = mask[y : y + crop[1], x : x + crop[0]]
    return mask


def predicted(folder: Path, shape: tuple[int, ...], threshold: int) -> np.ndarray:
    """Union of the thresholded PNG files of a folder; zeros where there are none."""
    union = np.zeros(shape, np.uint8)
    if not folder.exists():
        return union
    for file in sorted(folder.glob("*.png")):
        grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if grey is None or grey.shape != shape:
            raise ValueError(file)
        union = cv2.bitwise_or(union, np.where(grey > threshold, 255, 0).astype(np.uint8))
    return union


def pixel_tables(
    rows: Table,
    root: Path,
    task: str,
    size: tuple[int, int] | None = None,
    short_side: int | None = None,
    crop: tuple[int, int] | None = None,
    threshold: int = 127,
) -> tuple[Table, Table]:
    """Overall and per-generator rows of the pixel metrics, each from its own pass over the images."""

    def part(generator: str, some: Table) -> Table:
        table = []
        for category in ["all"] if task == "category-agnostic" else ORDER:
            tp = fp = fn = empty = 0
            for row in some:
                place = root / row["generator"] / ("" if category == "all" else category) / row["uid"]
                truth = into_frame(
                    ground_truth(row, ORDER if category == "all" else [category]), size, short_side, crop
                )
                guess = predicted(place, truth.shape, threshold)
                empty += not np.any(guess)
                tp += int(np.sum((guess == 255) & (truth == 255)))
                fp += int(np.sum((guess == 255) & (truth == 0)))
                fn += int(np.sum((guess == 0) & (truth == 255)))
            p, r, f1 = _precision_recall_f1(tp, fp, fn)
            scores = {"IoU": _divide(tp, tp + fp + fn), "PixP": p, "PixR": r, "PixF1": f1}
            names = {"generator": generator, "task": task, "category": category}
            table.append(names | scores | {"evaluated_images": len(some), "zero_prediction_images": empty})
        return table

    return part("all", rows), [line for name, some in _by_generator(rows) for line in part(name, some)]


def instance_tables(rows: Table, csv_text: str, threshold: float = 0.5) -> tuple[Table, Table]:
    """Overall and per-generator rows of the instance metrics, from one pass over the images."""
    boxes: dict[tuple[str, ...], list[tuple[float, ...]]] = {}
    for b in csv.DictReader(io.StringIO(csv_text)):
        corners = tuple(float(b[name]) for name in ("x_min", "y_min", "x_max", "y_max"))
        boxes.setdefault((b["generator"], b["uid"], b["category"]), []).append(corners)
    counts = [
        [instance_counts(row, category, boxes.get((*_key(row), category), []), threshold) for category in ORDER]
        for row in rows
    ]

    def part(generator: str, some: Table) -> Table:
        table = []
        for k, category in enumerate(ORDER):
            mine = [c[k] for row, c in zip(rows, counts, strict=True) if generator in ("all", row["generator"])]
            tp, fp, fn, empty, invalid = (sum(column) for column in zip(*mine, strict=True))
            p, r, f1 = _precision_recall_f1(tp, fp, fn)
            line = {"generator": generator, "category": category, f"P@{threshold:g}": p, f"R@{threshold:g}": r}
            line |= {f"F1@{threshold:g}": f1, "TP": tp, "FP": fp, "FN": fn, "evaluated_images": len(some)}
            table.append(line | {"zero_prediction_images": empty, "invalid_prediction_boxes": invalid})
        return table

    return part("all", rows), [line for name, some in _by_generator(rows) for line in part(name, some)]


def instance_counts(
    row: dict[str, Any], category: str, boxes: list[tuple[float, ...]], threshold: float
) -> tuple[int, int, int, int, int]:
    """TP, FP, FN, 1 if there is no box, invalid boxes: every box as a mask against every instance as a mask."""
    height, width = row["height"], row["width"]
    truth = ground_truth(row, [category])
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (5, 5))
    count, numbers = cv2.connectedComponents(cv2.dilate(truth, kernel, iterations=1), connectivity=8)
    box_hit, instance_hit, invalid = [False] * len(boxes), [False] * (count - 1), 0
    for i, (x_min, y_min, x_max, y_max) in enumerate(boxes):
        inside = 0 <= x_min < x_max <= width and 0 <= y_min < y_max <= height
        if not inside or int(x_min) == int(x_max) or int(y_min) == int(y_max):
            invalid += 1
            continue
        drawn = np.zeros((height, width), np.uint8)
        drawn[int(y_min) : int(y_max), int(x_min) : int(x_max)] = 255
        for k in range(1, count):
            instance = cv2.bitwise_and((numbers == k).astype(np.uint8) * 255, truth)
            shared = int(np.count_nonzero(cv2.bitwise_and(instance, drawn)))
            if shared / int(np.count_nonzero(drawn)) > threshold:
                box_hit[i] = instance_hit[k - 1] = True
    return instance_hit.count(True), box_hit.count(False), instance_hit.count(False), int(not boxes), invalid


def csv_text(table: Table) -> str:
    """A table as the evaluators write it."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return lines.getvalue()


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["generator"], row["uid"]


def _by_generator(rows: Table) -> list[tuple[str, Table]]:
    return [(name, [r for r in rows if r["generator"] == name]) for name in sorted({r["generator"] for r in rows})]


def _divide(a: float, b: float) -> float:
    return a / b if b else 0.0


def _precision_recall_f1(tp: int, fp: int, fn: int) -> tuple[float, float, float]:
    p, r = _divide(tp, tp + fp), _divide(tp, tp + fn)
    return p, r, _divide(2 * p * r, p + r)
