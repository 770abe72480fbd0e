"""The card of the detector in the wheel, and the table of candidates: figures as people read them."""

from __future__ import annotations

import polars as pl

from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.card import model_card
from synthscope.inspection.reference import ReferenceSet
from synthscope.studies.unseen import ALARMS, ALL, FOUND

SHOWN = {
    "auroc": "AUROC", "tpr_at_fpr_5pct": "TPR at 5 % FPR, %", FOUND: "found at the 5 % level, %",
    ALARMS: "false alarms at the 5 % level, %",
}  # fmt: skip
PERCENT = set(SHOWN) - {"auroc"}


def figure(row: dict[str, object]) -> str:
    """A value with its interval.

    >>> figure({"metric": "auroc", "value": 0.7312, "ci_low": 0.66, "ci_high": 0.8})
    '0.731 [0.660, 0.800]'
    """
    scale, digits = (100, 1) if row["metric"] in PERCENT else (1, 3)
    told = (f"{scale * row[key]:.{digits}f}" for key in ("value", "ci_low", "ci_high"))  # type: ignore[operator]
    return "{} [{}, {}]".format(*told)


def markdown(figures: pl.DataFrame, index: list[str]) -> str:
    """One line for every combination of ``index``, a column for each metric and for the images of each class."""
    lines = [f"| {' | '.join([*index, *SHOWN.values(), 'photographs, AI images'])} |"]
    lines.append("|" + "---|" * (len(index) + len(SHOWN) + 1))
    for names, rows in figures.group_by(index, maintain_order=True):
        cells = {row["metric"]: figure(row) for row in rows.iter_rows(named=True)}
        counts = f"{rows['n_real'].max()}, {rows['n_ai'].max()}"
        lines.append(f"| {' | '.join([*map(str, names), *(cells.get(m, '') for m in SHOWN), counts])} |")
    return "\n".join(lines) + "\n"


def card(
    config: DetectorConfig, reference: ReferenceSet, candidates: pl.DataFrame, chosen: str, chance: dict[str, float],
    evaluated: pl.DataFrame, *, proven: bool,
) -> str:  # fmt: skip
    """``README.md`` beside the weights: what it is, how it was judged, its figures, good or bad, and its limits."""
    own = candidates.filter(candidate=chosen).drop("candidate")
    whole = pl.col("test_set").str.starts_with("fold") | (pl.col("test_set") == ALL)
    verdict = (
        "It clears the bar below on generators and photo sources that it never saw."
        if proven
        else "**Not proven on unseen generators: inspections answer *undecided* with these weights.** They are for "
        "demonstrations; see which of the conditions below is not met."
    )
    missed = round(len(reference.ai) * (reference.miss_rate(0.01) or 0.0))
    p = ", ".join(f"{value:.3f} ({view})" for view, value in chance.items())
    sources = "\n".join(
        f"| {s.name} | {'AI' if s.label else 'photographs'} | {s.n} | {s.licence or 'none stated'} |"
        for s in reference.sources
    )
    return f"""{model_card(config)}
{verdict}

## How it was judged

The bar: AUROC whose 95 % interval lies above 0.5, and false alarms at the 5 % level whose interval covers 5 %, on
generators and photo sources that the model never saw, with both classes in one history of compression; a rank of
p ≤ 0.05 among models whose labels were exchanged between whole generators and sources; and the same bar again on images
that nothing was chosen by. Views: `laundered` (both classes scaled down, cropped, compressed once), `aligned`
(photographs as stored, AI images compressed once as these were), `none` (files as stored, where formats differ).
Intervals of *all*: over generators and sources; others: over images.

Leave-generators-and-sources-out, four folds, the recipe of these weights ({chosen}); exchanged labels reach this AUROC
with p = {p}:

{markdown(own.filter(whole), ["view", "test_set"])}
Each generator against the photographs of its fold, and each source of photographs:

{markdown(own.filter(~whole), ["view", "test_set"])}
These weights, measured once on images of `use=evaluate`, after everything above was fixed:

{markdown(evaluated.drop("candidate"), ["view", "test_set"])}
## Reference set

`reference.json`: {len(reference.photographs)} photographs and {len(reference.ai)} AI images, one a group, as stored;
the model was trained on none of them, nor on any image of their sources and generators.

| source | kind | n | licence |
|---|---|---|---|
{sources}

## Limits

- It looks at 128 x 128 pixels in the middle of a picture, at their native size: 1 % of a photograph of 1.5 megapixels.
- It finds few: see the column *found*, at a level of 5 %. At 1 %, the default of `inspect`, it misses {missed} of the
  {len(reference.ai)} AI images of its reference set.
- Seven of twelve generators come from one collection of prompts that lean to art, and photographs from three large and
  five small sources. What it has learnt may be partly what such pictures show. Where both classes show groceries, AUROC
  is what the fold `groceries` says.
- P-values hold for photographs like those of the reference set. An answer is no proof, for nobody and against nobody.
"""
