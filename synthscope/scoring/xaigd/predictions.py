"""Predictions to be scored by the X-AIGD metrics: folders of PNG masks, and a CSV of boxes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from synthscope.annotations.taxonomy import LABELS
from synthscope.errors import SynthscopeError, suggest
from synthscope.scoring.xaigd.records import AnnotatedImage

BOX_COLUMNS = ("generator", "uid", "category", "x_min", "y_min", "x_max", "y_max")

Box = tuple[float, float, float, float]
_PNG = b"\x89PNG\r\n\x1a\n"


def prediction_key(image: AnnotatedImage, category: str | None) -> tuple[str, ...]:
    """Where the prediction is: (generator, uid), or (generator, category, uid)."""
    return (image.generator, category, image.uid) if category else (image.generator, image.uid)


def find_masks(root: str | Path, images: Sequence[AnnotatedImage], *, task: str) -> dict[tuple[str, ...], list[Path]]:
    """PNG files by (generator, uid) or (generator, category, uid); hidden files count, ``.PNG`` does not."""
    root = Path(root)
    if not root.is_dir():
        raise SynthscopeError(f"Expected a folder of predictions, got {root}, which is none. Check --prediction-root.")
    categories = LABELS if task == "fine-grained" else (None,)
    wanted = {prediction_key(image, category) for image in images for category in categories}
    if slash := [part for key in wanted for part in key if "/" in part]:
        raise SynthscopeError(f"Expected names that can be folders, got {slash[0]!r} in the data. Rename the image.")
    branches = {key[:depth] for key in wanted for depth in range(1, len(key))}
    found: dict[tuple[str, ...], list[Path]] = {}

    def walk(folder: Path, above: tuple[str, ...]) -> None:
        for entry in sorted(folder.iterdir()):
            key = (*above, entry.name)
            if key in branches or key in wanted:
                if not entry.is_dir():
                    raise SynthscopeError(f"Expected a folder, got the file {entry}. Make a folder of it.")
                if key in branches:
                    walk(entry, key)
                else:
                    found[key] = sorted(file for file in entry.iterdir() if file.name.endswith(".png"))
            elif entry.suffix == ".png" or (entry.is_dir() and not entry.name.startswith(".")):
                _refuse(entry, above, task)

    walk(root, ())
    return found


def read_boxes(file: str | Path, images: Sequence[AnnotatedImage]) -> dict[tuple[str, ...], list[Box]]:
    """Boxes by (generator, category, uid), as they stand: whether one lies in its image is decided when counting."""
    known = {image.key for image in images}
    boxes: dict[tuple[str, ...], list[Box]] = {}
    try:
        with Path(file).open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if missing := [column for column in BOX_COLUMNS if column not in (reader.fieldnames or ())]:
                raise SynthscopeError(f"Expected a column {missing[0]!r} in {file}, got none. Add it.")
            for number, row in enumerate(reader, start=2):
                generator, uid, category = row["generator"], row["uid"], row["category"]
                where = f"{file}, row {number}"
                if category not in LABELS:
                    advice = suggest(str(category), LABELS)
                    raise SynthscopeError(f"Expected an X-AIGD category, got {category!r} in {where}. {advice}")
                if (generator, uid) not in known:
                    raise SynthscopeError(
                        f"Expected an image of the data, got generator {generator!r}, uid {uid!r} in {where}. "
                        "Remove the row, or name the data it belongs to."
                    )
                boxes.setdefault((generator, category, uid), []).append(_box(row, where))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SynthscopeError(f"Expected a CSV of boxes, got {file}: {error}. Check --prediction-csv.") from error
    return boxes


def read_mask(files: Sequence[Path], size: tuple[int, int], *, threshold: int) -> np.ndarray | None:
    """Union of PNG masks as uint8 (H, W): 255 where a grey value is above ``threshold``; ``None`` without a file.

    Grey values are those of ``cv2.imread``: alpha is ignored, of 16 bits the upper 8 count.

    Raises:
        SynthscopeError: A file that cannot be decoded, or is not of ``size`` (width, height).
    """
    grey: np.ndarray | None = None
    for file in files:
        mask = _read_grey(file, size)
        grey = mask if grey is None else cv2.max(grey, mask)
    return None if grey is None else cv2.threshold(grey, threshold, 255, cv2.THRESH_BINARY)[1]


def _read_grey(file: Path, size: tuple[int, int]) -> np.ndarray:
    width, height = size
    try:
        with file.open("rb") as data:
            head = data.read(24)
    except OSError as error:
        raise SynthscopeError(f"Expected a PNG file, got {file}: {error.strerror}. Check the file.") from error
    shape = int.from_bytes(head[20:24]), int.from_bytes(head[16:20])
    grey: np.ndarray | None = None
    if head.startswith(_PNG) and shape[0] * shape[1] == width * height:  # no other size is worth its memory
        grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        shape = shape if grey is None else (grey.shape[0], grey.shape[1])
    if head.startswith(_PNG) and shape != (height, width):
        raise SynthscopeError(
            f"Expected a mask of {width}x{height}, got {shape[1]}x{shape[0]} in {file}. Save it at that size, or name "
            "the resizing and the crop of the model."
        )
    if grey is None:
        raise SynthscopeError(f"Expected a whole PNG file, got {file}, which cannot be decoded. Save the mask again.")
    return grey


def _refuse(entry: Path, above: tuple[str, ...], task: str) -> None:
    layout = "generator/category/uid/*.png" if task == "fine-grained" else "generator/uid/*.png"
    advice = "Remove it, or name the data that it belongs to."
    if entry.name in LABELS:
        advice = "For masks by category use --task fine-grained."
    elif task == "fine-grained" and len(above) == 1:
        advice = suggest(entry.name, LABELS)
    raise SynthscopeError(f"Expected {layout} for the images of the data, got {entry}. {advice}")


def _box(row: dict[str, str], where: str) -> Box:
    try:
        x_min, y_min, x_max, y_max = (float(row[column]) for column in BOX_COLUMNS[3:])
    except (TypeError, ValueError):
        corners = ", ".join(str(row[column]) for column in BOX_COLUMNS[3:])
        raise SynthscopeError(f"Expected four numbers, got {corners} in {where}. Mend the row.") from None
    return x_min, y_min, x_max, y_max
