"""Logits of erased images to effects: what a detector's logits and verdicts owe to artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.metrics.intervals import percentile_interval
from synthscope.metrics.resampling import draw_weights
from synthscope.runtime import seed_for
from synthscope.schema import with_group
from synthscope.studies.erasure.values import REPAIR

RESAMPLES = 1000
PERMUTATIONS = 9999
FEWEST = 10  # images that a category is reported for
UNIT = ["detector", "view", "fill"]
ERASURE_SCORES = pl.Schema(
    dict.fromkeys([*UNIT, "category", "metric"], pl.String)  # category null = all regions of an image
    | {"value": pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64}  # 95 %, bootstrap over groups of images
    | {"p_value": pl.Float64}  # sign flips over groups, two-sided
    | {
        "n": pl.Int64,  # images
        "n_excluded": pl.Int64,  # images whose artifacts fill more than half of what the detector sees, or none of it
        "n_error": pl.Int64,  # images that could not be scored
    }
)
Floats = NDArray[np.float64]


def erasure_scores(table: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    """Effects of erasing, means over images.

    Drops are logits of the image less those of the erased one: positive where the region spoke for AI. ``drop_benign``
    is the mean over an image's benign regions, ``difference`` is ``drop_artifact`` less it, image by image.
    ``flips_…`` are shares of images whose verdict changes. ``…_sd`` are divided by the standard deviation of the
    detector's logits of these images, so that detectors compare. With twins, ``drop_twin`` is what erasing alone does
    at the very place where the artifacts would be; and for the fill ``repair``, which leaves no traces and needs no
    benign region, ``drop_artifact`` is the logit of the image less that of its twin.

    Args:
        table: :func:`synthscope.studies.erasure.study.erase`.
        seed: Of bootstrap and permutations.

    Returns:
        Columns of ``ERASURE_SCORES``. The p-value is that of a permutation test with random signs, (k + 1) / (n + 1),
        of ``difference``, ``flips_difference`` and the ``drop_artifact`` of ``repair``. Images of one ``group`` are
        drawn together, and share their sign.
    """
    table = with_group(table).with_columns(image=pl.coalesce("sha256", "path"))
    table = table.unique(["image", *UNIT, "category"], keep="first", maintain_order=True)
    errors = table.filter(pl.col("error").is_not_null()).group_by(UNIT).len("n_error")
    rows: list[dict[str, Any]] = []
    scored = table.filter(pl.col("error").is_null())
    for key, group in scored.partition_by([*UNIT, "category"], as_dict=True, maintain_order=True).items():
        used = group.filter(pl.col("excluded").is_null())
        named = dict(zip([*UNIT, "category"], key, strict=True)) | {"n_excluded": group.height - used.height}
        if used.height >= (1 if named["category"] is None else FEWEST):
            rows += [named | row for row in _effects(used, seed)]
    scores = pl.DataFrame(rows, schema={name: ERASURE_SCORES[name] for name in ERASURE_SCORES if name != "n_error"})
    scores = scores.join(errors, on=UNIT, how="left", maintain_order="left").with_columns(
        pl.col("n_error").fill_null(0).cast(pl.Int64)
    )
    return scores.select(list(ERASURE_SCORES))


def sign_flip_p(
    values: Floats, groups: Sequence[str] | None = None, *, seed: int, n_permutations: int = PERMUTATIONS
) -> float:
    """Two-sided p-value of the mean of ``(n,)`` paired differences: (k + 1) / (n_permutations + 1).

    k counts random signs that give a mean at least as far from 0. Differences of one of the ``groups`` ``(n,)`` keep
    their relations and flip together, because they are not independent. With few groups p cannot be small: at least
    about 2 / 2^groups.

    >>> round(sign_flip_p(np.ones(4), seed=0, n_permutations=99999), 2), sign_flip_p(np.zeros(3), seed=0)
    (0.12, 1.0)
    """
    if groups is not None:  # a group counts as its sum
        values = np.bincount(np.unique(np.asarray(groups), return_inverse=True)[1], values).astype(np.float64)
    rng, n = np.random.default_rng(seed_for("signs", seed, len(values))), len(values)
    observed, extreme, block = abs(values.sum()), 0, max(1, 2**22 // max(n, 1))
    slack = 1e-9 * np.abs(values).sum()  # sums of the same numbers in another order
    for start in range(0, n_permutations, block):
        signs = rng.integers(0, 2, (min(block, n_permutations - start), n), dtype=np.int8)
        sums = values.sum() - 2 * signs @ values
        extreme += int((np.abs(sums) >= observed - slack).sum())
    return (extreme + 1) / (n_permutations + 1)


def _effects(used: pl.DataFrame, seed: int) -> list[dict[str, Any]]:
    """Value, interval, p-value and n of every metric; ``used`` holds the images of one group."""
    columns = ("logit", "logit_artifact", "logit_twin", "logit_twin_erased")
    logit, artifact, twin, twin_erased = (used[name].cast(pl.Float64).to_numpy() for name in columns)
    threshold, repaired = used["threshold"].to_numpy(), used["fill"][0] == REPAIR
    every, twins = used["group"].to_list(), np.isfinite(twin_erased)
    values = {"drop_artifact": logit - artifact}
    flips = {"flips_artifact": _flips(logit, artifact, threshold)}
    if not repaired:
        benign = np.array(used["logits_benign"].to_list(), np.float64)
        values["drop_benign"] = logit - benign.mean(1)
        values["difference"] = values["drop_artifact"] - values["drop_benign"]
        flips["flips_benign"] = _flips(logit[:, None], benign, threshold[:, None]).mean(1)
        flips["flips_difference"] = flips["flips_artifact"] - flips["flips_benign"]
    if twins.any():
        values["drop_twin"] = (twin - twin_erased)[twins]
    tested = {"drop_artifact"} if repaired else {"difference", "flips_difference"}
    rows = []
    for metric, sample in (values | flips).items():
        groups = used["group"].filter(pl.Series(twins)).to_list() if metric == "drop_twin" else every
        p = sign_flip_p(sample, groups, seed=seed) if metric in tested else None
        weights = draw_weights(groups, RESAMPLES, seed)
        rows.append(_row(metric, sample.mean(), weights @ sample / weights.sum(1), len(sample)) | {"p_value": p})
    for metric in ("drop_artifact", "difference"):
        if metric in values:
            rows.append(_row(f"{metric}_sd", *_standardised(values[metric], logit, every, seed), len(logit)))
    return rows


def _flips(logit: Floats, erased: Floats, threshold: Floats) -> Floats:
    return ((logit > threshold) != (erased > threshold)).astype(np.float64)


def _standardised(sample: Floats, logit: Floats, groups: Sequence[str], seed: int) -> tuple[float, Floats]:
    """Mean over the standard deviation (n - 1) of the logits, and its replicates; NaN where all logits are alike."""
    centred = logit - logit.mean()
    weights = np.vstack([np.ones(len(sample)), draw_weights(groups, RESAMPLES, seed)])
    n = weights.sum(1)
    variance = (weights @ centred**2 / n - (weights @ centred / n) ** 2) * n / np.maximum(n - 1, 1)
    flat = variance <= 1e-12 * max(float(np.abs(logit).max()) ** 2, 1e-30)
    ratios = weights @ sample / n / np.sqrt(np.where(flat, np.nan, variance))
    return float(ratios[0]), ratios[1:]


def _row(metric: str, value: float, replicates: Floats, n: int) -> dict[str, Any]:
    low, high = percentile_interval(replicates)
    numbers = {"value": float(value), "ci_low": float(low), "ci_high": float(high)}
    return {"metric": metric, "n": n} | {name: None if np.isnan(number) else number for name, number in numbers.items()}
