"""Chains of slight colour, blur, noise, size and compression changes, found by random search.

A chain is chosen on images that are set aside for that. How well it does is told on others: the best of many chains
does well by luck on the images that chose it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.runtime import seed_for

LONGEST = 3  # steps of a chain, each of another kind
SET_ASIDE = 4  # one group of images in so many chooses the chain
Rng = np.random.Generator


def _number(rng: Rng, low: float, high: float, digits: int = 2) -> str:
    return f"{round(float(rng.uniform(low, high)), digits):g}"


# The limits of the search: changes that people would hardly notice, this project's own choice.
STEPS: dict[str, Callable[[Rng], str]] = {
    "balance": lambda rng: f"red={_number(rng, 0.9, 1.1)},blue={_number(rng, 0.9, 1.1)}",
    "blur": lambda rng: f"sigma={_number(rng, 0.3, 1.0)}",
    "jpeg": lambda rng: f"q={rng.integers(75, 96)}",
    "noise": lambda rng: f"sigma={_number(rng, 1, 4, 1)}",
    "profile": lambda rng: str(rng.choice(["display_p3", "adobe_rgb"])),
    "resize": lambda rng: f"scale={_number(rng, 0.7, 0.95)}",
}
CHOICE = pl.Schema(
    {
        "detector": pl.String,
        "view": pl.String,
        "chain": pl.String,  # a recipe
        "missed": pl.Float64,  # share of the images that chose; no rate of success, see attacks.parquet
        "drop": pl.Float64,  # mean of logits less attacked logits
        "n": pl.Int64,  # images that chose
        "chosen": pl.Boolean,
    }
)


def draw_chains(count: int, *, seed: int) -> list[str]:
    """So many different canonical recipes of 1 to ``LONGEST`` steps within the limits of ``STEPS``.

    >>> draw_chains(2, seed=0) == draw_chains(3, seed=0)[:2]
    True
    """
    rng = np.random.default_rng(seed_for("chains", seed))
    found: dict[str, None] = {}
    while len(found) < count:
        kinds = rng.permutation(list(STEPS))[: rng.integers(1, LONGEST + 1)]
        found[str(parse_recipe("|".join(f"{kind}:{STEPS[kind](rng)}" for kind in kinds)))] = None
    return list(found)


def sets_aside(group: str, *, seed: int) -> bool:
    """Whether the images of a group choose the chain, and are not reported on."""
    return seed_for("set aside", seed, group) % SET_ASIDE == 0


def choose_chains(rows: pl.DataFrame) -> pl.DataFrame:
    """The chain that most images of those set aside are missed under, of each detector and view.

    Args:
        rows: ``detector``, ``view``, ``by`` (the chain), ``logit``, ``clean`` (the logit before) and ``threshold`` of
            images that were set aside, without errors.

    Returns:
        Columns of ``CHOICE``, the best first. Among equals the chain counts that lowers the mean logit most, then the
        first one.
    """
    table = rows.group_by("detector", "view", "by", maintain_order=True).agg(
        missed=(pl.col("logit") <= pl.col("threshold")).mean(),
        drop=(pl.col("clean").cast(pl.Float64) - pl.col("logit")).mean(),
        n=pl.len().cast(pl.Int64),
    )
    table = table.rename({"by": "chain"}).sort("missed", "drop", descending=True, maintain_order=True)
    first = pl.int_range(pl.len()).over("detector", "view") == 0
    return table.with_columns(chosen=first).select(list(CHOICE)).cast(CHOICE)
