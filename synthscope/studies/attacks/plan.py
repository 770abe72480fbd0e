"""What is attacked, at which threshold, and by what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime import seed_for
from synthscope.schema import view_name, with_group
from synthscope.studies.attacks.images import Job
from synthscope.studies.attacks.kinds import PLAIN, Attack
from synthscope.studies.attacks.search import sets_aside

LARGEST_BUDGET = 64  # grey levels; beyond that nobody takes the picture for the same


@dataclass(frozen=True)
class Attacks:
    """What is done, with budgets in grey levels of 255."""

    budgets: tuple[int, ...] = (1, 2, 4, 8)
    steps: int = 10  # of PGD and of MI-FGSM
    surrogates: tuple[str | Path | Detector, ...] = ()  # of the transfer attack
    queries: int = 40  # chains that the random search tries; 0 = no search
    regenerate: tuple[str, ...] = ()  # folders of autoencoders
    plain: tuple[str, ...] = PLAIN
    jpeg: int = 90  # quality after the attack
    false_alarms: float = 0.05  # share of photographs
    images: int = 100  # most images of a kind that are attacked, a detector

    def check(self) -> None:
        """Raises ``UsageError`` where a number makes no sense."""
        budgets = self.budgets
        if any(not 1 <= budget <= LARGEST_BUDGET for budget in budgets) or len(set(budgets)) < len(budgets):
            told = ",".join(map(str, budgets))
            raise UsageError(f"Expected budgets of 1 to {LARGEST_BUDGET} grey levels, each once, got {told}. Correct.")
        for name, least in {"steps": 1, "queries": 0, "images": 1}.items():
            if getattr(self, name) < least:
                raise UsageError(f"Expected {name} of at least {least}, got {getattr(self, name)}. Raise it.")
        if not 0 < self.false_alarms < 1:
            raise UsageError(f"Expected false alarms in 0..1, got {self.false_alarms}. Give a fraction, not percent.")


def caught(predictions: pl.DataFrame, false_alarms: float) -> pl.DataFrame:
    """Photographs, and the AI images above the threshold, of each detector and view.

    The threshold is the lowest logit at which at most the share ``false_alarms`` of the photographs is called AI.

    Args:
        predictions: ``schema.PREDICTIONS`` of clean images; those with an ``error`` are left out.
        false_alarms: In 0..1.

    Returns:
        ``predictions`` with ``threshold``, the ``view``'s name, its ``recipe``, ``group``, ``clean``, the logit, and
        how many AI images there were (``generated``) and lie above the threshold (``caught``).

    Raises:
        SynthscopeError: Fewer photographs than the share can be told of, or no AI image that is caught.
    """
    table = with_group(predictions).filter(pl.col("error").is_null())
    table = table.with_columns(view_name(), recipe=pl.col("view").fill_null("none"), clean=pl.col("logit"))
    table = table.unique(["sha256", "recipe", "view", "detector"], keep="first", maintain_order=True)
    parts = []
    for (detector, view), rows in table.group_by("detector", "view", maintain_order=True):
        photographs, generated = rows.filter(label=0), rows.filter(label=1)
        threshold = threshold_at(photographs["logit"].to_list(), false_alarms, f"view {view}")
        above = generated.filter(pl.col("logit") > threshold)
        if above.is_empty():
            raise SynthscopeError(
                f"Expected AI images that {detector} catches at {false_alarms:g} false alarms, got none of "
                f"{generated.height} in view {view}. Name a detector that works on these images."
            )
        counts = {name: pl.lit(part.height, pl.Int64) for name, part in (("generated", generated), ("caught", above))}
        both = pl.concat([photographs, above])
        parts.append(both.with_columns(**counts, threshold=pl.lit(threshold, pl.Float64)))
    if not parts:
        raise SynthscopeError("Expected images that could be read, got none. Check the paths of the manifest.")
    return pl.concat(parts)


def threshold_at(logits: Sequence[float], false_alarms: float, where: str) -> float:
    """The lowest logit of photographs above which at most the share ``false_alarms`` of them lies.

    Raises:
        SynthscopeError: Too few photographs for one false alarm.

    >>> threshold_at([3.0, 1.0, 2.0, 0.0], 0.25, "this view")
    2.0
    """
    if len(logits) < (least := math.ceil(1 / false_alarms - 1e-9)):
        raise SynthscopeError(
            f"Expected {least} photographs or more for {false_alarms:g} false alarms, got {len(logits)} in {where}. "
            "Add photographs, or raise the share."
        )
    return sorted(logits, reverse=True)[math.floor(false_alarms * len(logits) + 1e-9)]


def search_jobs(clean: pl.DataFrame, units: Sequence[str], chains: Sequence[Attack], most: int, seed: int) -> list[Job]:
    """Every chain on the AI images that are set aside for the search; at most a quarter of ``most`` a detector."""
    aside = clean.filter(pl.col("label") == 1, _aside(clean, seed))
    return [
        Job(row, units.index(row["detector"]), "search", tuple(chains))
        for rows in aside.partition_by("detector", "view", maintain_order=True)
        for row in _some(rows, max(1, most // 4), seed).iter_rows(named=True)
        if chains
    ]


def report_jobs(rows: pl.DataFrame, unit: int, attacks: Sequence[Attack], most: int, seed: int) -> list[Job]:
    """All attacks on AI images that are not set aside, and those that know no detector on photographs.

    Args:
        rows: :func:`caught` of one detector and view.
        unit: Number of the detector.
        attacks: Of this detector.
        most: Images a class.
        seed: Chooses them.
    """
    blind = tuple(attack for attack in attacks if attack.blind)
    kinds = (("report", tuple(attacks), (pl.col("label") == 1) & ~_aside(rows, seed)),
             ("photographs", blind, pl.col("label") == 0))  # fmt: skip
    return [
        Job(row, unit, part, own)
        for part, own, chosen in kinds
        for row in _some(rows.filter(chosen), most, seed).iter_rows(named=True)
    ]


def _aside(rows: pl.DataFrame, seed: int) -> pl.Series:
    return pl.Series([sets_aside(group, seed=seed) for group in rows["group"]], dtype=pl.Boolean)


def _some(rows: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    """At most so many rows, by hash of the file, in their order."""
    order = pl.Series([seed_for("attacked", seed, sha256) for sha256 in rows["sha256"]], dtype=pl.UInt64)
    return rows.filter(order.rank("ordinal") <= most) if rows.height > most else rows
