"""Agreement between annotators of the same images, with bootstrap intervals over images, or the groups they belong to.

Independent annotations only: where one annotator saw another's marks (X-AIGD's relay rounds), agreement means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.annotations.masks import image_masks
from synthscope.annotations.records import Row, size_of
from synthscope.annotations.taxonomy import BY_LABEL, CATEGORIES
from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.intervals import percentile_interval
from synthscope.metrics.resampling import draw_weights
from synthscope.runtime import track

Floats = NDArray[np.float64]
THRESHOLDS = (0.3, 0.5)  # IoU at which two regions are the same
_SAME = 0.5  # … whose categories are compared
SCHEMA = pl.Schema(
    {
        "measure": pl.String,
        "category": pl.String,  # null = any
        "value": pl.Float64,
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "n_images": pl.Int64,  # annotated by all
        "n_regions": pl.Int64,  # of all annotators
    }
)


def agreement(annotators: Sequence[pl.DataFrame], *, n_resamples: int = 2000, seed: int = 0) -> pl.DataFrame:
    """Agreement of two or more annotation tables on the images that are in all of them.

    With k of R annotators marking a pixel, p the mean share of marked pixels, and sums over all pixels and images:

    - ``mask_iou``: IoU of two annotators' masks, mean over pairs and images; pairs of empty masks are left out.
    - ``fleiss_kappa_iou``: (IoU - E) / (1 - E), where IoU = Σ C(k, 2) / Σ (C(R, 2) - C(R - k, 2)) and E = p / (2 - p),
      the IoU of annotators who mark as much at random.
    - ``fleiss_kappa_pixels``: Fleiss (1971), every pixel an item, marked or not.
    - ``instance_f1@t``: regions matched one to one at IoU >= t, 2 matches / regions, over pairs.
    - ``category_kappa``: of regions matched at IoU >= 0.5; Cohen (1960) of two annotators, of more Fleiss' over pairs.

    Images are the same if all rows have a ``sha256`` and these are equal, else if the paths are. Those of one ``uid``
    (a prompt that several generators drew), without one of the same bytes, are not independent and are drawn together.

    Args:
        annotators: Tables with the columns of ``ANNOTATIONS``, one an annotator.
        n_resamples: Of the bootstrap over images.
        seed: Of the bootstrap.

    Returns:
        A row for each measure, overall (category null) and, but for ``category_kappa``, for each category that
        somebody used. NaN where nothing can be said.

    Raises:
        UsageError: Fewer than two tables.
        SynthscopeError: No common images, one of unknown size, an unknown category, or a region that is wrong.
    """
    if len(annotators) < 2:
        raise UsageError(f"Expected two or more annotators, got {len(annotators)}. Name another table.")
    kappa = _cohen if len(annotators) == 2 else _fleiss
    return _compared(_shared(annotators), len(annotators), kappa, n_resamples, seed)


def pooled_agreement(table: pl.DataFrame, *, n_resamples: int = 2000, seed: int = 0) -> pl.DataFrame:
    """Agreement of any two annotators of an image, over all pairs of annotators, however few images each pair shares.

    Measures are those of :func:`agreement`, of two; ``category_kappa`` is Scott's pi (1955), because the two are not
    always the same people; ``n_images`` counts an image once for each pair. Leave out annotators who saw earlier
    marks.

    Args:
        table: Columns of ``ANNOTATIONS``, with annotators.
        n_resamples: Of the bootstrap over images.
        seed: Of the bootstrap.

    Raises:
        SynthscopeError: No image of two annotators, or as :func:`agreement`.
    """
    images = []
    for _, rows in table.group_by("path", maintain_order=True):
        people = [own.to_dicts() for own in by_annotator(rows)]
        images += [list(pair) for pair in combinations(people, 2)]
    if not images:
        raise SynthscopeError("Expected images that two annotators share, got none. Give some images to two.")
    return _compared(images, 2, _fleiss, n_resamples, seed)


def agreement_by_pair(table: pl.DataFrame, *, n_resamples: int = 2000, seed: int = 0) -> pl.DataFrame:
    """:func:`agreement` of every pair of annotators who share images: its columns after ``first`` and ``second``."""
    named = [(own["annotator"][0], own) for own in by_annotator(table)]
    found = [pl.DataFrame(schema={"first": pl.String, "second": pl.String, **SCHEMA})]
    for (first, one), (second, other) in combinations(named, 2):
        if set(one["path"]) & set(other["path"]):
            figures = agreement([one, other], n_resamples=n_resamples, seed=seed)
            found.append(figures.select(pl.lit(first).alias("first"), pl.lit(second).alias("second"), pl.all()))
    return pl.concat(found)


def _compared(
    images: list[list[list[Row]]], raters: int, kappa: Callable[[Floats], Floats], n_resamples: int, seed: int
) -> pl.DataFrame:
    used = {row["category"] for people in images for rows in people for row in rows} - {None}
    if foreign := used - BY_LABEL.keys():
        raise SynthscopeError(
            f"Expected categories of the taxonomy, got {min(foreign)!r}. Run synthscope annotate validate on each."
        )
    scopes = [None, *(category.label for category in CATEGORIES if category.label in used)]
    regions: dict[str | None, list[int]] = {scope: [] for scope in scopes}
    statistics: dict[str | None, list[Floats]] = {scope: [] for scope in scopes}
    tables: list[Floats] = []
    for people in track(images, "comparing"):
        masks = [image_masks(rows, *_size(people), per="instance") for rows in people]
        labels = [[row["category"] for row in rows if row["region"] is not None] for rows in people]
        for scope in scopes:
            chosen = [m[[scope in (None, label) for label in own]] for m, own in zip(masks, labels, strict=True)]
            statistics[scope].append(_statistics(chosen))
            regions[scope].append(sum(map(len, chosen)))
        tables.append(_contingency(masks, labels))
    counts = draw_weights([_group(people) for people in images], n_resamples, seed)
    measures = _measures(raters)
    rows = [
        (name, scope, *_with_interval(np.array(statistics[scope]), measure, counts), len(images), sum(regions[scope]))
        for scope in scopes
        for name, measure in measures.items()
    ]
    matched = _with_interval(np.array(tables), kappa, counts)
    rows.append(("category_kappa", None, *matched, len(images), sum(regions[None])))
    return pl.DataFrame(rows, SCHEMA, orient="row").sort(pl.col("category").is_not_null(), maintain_order=True)


def by_annotator(table: pl.DataFrame) -> list[pl.DataFrame]:
    """One table for each annotator named in the column ``annotator``, by name."""
    return [rows for _, rows in sorted(table.group_by("annotator"), key=lambda group: str(group[0]))]


def _shared(annotators: Sequence[pl.DataFrame]) -> list[list[list[Row]]]:
    """Rows by image and annotator of the images that all have annotated."""
    key = "path" if any(table["sha256"].has_nulls() for table in annotators) else "sha256"
    grouped = [table.partition_by(key, as_dict=True, maintain_order=True) for table in annotators]
    common = [image for image in grouped[0] if all(image in group for group in grouped)]
    if not common:
        raise SynthscopeError(
            f"Expected images that all annotators share, got none with the same {key}. Give all tables the same paths, "
            "or import them where the images are."
        )
    return [[group[image].to_dicts() for group in grouped] for image in common]


def _group(raters: list[list[Row]]) -> str:
    """What an image is drawn with."""
    rows = [row for rows in raters for row in rows]
    return next(f"{name} {row[name]}" for name in ("uid", "sha256", "path") for row in rows if row[name] is not None)


def _size(raters: list[list[Row]]) -> tuple[int, int]:
    row = next((row for rows in raters for row in rows if row["width"] and row["height"]), raters[0][0])
    return size_of(row)


def _statistics(masks: list[NDArray[np.bool_]]) -> Floats:
    """Sums that all measures follow from: pixels by number of votes, Σ IoU and pairs, matches and regions at each t."""
    unions = np.array([m.any(axis=0) for m in masks])
    votes = np.bincount(unions.sum(axis=0).ravel(), minlength=len(masks) + 1)
    ious = [np.count_nonzero(a & b) / either for a, b in combinations(unions, 2) if (either := np.count_nonzero(a | b))]
    found = []
    for threshold in THRESHOLDS:
        pairs = list(combinations(masks, 2))
        found += [sum(len(match(a, b, threshold)) for a, b in pairs), sum(len(a) + len(b) for a, b in pairs)]
    return np.array([*votes, sum(ious), len(ious), *found], dtype=np.float64)


def match(a: NDArray[np.bool_], b: NDArray[np.bool_], threshold: float) -> list[tuple[int, int]]:
    """Pairs of regions ``(n, H, W)`` and ``(m, H, W)`` with IoU >= ``threshold``, as many as can be, one to one."""
    from scipy.optimize import linear_sum_assignment

    if not len(a) or not len(b):
        return []
    flat_a, flat_b = (m.reshape(len(m), -1).astype(np.float32) for m in (a, b))
    both = (flat_a @ flat_b.T).astype(np.float64)
    either = flat_a.sum(axis=1, dtype=np.float64)[:, None] + flat_b.sum(axis=1, dtype=np.float64) - both
    iou = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    gain = np.where(iou >= threshold, len(a) + len(b) + iou, 0.0)  # first as many pairs as can be, then the best
    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(-gain), strict=True) if gain[i, j]]


def _contingency(masks: list[NDArray[np.bool_]], labels: list[list[str | None]]) -> Floats:
    """Matched pairs by the categories of the two annotators, flattened from ``(7, 7)``."""
    table = np.zeros((len(CATEGORIES), len(CATEGORIES)))
    for first, second in combinations(range(len(masks)), 2):
        for i, j in match(masks[first], masks[second], _SAME):
            one, other = labels[first][i], labels[second][j]
            if one is not None and other is not None:
                table[BY_LABEL[one].number - 1, BY_LABEL[other].number - 1] += 1
    return table.ravel()


def _measures(raters: int) -> dict[str, Callable[[Floats], Floats]]:
    """Measure of sums of :func:`_statistics` ``(…, k)``."""
    k = np.arange(raters + 1)
    pairs = raters * (raters - 1) / 2
    both, neither = k * (k - 1) / 2, (raters - k) * (raters - k - 1) / 2

    def share(s: Floats) -> Floats:
        return (s[..., : raters + 1] @ k) / (raters * s[..., : raters + 1].sum(axis=-1))

    def kappa_iou(s: Floats) -> Floats:
        votes, p = s[..., : raters + 1], share(s)
        return _corrected(_ratio(votes @ both, votes @ (pairs - neither)), p / (2 - p))

    def kappa_pixels(s: Floats) -> Floats:
        votes, p = s[..., : raters + 1], share(s)
        return _corrected((votes @ (both + neither)) / (pairs * votes.sum(axis=-1)), p**2 + (1 - p) ** 2)

    def f1(place: int) -> Callable[[Floats], Floats]:
        return lambda s: _ratio(2 * s[..., place], s[..., place + 1])

    iou = raters + 1
    measures: dict[str, Callable[[Floats], Floats]] = {"mask_iou": lambda s: _ratio(s[..., iou], s[..., iou + 1])}
    measures |= {"fleiss_kappa_iou": kappa_iou, "fleiss_kappa_pixels": kappa_pixels}
    return measures | {f"instance_f1@{t}": f1(iou + 2 + 2 * i) for i, t in enumerate(THRESHOLDS)}


def _cohen(tables: Floats) -> Floats:
    t = tables.reshape(*tables.shape[:-1], len(CATEGORIES), len(CATEGORIES))
    total = t.sum(axis=(-2, -1))
    chance = _ratio((t.sum(axis=-1) * t.sum(axis=-2)).sum(axis=-1), total**2)
    return _corrected(_ratio(np.trace(t, axis1=-2, axis2=-1), total), chance)


def _fleiss(tables: Floats) -> Floats:
    t = tables.reshape(*tables.shape[:-1], len(CATEGORIES), len(CATEGORIES))
    total = t.sum(axis=(-2, -1))
    chance = _ratio(((t.sum(axis=-1) + t.sum(axis=-2)) ** 2).sum(axis=-1), 4 * total**2)
    return _corrected(_ratio(np.trace(t, axis1=-2, axis2=-1), total), chance)


def _corrected(observed: Floats, chance: Floats) -> Floats:
    return _ratio(observed - chance, 1 - chance)


def _ratio(a: Floats, b: Floats) -> Floats:
    """``a / b``, NaN where ``b`` is 0."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.divide(a, b, out=np.full(np.broadcast(a, b).shape, np.nan), where=b != 0)


def _with_interval(
    statistics: Floats, measure: Callable[[Floats], Floats], counts: Floats
) -> tuple[float, float, float]:
    low, high = percentile_interval(measure(counts @ statistics))
    return float(measure(statistics.sum(axis=0))), float(low), float(high)
