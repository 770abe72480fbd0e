"""Attacked images to rates: of what a detector caught, how much it misses, and at what distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.metrics.intervals import percentile_interval, wilson
from synthscope.metrics.resampling import draw_weights

RESAMPLES = 2000
FEW = 30  # groups below which the page says that they are few
UNIT = ["detector", "view"]
WAY = ["attack", "by", "budget", "condition"]
LIKE_NOISE = "pgd", "wrong_sign", "transfer"  # compared with noise of the same budget, all others with no attack
ATTACKS = pl.Schema(
    dict.fromkeys([*UNIT, "attack", "by"], pl.String)  # by: surrogate, recipe or autoencoder, "" where there is none
    | {"budget": pl.Int64, "condition": pl.String}  # grey levels of 255, 0 = none; recompression after the attack
    | dict.fromkeys(["success", "ci_low", "ci_high"], pl.Float64)  # share of caught AI images that are missed
    | {"control": pl.String}  # none | noise: what the attack is compared with, under the same condition
    | dict.fromkeys(["difference", "difference_low", "difference_high"], pl.Float64)  # success less the control's
    | {"n": pl.Int64, "groups": pl.Int64, "n_error": pl.Int64}  # attacked AI images, that could not be attacked
    | {"generated": pl.Int64, "caught": pl.Int64}  # AI images, and those of them above the threshold
    | dict.fromkeys(["psnr", "psnr_worst", "ssim", "ssim_worst"], pl.Float64)  # of the AI images; null = moved, or same
    # of photographs under the same treatment
    | dict.fromkeys(["false_alarms", "false_alarms_low", "false_alarms_high"], pl.Float64)
    | {"n_real": pl.Int64, "threshold": pl.Float64, "at_false_alarms": pl.Float64}
)
Floats = NDArray[np.float64]


def attack_scores(table: pl.DataFrame, *, false_alarms: float, seed: int = 0) -> pl.DataFrame:
    """Success of every attack on every detector, with 95 % intervals over groups of images.

    The bootstrap draws groups; the threshold is taken as it is. Where all images are judged alike a bootstrap has no
    width, and the interval is Wilson's of as many images as there are groups.

    Args:
        table: Columns of ``study.ATTACKED``, without the images that were set aside for the search.
        false_alarms: Share of photographs at the threshold, as it was asked for.
        seed: Of the bootstrap.

    Returns:
        Columns of ``ATTACKS``.
    """
    rows: list[dict[str, Any]] = []
    for (detector, view), own in table.group_by(UNIT, maintain_order=True):
        generated, photographs = own.filter(part="report"), own.filter(part="photographs")
        verdicts = {way: _missed(part) for way, part in _ways(generated).items()}
        treated = {way: _missed(part) for way, part in _ways(photographs).items()}
        for way, part in _ways(generated).items():
            told = {"detector": detector, "view": view} | dict(zip(WAY, way, strict=True))
            told |= {name: part[name][0] for name in ("threshold", "generated", "caught")}
            told |= {"at_false_alarms": false_alarms, "n_error": part["error"].count()}
            told |= _success(verdicts[way], verdicts.get(_control(way)), seed) | {"control": _control(way)[0]}
            told |= _distances(part.filter(pl.col("error").is_null()))
            rows.append(told | _alarms(treated.get(way), seed))
    return pl.DataFrame(rows, schema=ATTACKS, infer_schema_length=None)


def _ways(table: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    return table.partition_by(WAY, as_dict=True, maintain_order=True)


def _missed(part: pl.DataFrame) -> pl.DataFrame:
    """``sha256``, ``recipe``, ``group`` and whether the logit is at the threshold or below, of what was attacked."""
    missed = pl.col("logit").cast(pl.Float64) <= pl.col("threshold")
    return part.filter(pl.col("error").is_null()).select("sha256", "recipe", "group", missed=missed)


def _control(way: tuple[Any, ...]) -> tuple[Any, ...]:
    attack, _, budget, condition = way
    return ("noise", "", budget, condition) if attack in LIKE_NOISE else ("none", "", 0, condition)


def _success(missed: pl.DataFrame, control: pl.DataFrame | None, seed: int) -> dict[str, Any]:
    told: dict[str, Any] = {"n": missed.height, "groups": missed["group"].n_unique()}
    told |= dict(zip(("success", "ci_low", "ci_high"), rate(missed["missed"], missed["group"], seed), strict=True))
    if control is None:
        return told
    paired = missed.join(control, on=["sha256", "recipe"], suffix="_control", maintain_order="left")
    gap = paired["missed"].cast(pl.Float64) - paired["missed_control"].cast(pl.Float64)
    if gap.is_empty():
        return told
    values = gap.to_numpy()
    low, high = _bootstrap(values, paired["group"].to_list(), seed)
    return told | {"difference": float(values.mean()), "difference_low": low, "difference_high": high}


def rate(verdicts: pl.Series, groups: pl.Series, seed: int) -> tuple[float | None, float | None, float | None]:
    """A share and its interval; nothing of no images.

    >>> rate(pl.Series([True, True]), pl.Series(["a", "b"]), 0) == (1.0, *wilson(2, 2))
    True
    """
    if verdicts.is_empty():
        return None, None, None
    values = verdicts.cast(pl.Float64).to_numpy()
    low, high = _bootstrap(values, groups.to_list(), seed)
    if low is None:
        number = groups.n_unique()
        low, high = wilson(float(values.mean()) * number, number)
    return float(values.mean()), low, high


def _bootstrap(values: Floats, groups: list[str], seed: int) -> tuple[float | None, float | None]:
    """None where it has no width."""
    weights = draw_weights(groups, RESAMPLES, seed)
    low, high = (float(bound) for bound in percentile_interval(weights @ values / weights.sum(1)))
    return (None, None) if np.isnan(low) else (low, high)


def _distances(part: pl.DataFrame) -> dict[str, float | None]:
    """Means and the worst: the least alike."""
    told: dict[str, float | None] = {}
    for name in ("psnr", "ssim"):
        values = part[name].drop_nulls().to_numpy()
        told |= {name: float(values.mean()), f"{name}_worst": float(values.min())} if len(values) else {}
    return told


def _alarms(photographs: pl.DataFrame | None, seed: int) -> dict[str, Any]:
    if photographs is None:
        return {}
    names = ("false_alarms", "false_alarms_low", "false_alarms_high")
    found = rate(~photographs["missed"], photographs["group"], seed)
    return dict(zip(names, found, strict=True)) | {"n_real": photographs.height}
