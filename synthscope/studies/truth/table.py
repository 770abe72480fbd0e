"""From scores of single pictures in twin worlds to differences, their intervals, and verdicts on measures.

Every measure is a ratio of sums over pictures: of values over their number, or of pixel counts (``micro_…``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.metrics.intervals import percentile_interval
from synthscope.metrics.resampling import draw_weights
from synthscope.scoring.seeds import t_interval
from synthscope.studies.truth.values import ARTIFACTS, EDGES, FINGERPRINTS, RATIO, UNTRAINED

Floats = NDArray[np.float64]
RESAMPLES = 1000
UNIT = ["recipe", "seed", "explainer", "images", "measure"]
SCORES = pl.Schema(
    dict.fromkeys(["recipe", "explainer", "images", "measure", "quantity"], pl.String)
    | {"seed": pl.Int64}  # null = mean over the seeds
    | {"value": pl.Float64}
    | dict.fromkeys(["ci_low", "ci_high"], pl.Float64)  # 95 %: bootstrap over groups, or Student's t over seeds
    | dict.fromkeys(["n_images", "n_blank", "n_seeds"], pl.Int64)
)


def truth_scores(values: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    """Quantities of every recipe, seed, explainer and measure, and their means over the seeds (``seed`` null).

    Args:
        values: Columns of ``TRUTH``.
        seed: Of the bootstrap, which draws images of one ``group`` together.

    Returns:
        Columns of ``SCORES``; quantities are those of :func:`compare`. ``images`` is ``all``, or ``right``: those that
        the detector of the world of artifacts calls AI.
    """
    right = values.filter("right").with_columns(images=pl.lit("right"))
    both = pl.concat([values.with_columns(images=pl.lit("all")), right])
    both = both.sort("recipe", "seed", pl.col("explainer") == EDGES, "explainer", "images", maintain_order=True)
    pictures = both.select("images", "twin", "group").unique(["images", "twin"]).sort("twin")
    rows: list[dict[str, Any]] = []
    for key, group in both.partition_by(UNIT, as_dict=True, maintain_order=True).items():
        named, order = dict(zip(UNIT, key, strict=True)), pictures.filter(images=key[3]).drop("images")
        worlds = {}
        for world in (ARTIFACTS, FINGERPRINTS, UNTRAINED):
            part = order.join(group.filter(world=world), on="twin", how="left", maintain_order="left")
            worlds[world] = part.select(RATIO).to_numpy().astype(np.float64)
        rows += [named | found | {"n_seeds": 1} for found in compare(worlds, order["group"].to_list(), seed=seed)]
    table = pl.DataFrame(rows, schema=SCORES)
    return pl.concat([table, _over_seeds(table)])


def compare(worlds: Mapping[str, Floats], groups: Sequence[str], *, seed: int = 0) -> list[dict[str, Any]]:
    """One explainer and measure in the worlds, on the same pictures in the same order.

    Args:
        worlds: ``artifacts``, ``fingerprints``, ``untrained``: ``(n, 4)``, columns ``RATIO``; NaN and 0 = no score.
        groups: ``(n,)`` names; pictures of one are drawn together.
        seed: Of the bootstrap, which draws the same pictures in all worlds.

    Returns:
        A row for each quantity: the means of the three worlds; ``chance`` in the world of artifacts; ``lift_…``, each
        mean less its chance; ``difference`` of artifacts and fingerprints and ``p_above``, the probability that a
        picture scores higher with artifacts than one with fingerprints, both on the pictures with a score in both;
        ``learned``, artifacts less untrained on the pictures with a score in both. Intervals are 95 %.
    """
    a, b, c = (worlds[name] for name in (ARTIFACTS, FINGERPRINTS, UNTRAINED))
    scored = {name: ~np.isnan(worlds[name][:, 0]) for name in worlds}
    weights = np.vstack([np.ones((1, len(a))), draw_weights(groups, RESAMPLES, seed)])  # first each picture once
    pairs, others = scored[ARTIFACTS] & scored[FINGERPRINTS], scored[ARTIFACTS] & scored[UNTRAINED]
    found: dict[str, tuple[Floats, NDArray[np.bool_]]] = {}
    for name, table in worlds.items():
        mean, chance = (_mean(table[:, columns], scored[name], weights) for columns in (slice(0, 2), slice(2, 4)))
        found[name], found[f"lift_{name}"] = (mean, scored[name]), (mean - chance, scored[name])
        if name == ARTIFACTS:
            found["chance"] = chance, scored[name]
    for name, one, other, kept in (("difference", a, b, pairs), ("learned", a, c, others)):
        found[name] = _mean(one[:, :2], kept, weights) - _mean(other[:, :2], kept, weights), kept
    found["p_above"] = _above(a[:, 0], b[:, 0], pairs, weights), pairs
    rows = []
    for name, (replicates, kept) in found.items():
        bounds = replicates[0], *percentile_interval(replicates[1:])
        value, low, high = (None if np.isnan(bound) else float(bound) for bound in bounds)
        counts = {"n_images": int(kept.sum()), "n_blank": int((~kept).sum())}
        rows.append({"quantity": name, "value": value, "ci_low": low, "ci_high": high} | counts)
    return rows


def _mean(ratios: Floats, kept: NDArray[np.bool_], weights: Floats) -> Floats:
    """Weighted mean of ``(n, 2)`` values and weights for each row of ``weights``; NaN without any."""
    value, weight = ratios[kept].T
    below = weights[:, kept] @ weight
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights[:, kept] @ (value * weight)) / below


def _above(a: Floats, b: Floats, kept: NDArray[np.bool_], weights: Floats) -> Floats:
    """AUROC of ``a`` over ``b`` for each row of ``weights``; ties count one half."""
    x, y, w = a[kept], b[kept], weights[:, kept]
    order = np.greater.outer(x, y) + 0.5 * np.equal.outer(x, y)
    with np.errstate(invalid="ignore"):
        return np.einsum("ri,ri->r", w @ order, w) / w.sum(1) ** 2


def _over_seeds(table: pl.DataFrame) -> pl.DataFrame:
    """Means over the seeds with Student's interval; of one seed, its own row."""
    rows = []
    for group in table.partition_by(["recipe", "explainer", "images", "measure", "quantity"], maintain_order=True):
        row = group.row(0, named=True) | {"seed": None}
        if group.height > 1:
            mean, low, high, _ = t_interval(group["value"].fill_null(np.nan).to_numpy())
            row |= {"value": mean, "ci_low": low, "ci_high": high, "n_seeds": group.height}
            row |= {"n_images": group["n_images"].min(), "n_blank": group["n_blank"].max()}
        rows.append(row)
    return pl.DataFrame(rows, schema=SCORES)
