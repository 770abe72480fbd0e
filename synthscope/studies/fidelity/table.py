"""The correlations and recalls of ``studies.fidelity`` as tables that say how little few generators can show."""

from __future__ import annotations

from typing import Any

import polars as pl

from synthscope.metrics.rank_correlation import LEVEL, smallest_p
from synthscope.studies.fidelity.study import AGAINST, GROUPS, LEVELS, OF
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import floor_of, short_names, view_notes, view_words, views_of

WORDS = dict(zip(LEVELS, ("images", "within generators", "generator means"), strict=True))
HEADS = dict(zip(GROUPS, ("PAR = 0", "PAR > 0", "difference"), strict=True))


def fidelity_tables(table: pl.DataFrame) -> list[Table]:
    """For each view of ``FIDELITY``, the correlations and the recalls, a row for each detector, floors last."""
    detectors = table["detector"].unique(maintain_order=True).to_list()
    names = short_names(sorted(detectors, key=lambda name: floor_of(name) is not None))
    tables = []
    for view in views_of(table):
        shown = table.filter(pl.col("view") == view)
        words, notes = view_words(table, shown), view_notes(shown)
        tables += [_correlations(shown, names, words, notes), _recalls(shown, names, words, notes)]
    return tables


def _correlations(shown: pl.DataFrame, names: dict[str, str], words: str, notes: list[str]) -> Table:
    cells = _cells(shown.filter(pl.col("metric") == "spearman"), ("detector", "of", "against", "level"))
    places = [(against, level) for against in AGAINST for level in LEVELS]
    return Table(
        "fidelity",
        f"Spearman's rho with artifact ratio (PAR) and NIQE{words}",
        "detector",
        tuple(f"{against.upper()}, {WORDS[level]}" for against, level in places),
        tuple(
            (f"{title}, {of}", tuple(cells.get((name, of, *place), Cell()) for place in places))
            for name, title in names.items()
            for of in OF
        ),
        (*_notes(shown), *notes),
    )


def _recalls(shown: pl.DataFrame, names: dict[str, str], words: str, notes: list[str]) -> Table:
    cells = _cells(shown.filter(pl.col("metric").is_in(GROUPS)), ("detector", "metric"))
    clean, marked = (_most(shown.filter(pl.col("metric") == metric)) for metric in GROUPS[:2])
    return Table(
        "fidelity_recall",
        f"AI images without and with annotated artifacts{words}",
        "detector",
        tuple(HEADS[metric] for metric in GROUPS),
        tuple((title, tuple(cells.get((name, metric), Cell()) for metric in GROUPS)) for name, title in names.items()),
        (
            f"Recall in percent, of {clean} images without and {marked} with "
            "artifacts. 95 % intervals: Wilson's, of the difference Newcombe's.",
            *notes,
        ),
        intervals=True,
    )


def _cells(rows: pl.DataFrame, keys: tuple[str, ...]) -> dict[tuple[Any, ...], Cell]:
    """Cells by ``keys``; "*" where the permutation test is significant."""
    cells = {}
    for row in rows.iter_rows(named=True):
        star = "*" if row["p_value"] is not None and row["p_value"] <= LEVEL else ""
        cells[tuple(row[key] for key in keys)] = Cell(
            row["value"],
            row["ci_low"],
            row["ci_high"],
            n_ai=row["n"],
            percent=row["metric"] in GROUPS,
            mark=star,
            signed=row["metric"] in {"spearman", "recall_difference"},
        )
    return cells


def _notes(shown: pl.DataFrame) -> list[str]:
    """What the correlations are, and which ones so few generators could show at all."""
    rho = shown.filter(pl.col("metric") == "spearman")
    means = rho.filter(pl.col("level") == "generator")
    tests, images, generators = rho["p_value"].count(), _most(rho), _most(means)
    least = min(means.filter(pl.col("of") == "logit")["critical"].drop_nulls(), default=None)
    notes = [
        f"{images} images of {generators} generators. Positive: more damage, easier to detect. A dash: nothing varies.",
        f"* p at most {LEVEL} in a two-sided permutation test; of {tests} tests {LEVEL * tests:.1f} by chance alone.",
    ]
    floor = f"With {generators} generators p cannot fall below {smallest_p(generators):.2g}"
    told = "so their means can show nothing" if least is None else f"and only |rho| from {least:.2f} reaches {LEVEL}"
    if tests:
        notes.append(f"{floor}, {told}.")
    return notes


def _most(rows: pl.DataFrame) -> int:
    return max(rows["n"], default=0)
