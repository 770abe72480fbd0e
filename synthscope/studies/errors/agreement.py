"""How far two people who judged the same pictures agree: on kinds of error, on parts of the body, on totals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.annotations.judgements import JUDGEMENTS
from synthscope.errors import SynthscopeError
from synthscope.metrics.intervals import percentile_interval
from synthscope.metrics.rater_agreement import cohen_kappa, icc, krippendorff_alpha
from synthscope.metrics.resampling import draw_weights
from synthscope.runtime import seed_for
from synthscope.schema import conform

Floats = NDArray[np.float64]
Measure = Callable[[Floats, Floats, Floats], Floats]
RESAMPLES, SHUFFLES = 2000, 999
AGREEMENT = pl.Schema(
    {
        "of": pl.String,  # kind | part | cell (kind x part) | errors | total | pair of annotators
        "name": pl.String,
        "measure": pl.String,  # alpha | icc | kappa
        "value": pl.Float64,  # null = nobody or everybody saw it
        "ci_low": pl.Float64,  # 95 %, percentile bootstrap over pictures
        "ci_high": pl.Float64,
        "shuffled": pl.Float64,  # mean of the same when the second judgements are exchanged between pictures
        "p_value": pl.Float64,  # one-sided: shuffles that agree as much
        "share": pl.Float64,  # of judgements that are yes; the mean of totals
        "n": pl.Int64,  # pictures
    }
)


def judgement_agreement(
    judgements: pl.DataFrame, *, resamples: int = RESAMPLES, shuffles: int = SHUFFLES, seed: int = 0
) -> pl.DataFrame:
    """Agreement on the pictures that exactly two people judged.

    Krippendorff's alpha of "sees an error of this kind" and "sees an error of this part" (the two are whoever judged
    the picture, so raters are interchangeable), and of all kinds x parts at once; ICC(1, 1) of the number of wrong
    parts and of the score; Cohen's kappa over all kinds x parts for each pair of annotators. Skipped cells count as
    empty.

    Args:
        judgements: Columns of ``JUDGEMENTS``.
        resamples: Of the bootstrap over pictures; a picture's cells are drawn together.
        shuffles: Of the control, in which nothing but chance should be left.
        seed: Of both.

    Returns:
        Columns of ``AGREEMENT``.

    Raises:
        SynthscopeError: No picture with two judgements.
    """
    table = conform(judgements, JUDGEMENTS, "the judgements").drop_nulls("path")
    people = table.select("path", "annotator").unique().sort("path", "annotator")
    twice = people.group_by("path", maintain_order=True).agg("annotator").filter(pl.col("annotator").list.len() == 2)
    if twice.is_empty():
        raise SynthscopeError("Expected pictures that two people judged, got none. Give some pictures to two.")
    looks = [f"{path}\n{who}" for path, two in twice.iter_rows() for who in two]
    place = {look: number for number, look in enumerate(looks)}
    known = table.with_columns(_look=pl.concat_str("path", "annotator", separator="\n")).filter(
        pl.col("_look").is_in(looks)
    )
    rows = []
    weights = draw_weights(twice["path"].to_list(), resamples, seed)
    rng = np.random.default_rng(seed_for(seed, "shuffled judgements"))
    exchanges = np.array([rng.permutation(twice.height) for _ in range(shuffles)])
    for row, values, measure in _questions(known, place):
        a, b = values[0::2], values[1::2]  # (pictures, items)
        rows.append(row | _figures(a, b, measure, weights, exchanges))
    pairs = np.array([f"{one} and {other}" for one, other in twice["annotator"].to_list()])
    cells = _cells(known, place)
    for pair in sorted(set(pairs)):
        own = np.flatnonzero(pairs == pair)
        drawn = draw_weights(twice["path"].gather(own.tolist()).to_list(), resamples, seed)
        mixed = np.argsort(exchanges[:, own], axis=1)
        row = {"of": "pair", "name": pair, "measure": "kappa"}
        rows.append(row | _figures(cells[0::2][own], cells[1::2][own], cohen_kappa, drawn, mixed))
    return pl.DataFrame(rows, AGREEMENT).with_columns(pl.selectors.float().fill_nan(None))


def _questions(known: pl.DataFrame, place: dict[str, int]) -> Iterator[tuple[dict[str, Any], Floats, Measure]]:
    """What is compared: its names, values ``(looks, items)`` and measure."""
    errors = known.drop_nulls("kind")
    for of in ("kind", "part"):
        for name in errors[of].unique().sort():
            seen = _sums(errors.filter(pl.col(of) == name).select("_look", value=pl.lit(1.0)), place)
            yield {"of": of, "name": name, "measure": "alpha"}, np.minimum(seen, 1), krippendorff_alpha
    yield {"of": "cell", "name": "kind x part", "measure": "alpha"}, _cells(known, place), krippendorff_alpha
    for name, column in (("wrong parts", "wrong"), ("score", "score")):
        yield {"of": "total", "name": name, "measure": "icc"}, _sums(errors.select("_look", value=column), place), icc


def _sums(values: pl.DataFrame, place: dict[str, int]) -> Floats:
    found = np.zeros((len(place), 1))
    for look, value in values.group_by("_look").agg(pl.col("value").sum()).iter_rows():
        found[place[look], 0] = value
    return found


def _cells(known: pl.DataFrame, place: dict[str, int]) -> Floats:
    """Whether each look found an error in each cell, ``(looks, cells)``."""
    errors = known.drop_nulls("kind").with_columns(cell=pl.concat_str("kind", "part", separator=" "))
    names = {name: number for number, name in enumerate(errors["cell"].unique().sort())}
    found = np.zeros((len(place), len(names)))
    for look, cell in errors.select("_look", "cell").iter_rows():
        found[place[look], names[cell]] = 1
    return found


def _figures(a: Floats, b: Floats, measure: Measure, weights: Floats, exchanges: NDArray[np.intp]) -> dict[str, Any]:
    n, once = len(a), np.ones(len(a))
    value = float(measure(a, b, once))
    low, high = percentile_interval(measure(a, b, weights))
    null = np.array([float(measure(a, b[exchange], once)) for exchange in exchanges])
    beyond = int(np.count_nonzero(null >= value - 1e-12))
    known = (
        {"shuffled": float(np.nanmean(null)), "p_value": (beyond + 1) / (len(null) + 1)} if np.isfinite(value) else {}
    )
    return {
        "value": value,
        "ci_low": float(low),
        "ci_high": float(high),
        "share": float((a + b).mean() / 2),
        "n": n,
    } | known
