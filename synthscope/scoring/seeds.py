"""Scores of detectors that differ in their training seed alone, as means over the seeds with t intervals.

The bootstrap intervals of the single scores know the test images, those here the training: a difference between two
recipes counts only if it is larger than what another seed would have changed. Rows are compared seed by seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t

from synthscope.errors import UsageError, suggest
from synthscope.metrics.significance import paired_t_p, smallest_detectable
from synthscope.scoring.families import with_adjusted
from synthscope.scoring.seed_families import family_of

SEEDS = pl.Schema(
    {
        "table": pl.String,  # a name in KEYS
        "row": pl.String,  # of the benchmark's recipe, with the training subset where it is not all of them
        "about": pl.String,  # what was scored, such as "test_set=own" or "explainer=gradcam category=low-level-color"
        "metric": pl.String,
        "value": pl.Float64,  # mean over the seeds
        "sd": pl.Float64,  # between the seeds
        "ci_low": pl.Float64,  # 95 %, Student's t over the seeds; null with one seed
        "ci_high": pl.Float64,
        "n_seeds": pl.Int64,
        "chance": pl.Float64,  # what knowing nothing scores, where that is known
        "against": pl.String,  # the row that this one is compared with
        "difference": pl.Float64,  # mean over the seeds of this row less that one
        "difference_low": pl.Float64,
        "difference_high": pl.Float64,
        "p_value": pl.Float64,  # of the difference, two-sided paired t test over the seeds
        "p_holm": pl.Float64,  # adjusted for the differences of one table; null for what no table shows
        "q_bh": pl.Float64,
        "smallest_detectable": pl.Float64,  # true difference that so many seeds find with a power of 0.8 at 0.05
    }
)
KEYS = {
    "detection": ("test_set", "view", "condition"),
    "explanation": ("explainer", "view", "condition", "generator", "category", "level"),
    "masks": ("view", "generator", "category"),
    "erasure": ("view", "fill", "category"),
    "fidelity": ("view", "level", "against", "of"),
}
_SEED = re.compile(r"(.+?)(?:\.all)?\.seed(\d+)(?:@.*)?")
_PLAIN = {"view": "none", "condition": "none", "generator": "all"}  # values that "about" leaves out


def over_seeds(
    tables: Mapping[str, pl.DataFrame], *, against: str | None = None, order: Sequence[str] = ()
) -> pl.DataFrame:
    """Means over seeds of every figure of ``tables``, and differences to one row with paired t tests.

    Args:
        tables: Names in ``KEYS`` -> tidy scores with columns ``detector``, ``metric``, ``value`` and, where there are
            any, the keys and ``chance`` or ``baseline_random``. Detectors without a seed in their id are left out.
        against: Row that the others are compared with.
        order: Rows that come first.

    Returns:
        Columns of ``SEEDS``; a figure that is null for one of the seeds is null.

    Raises:
        UsageError: ``against`` is no row.
    """
    places = {row: place for place, row in enumerate(order)}
    place = pl.col("row").replace_strict(places, default=len(places), return_dtype=pl.Int64)
    figures = pl.concat([_figures("none", pl.DataFrame()), *(_figures(*pair) for pair in tables.items())])
    figures = figures.sort(place, maintain_order=True)
    rows = figures["row"].unique(maintain_order=True).to_list()
    if against is not None and rows and against not in rows:
        raise UsageError(f"Expected a row to compare with, got {against!r}. {suggest(against, rows)}")
    keys = ["table", "about", "metric"]
    known = {
        (*key, row): (_by_seed(part), part["chance"].mean())
        for (row, *key), part in figures.partition_by(["row", *keys], as_dict=True, maintain_order=True).items()
    }
    found = []
    for (*key, row), (values, chance) in known.items():
        named = dict(zip([*keys, "row"], [*key, row], strict=True)) | {"n_seeds": len(values), "chance": chance}
        mean, low, high, sd = t_interval(np.array(list(values.values())))
        named |= {"value": mean, "ci_low": low, "ci_high": high, "sd": sd}
        reference = known.get((*key, against), ({}, None))[0] if row != against else {}
        if shared := [seed for seed in values if seed in reference]:
            named |= {"against": against} | _apart(np.array([values[seed] - reference[seed] for seed in shared]))
        found.append(named)
    families = [family_of(row["table"], row["about"], row["metric"]) for row in found]
    return with_adjusted(pl.DataFrame(found, schema=SEEDS), pl.Series(families, dtype=pl.String))


def _apart(values: NDArray[np.float64]) -> dict[str, float | None]:
    mean, low, high, sd = t_interval(values)
    return {
        "difference": mean,
        "difference_low": low,
        "difference_high": high,
        "p_value": paired_t_p(values),
        "smallest_detectable": None if sd is None else smallest_detectable(sd, values.size),
    }


def t_interval(values: NDArray[np.float64]) -> tuple[float | None, float | None, float | None, float | None]:
    """Mean, bounds of its 95 % interval by Student's t, and standard deviation of ``(n,)`` values.

    None for what cannot be known: all of it where a value is NaN, the bounds and the deviation of one value.

    >>> [round(number, 3) for number in t_interval(np.array([0.7, 0.8, 0.9]))]
    [0.8, 0.552, 1.048, 0.1]
    """
    n = values.size
    if n == 0 or np.isnan(values).any():
        return None, None, None, None
    mean = float(values.mean())
    if n == 1:
        return mean, None, None, None
    sd = float(values.std(ddof=1))
    half = float(t.ppf(0.975, n - 1)) * sd / sqrt(n)
    return mean, mean - half, mean + half, sd


def seed_of(detector: str) -> tuple[str, int] | None:
    """Row and seed in the id of a detector; None where it has none.

    >>> seed_of("align.all.seed3@01234567"), seed_of("align.ADM.seed0"), seed_of("cpu_small.ADM")
    (('align', 3), ('align.ADM', 0), None)
    """
    match = _SEED.fullmatch(detector)
    return None if match is None else (match[1], int(match[2]))


def _figures(name: str, table: pl.DataFrame) -> pl.DataFrame:
    """One row a figure of a seeded detector: table, row, seed, about, metric, value, chance."""
    schema = {"table": pl.String, "row": pl.String, "seed": pl.Int64, "about": pl.String, "metric": pl.String}
    schema |= {"value": pl.Float64, "chance": pl.Float64}
    rows = []
    for line in table.iter_rows(named=True):
        if (found := seed_of(line["detector"] or "")) is None:
            continue
        keys = ((key, line.get(key)) for key in KEYS[name])
        about = " ".join(f"{key}={value}" for key, value in keys if value not in (None, _PLAIN.get(key)))
        chance = line.get("chance", line.get("baseline_random"))
        rows.append((name, *found, about, line["metric"], line["value"], chance))
    return pl.DataFrame(rows, schema=schema, orient="row")


def _by_seed(part: pl.DataFrame) -> dict[int, float]:
    return dict(part.select("seed", pl.col("value").fill_null(float("nan"))).iter_rows())
