"""The official X-AIGD counts: polygons to masks, masks to the model's frame, pixels and boxes to true and false.

After the evaluators published with the data set (Xiao et al., "Unveiling Perceptual Artifacts", ICLR 2026;
``metrics/`` of github.com/Coxy7/X-AIGD), number for number. Masks are uint8: 0, or 255 where there is an artifact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import cv2
import numpy as np

from synthscope.errors import SynthscopeError, UsageError

_DILATION = np.ones((5, 5), np.uint8)


@dataclass(frozen=True)
class Counts:
    """Pixels (or instances and boxes) summed over images; ratios of sums, so that 0/0 is 0.

    >>> total = Counts(tp=9, fp=16, images=1) + Counts(images=1, zero_predictions=1)
    >>> total.iou, total.precision, total.recall, total.images
    (0.36, 0.36, 1.0, 2)
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    images: int = 0
    zero_predictions: int = 0
    invalid_boxes: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN)."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """2PR / (P + R), rounded in this order, as the official figures are."""
        return _ratio(2 * self.precision * self.recall, self.precision + self.recall)


@dataclass(frozen=True)
class Patch:
    """The part of a mask that can differ from 0: ``mask`` (h, w) starts at row ``top`` and column ``left``."""

    top: int
    left: int
    mask: np.ndarray

    @property
    def area(self) -> int:
        """Pixels other than 0."""
        return _count(self.mask)


@dataclass(frozen=True)
class Frame:
    """Where predictions live: annotations are resized (nearest), then cropped at the centre. Sizes are (width, height).

    >>> Frame(resize_short_side=518, center_crop=(518, 518)).size(1024, 768)
    (518, 518)
    >>> Frame(resize_short_side=518).size(1000, 768)
    (674, 518)

    Raises:
        UsageError: Two ways to resize, or a size below 1.
    """

    resize_size: tuple[int, int] | None = None
    resize_short_side: int | None = None
    center_crop: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.resize_size is not None and self.resize_short_side is not None:
            raise UsageError("Expected one way to resize, got a size and a short side. Name one of them.")
        sizes = (*(self.resize_size or ()), *(self.center_crop or ()))
        if min((*sizes, 1 if self.resize_short_side is None else self.resize_short_side)) < 1:
            raise UsageError(f"Expected sizes of at least 1 pixel, got {self}. Change the size.")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the prediction for an image. Raises ``SynthscopeError`` where the crop does not fit."""
        resized = self._resized(width, height)
        crop = self.center_crop or resized
        if crop[0] > resized[0] or crop[1] > resized[1]:
            raise SynthscopeError(
                f"Expected a crop within {resized[0]}x{resized[1]}, the size of an image of {width}x{height} after "
                f"resizing, got {crop[0]}x{crop[1]}. Crop less, or resize first."
            )
        return crop

    def place(self, patch: Patch, width: int, height: int) -> Patch:
        """``patch`` of an image of ``width`` x ``height``, as seen in the frame."""
        if self == Frame():
            return patch
        rows, columns = (
            _nearest(source, resized)[(resized - crop) // 2 :][:crop]
            for source, resized, crop in zip(
                (height, width), self._resized(width, height)[::-1], self.size(width, height)[::-1], strict=True
            )
        )
        h, w = patch.mask.shape
        top, bottom = np.searchsorted(rows, (patch.top, patch.top + h))
        left, right = np.searchsorted(columns, (patch.left, patch.left + w))
        kept = np.ix_(rows[top:bottom] - patch.top, columns[left:right] - patch.left)
        return Patch(int(top), int(left), patch.mask[kept])

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.resize_size is not None:
            return self.resize_size
        short = self.resize_short_side
        if short is None:
            return width, height
        return (int(width * short / height), short) if height < width else (short, int(height * short / width))


def pixel_polygon(points: Sequence[Sequence[float]] | np.ndarray, *, width: int, height: int) -> np.ndarray:
    """Corners (n, 2) as int32 pixel positions: fractions cut off, then clamped into the image.

    >>> pixel_polygon([(1.9, -0.5), (8.0, 3.2), (0.0, 9.0)], width=8, height=6).tolist()
    [[1, 0], [7, 3], [0, 5]]

    Raises:
        SynthscopeError: Fewer than three corners, or a corner that is not a finite number.
    """
    corners = np.asarray(points, np.float64).reshape(-1, 2)
    if len(corners) < 3 or not np.isfinite(corners).all():
        raise SynthscopeError(
            f"Expected a polygon of at least 3 finite points, got {corners.tolist()[:3]}. Mend or remove the polygon."
        )
    return np.clip(np.trunc(corners), 0, (width - 1, height - 1)).astype(np.int32)


def rasterise(polygons: Sequence[np.ndarray]) -> Patch:
    """Union of polygons from :func:`pixel_polygon`, one ``cv2.fillPoly`` each, edges included.

    >>> rasterise([np.array([(1, 1), (3, 1), (3, 3), (1, 3)], np.int32)]).area
    9
    """
    if not polygons:
        return Patch(0, 0, np.zeros((0, 0), np.uint8))
    corners = np.concatenate(polygons)
    first, last = corners.min(axis=0), corners.max(axis=0)
    mask = np.zeros((last - first + 1)[::-1], np.uint8)
    for polygon in polygons:  # together they would be filled by the even-odd rule, with holes where two overlap
        cv2.fillPoly(mask, [polygon - first], 255)
    return Patch(int(first[1]), int(first[0]), mask)


def count_pixels(truth: Patch, prediction: np.ndarray | None) -> Counts:
    """Pixels of one image. ``prediction`` uint8 (H, W) in the frame of ``truth``; ``None`` is an empty one.

    An image without an annotation counts: whatever is predicted there is false.
    """
    annotated = truth.area
    predicted = 0 if prediction is None else _count(prediction)
    if prediction is None or not predicted:
        return Counts(fn=annotated, images=1, zero_predictions=1)
    h, w = truth.mask.shape
    tp = _count(prediction[truth.top : truth.top + h, truth.left : truth.left + w] & truth.mask)
    return Counts(tp, predicted - tp, annotated - tp, images=1)


def count_instances(
    truth: Patch, boxes: Sequence[tuple[float, float, float, float]], *, width: int, height: int, overlap: float = 0.5
) -> Counts:
    """Instances found and missed (TP, FN) and boxes that find none (FP), of one image and category.

    A box (x_min, y_min, x_max, y_max), half-open, finds every instance that fills more than ``overlap`` of the *box*;
    several boxes may find one instance. A box outside the image, or of no whole pixel, is invalid and finds none.
    """
    numbers, n = number_instances(truth)
    found = np.zeros(n, bool)
    missed = invalid = 0
    for box in boxes:
        pixels = _pixels_of(box, width, height)
        invalid += pixels is None
        hits = _found_by(pixels, truth, numbers, n, overlap) if pixels else np.zeros(n, bool)
        missed += not hits.any()
        found |= hits
    tp = int(found.sum())
    return Counts(tp, missed, n - tp, images=1, zero_predictions=int(not boxes), invalid_boxes=invalid)


def number_instances(truth: Patch) -> tuple[np.ndarray, int]:
    """Number of the instance of each pixel of ``truth.mask`` (int32, 0 = none), and how many there are.

    Pieces that touch, corners included, after one dilation by 5x5 are one instance.
    """
    if not truth.area:
        return np.zeros(truth.mask.shape, np.int32), 0
    # What a dilation adds outside the patch joins nothing: clamped to the patch, any path through it stays a path.
    count, numbers = cv2.connectedComponents(cv2.dilate(truth.mask, _DILATION), connectivity=8)
    return cv2.copyTo(numbers, truth.mask), count - 1


def _pixels_of(box: tuple[float, float, float, float], width: int, height: int) -> tuple[int, int, int, int] | None:
    x_min, y_min, x_max, y_max = box
    if not (0 <= x_min < x_max <= width and 0 <= y_min < y_max <= height):  # false for NaN, too
        return None
    left, top, right, bottom = map(int, box)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _found_by(
    pixels: tuple[int, int, int, int], truth: Patch, numbers: np.ndarray, n: int, overlap: float
) -> np.ndarray:
    left, top, right, bottom = pixels
    area = (right - left) * (bottom - top)
    rows = slice(max(top - truth.top, 0), max(bottom - truth.top, 0))
    columns = slice(max(left - truth.left, 0), max(right - truth.left, 0))
    if _count(truth.mask[rows, columns]) / area <= overlap:  # so no single instance fills more
        return np.zeros(n, bool)
    return np.bincount(numbers[rows, columns].ravel(), minlength=n + 1)[1:] / area > overlap


def _nearest(source: int, target: int) -> np.ndarray:
    # The double inverse is OpenCV's rounding: floor(x * source / target) is another pixel now and then.
    return np.minimum(np.floor(np.arange(target) * (1 / (target / source))).astype(np.int64), source - 1)


def _count(mask: np.ndarray) -> int:
    return cv2.countNonZero(mask) if mask.size else 0


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
