"""The official X-AIGD evaluators on folders of masks and on CSVs of boxes, in one pass over the images.

Numbers, column names, row order and number format are those of the data set's own scripts; what those scripts score
as 0 or pass over without a word (a folder that is not there, predictions for images that are not in the data) stops
here. ``unknown="ignore"`` passes over the latter, and counts them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthscope.annotations.taxonomy import LABELS
from synthscope.errors import UsageError, suggest
from synthscope.metrics.xaigd import Counts, Frame, count_instances, count_pixels, rasterise
from synthscope.runtime import track, whole_file
from synthscope.runtime.threads import in_threads
from synthscope.runtime.told import to_cell
from synthscope.scoring.xaigd.predictions import find_masks, prediction_key, read_boxes, read_mask
from synthscope.scoring.xaigd.records import AnnotatedImage

TASKS = ("category-agnostic", "fine-grained")
UNKNOWN = ("error", "ignore")

Row = dict[str, str | int | float]


@dataclass(frozen=True)
class ParityScores:
    """Rows of the two official tables; keys are the column names."""

    overall: list[Row]
    per_generator: list[Row]
    ignored: int  # predictions (mask files or boxes) for images outside of the data


def score_pixels(
    images: Sequence[AnnotatedImage],
    prediction_root: str | Path,
    *,
    task: str,
    frame: Frame | None = None,
    prediction_threshold: int = 127,
    unknown: str = "error",
    workers: int | None = None,
) -> ParityScores:
    """IoU, PixP, PixR and PixF1 of predicted masks, over all pixels of all images.

    Masks are the files ``*.png`` in ``root/generator/uid/`` (``category-agnostic``) or ``root/generator/category/uid/``
    (``fine-grained``), of the size that ``frame`` gives; several in a folder are united. A pixel is predicted where
    its grey value, as ``cv2.imread`` reads it, is above ``prediction_threshold``.

    Raises:
        UsageError: Unknown task or ``unknown``, or a threshold outside 0 to 255.
        SynthscopeError: No such folder, a folder or file that belongs to no image (unless ``unknown`` is "ignore"), a
            mask of another size or one that cannot be read; the sentence names it.
    """
    if task not in TASKS:
        raise UsageError(f"Expected a task, got {task!r}. {suggest(task, TASKS)}")
    if not 0 <= prediction_threshold <= 255:
        raise UsageError(f"Expected a prediction threshold of 0 to 255, got {prediction_threshold}. Change it.")
    frame = frame or Frame()
    categories: tuple[str | None, ...] = LABELS if task == "fine-grained" else (None,)
    masks, ignored = find_masks(prediction_root, images, task=task, ignore_unknown=_ignores(unknown))

    def count(image: AnnotatedImage) -> list[Counts]:
        counts = []
        size = frame.size(image.width, image.height)
        for category in categories:
            chosen = [category] if category else list(image.polygons)
            polygons = [polygon for name in chosen for polygon in image.polygons.get(name, ())]
            truth = frame.place(rasterise(polygons), image.width, image.height)
            files = masks.get(prediction_key(image, category), ())
            counts.append(count_pixels(truth, read_mask(files, size, threshold=prediction_threshold)))
        return counts

    return _tables(
        _totals(images, count, workers),
        lambda generator, i, total: {
            "generator": generator,
            "task": task,
            "category": categories[i] or "all",
            "IoU": total.iou,
            "PixP": total.precision,
            "PixR": total.recall,
            "PixF1": total.f1,
            "evaluated_images": total.images,
            "zero_prediction_images": total.zero_predictions,
        },
        ignored,
    )


def score_instances(
    images: Sequence[AnnotatedImage],
    prediction_csv: str | Path,
    *,
    overlap_threshold: float = 0.5,
    unknown: str = "error",
    workers: int | None = None,
) -> ParityScores:
    """Precision, recall and F1 of predicted boxes by category.

    A box is right where an artifact fills more than the threshold of *its own* area, which is not IoU; see
    :func:`synthscope.metrics.xaigd.count_instances`. ``prediction_csv`` has the columns ``generator, uid, category,
    x_min, y_min, x_max, y_max``, in pixels.

    Raises:
        UsageError: A threshold outside 0 to 1, or another word as ``unknown``.
        SynthscopeError: A missing file or column, an unknown category, an unknown image (unless ``unknown`` is
            "ignore"), or a corner that is not a number; the sentence names file and row.
    """
    if not 0 <= overlap_threshold <= 1:
        raise UsageError(f"Expected an overlap threshold of 0 to 1, got {overlap_threshold}. Change it.")
    boxes, ignored = read_boxes(prediction_csv, images, ignore_unknown=_ignores(unknown))

    def count(image: AnnotatedImage) -> list[Counts]:
        return [
            count_instances(
                rasterise(image.polygons.get(category, ())),
                boxes.get(prediction_key(image, category), ()),
                width=image.width,
                height=image.height,
                overlap=overlap_threshold,
            )
            for category in LABELS
        ]

    at = f"@{overlap_threshold:g}"
    return _tables(
        _totals(images, count, workers),
        lambda generator, i, total: {
            "generator": generator,
            "category": LABELS[i],
            f"P{at}": total.precision,
            f"R{at}": total.recall,
            f"F1{at}": total.f1,
            "TP": total.tp,
            "FP": total.fp,
            "FN": total.fn,
            "evaluated_images": total.images,
            "zero_prediction_images": total.zero_predictions,
            "invalid_prediction_boxes": total.invalid_boxes,
        },
        ignored,
    )


def write_rows(rows: Sequence[Row], path: str | Path) -> None:
    """A CSV as the official scripts write it: ``\\n`` ends a line, floats have the shortest digits that read back."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: to_cell(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows)


def _ignores(unknown: str) -> bool:
    if unknown not in UNKNOWN:
        raise UsageError(f"Expected error or ignore for unknown images, got {unknown!r}. {suggest(unknown, UNKNOWN)}")
    return unknown == "ignore"


def _totals(
    images: Sequence[AnnotatedImage], count: Callable[[AnnotatedImage], list[Counts]], workers: int | None
) -> dict[str, list[Counts]]:
    totals: dict[str, list[Counts]] = {}
    each = track(in_threads(count, images, workers), "X-AIGD metrics", total=len(images))
    for image, counts in zip(images, each, strict=True):
        so_far = totals.setdefault(image.generator, [Counts()] * len(counts))
        totals[image.generator] = [a + b for a, b in zip(so_far, counts, strict=True)]
    return totals


def _tables(totals: dict[str, list[Counts]], row: Callable[[str, int, Counts], Row], ignored: int) -> ParityScores:
    together = [sum(column, Counts()) for column in zip(*totals.values(), strict=True)]
    return ParityScores(
        overall=[row("all", i, total) for i, total in enumerate(together)],
        per_generator=[row(name, i, total) for name in sorted(totals) for i, total in enumerate(totals[name])],
        ignored=ignored,
    )
