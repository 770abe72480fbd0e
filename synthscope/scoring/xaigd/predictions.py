"""Predictions to be scored by the X-AIGD metrics: folders of masks called ``*.png``, and a CSV of boxes."""

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
Key = tuple[str, ...]
_PNG = b"\x89PNG\r\n\x1a\n"


def prediction_key(image: AnnotatedImage, category: str | None) -> Key:
    """Where the prediction is: (generator, uid), or (generator, category, uid)."""
    return (image.generator, category, image.uid) if category else (image.generator, image.uid)


def find_masks(
    root: str | Path, images: Sequence[AnnotatedImage], *, task: str, ignore_unknown: bool = False
) -> tuple[dict[Key, list[Path]], int]:
    """PNG files by (generator, uid) or (generator, category, uid), and how many others were ignored.

    Hidden files count, ``.PNG`` does not. A folder or file that belongs to no image is an error unless
    ``ignore_unknown``.
    """
    root = Path(root)
    if not root.is_dir():
        raise SynthscopeError(f"Expected a folder of predictions, got {root}, which is none. Check --prediction-root.")
    categories = LABELS if task == "fine-grained" else (None,)
    wanted = {prediction_key(image, category) for image in images for category in categories}
    if slash := [part for key in wanted for part in key if "/" in part]:
        raise SynthscopeError(f"Expected names that can be folders, got {slash[0]!r} in the data. Rename the image.")
    branches = {key[:depth] for key in wanted for depth in range(1, len(key))}
    found: dict[Key, list[Path]] = {}
    unknown: list[Path] = []

    def walk(folder: Path, above: Key) -> None:
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
                if not ignore_unknown:
                    _refuse(entry, above, task)
                unknown.append(entry)

    walk(root, ())
    return found, sum(1 if entry.is_file() else len(list(entry.rglob("*.png"))) for entry in unknown)


def read_boxes(
    file: str | Path, images: Sequence[AnnotatedImage], *, ignore_unknown: bool = False
) -> tuple[dict[Key, list[Box]], int]:
    """Boxes by (generator, category, uid), and how many of other images were ignored.

    Boxes are taken as they stand: whether one lies in its image is decided when counting. One of an image that is not
    in the data is an error unless ``ignore_unknown``.
    """
    known = {image.key for image in images}
    boxes: dict[Key, list[Box]] = {}
    ignored = 0
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
                box = _box(row, where)
                if (generator, uid) in known:
                    boxes.setdefault((generator, category, uid), []).append(box)
                elif ignore_unknown:
                    ignored += 1
                else:
                    raise SynthscopeError(
                        f"Expected an image of the data, got generator {generator!r}, uid {uid!r} in {where}. Remove "
                        f"the row, name the data it belongs to, or leave such rows out with --unknown ignore."
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SynthscopeError(f"Expected a CSV of boxes, got {file}: {error}. Check --prediction-csv.") from error
    return boxes, ignored


def read_mask(files: Sequence[Path], size: tuple[int, int], *, threshold: int) -> np.ndarray | None:
    """Union of masks as uint8 (H, W): 255 where a grey value is above ``threshold``; ``None`` without a file.

    Files and grey values are read as ``cv2.imread`` does: whatever the name says, the content tells the format; alpha
    is ignored, of 16 bits the upper 8 count.

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
        raise SynthscopeError(f"Expected an image file, got {file}: {error.strerror}. Check the file.") from error
    grey: np.ndarray | None = None
    shape: tuple[int, ...] = int.from_bytes(head[20:24]), int.from_bytes(head[16:20])
    is_png = head.startswith(_PNG)
    if not is_png or shape[0] * shape[1] == width * height:  # no other size is worth its memory
        grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)  # of other formats at most 2**30 pixels, OpenCV's own limit
        shape = shape if grey is None else grey.shape
    if (is_png or grey is not None) and shape != (height, width):
        raise SynthscopeError(
            f"Expected a mask of {width}x{height}, got {shape[1]}x{shape[0]} in {file}. Save it at that size, or name "
            "the resizing and the crop of the model."
        )
    if grey is None:
        raise SynthscopeError(f"Expected a whole image in {file}, got one that cannot be decoded. Save the mask again.")
    return grey


def _refuse(entry: Path, above: tuple[str, ...], task: str) -> None:
    layout = "generator/category/uid/*.png" if task == "fine-grained" else "generator/uid/*.png"
    advice = "Remove it, name the data that it belongs to, or leave it out with --unknown ignore."
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
