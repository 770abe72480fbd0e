"""Tables of ``seeds.parquet``: a recipe a row, means over training seeds with t intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from synthscope.annotations.taxonomy import CATEGORIES
from synthscope.data.degrade.chains import chain_words
from synthscope.schema import conform
from synthscope.scoring.seed_families import (
    DETECTION,
    ERASURE,
    HEATMAPS,
    MASKS,
    MASKS_BY_CATEGORY,
    RECALLS,
    STABILITY,
    keys_of,
)
from synthscope.scoring.seeds import SEEDS
from synthscope.tables.differences import comparisons, starred
from synthscope.tables.render import Cell, Table

_PERCENT = {*DETECTION, *MASKS, *RECALLS}
SAME_CHANCE = 0.005  # apart by less, as where a blank heatmap of one detector leaves out an image
Row = dict[str, Any]


def seed_tables(seeds: pl.DataFrame) -> list[Table]:
    """All tables that there are figures for; each is followed by that of the differences, where rows are compared."""
    rows = [row | {"keys": keys_of(row["about"])} for row in conform(seeds, SEEDS, "the seeds").iter_rows(named=True)]
    tables = []
    for grid in (*_detection(rows), *_heatmaps(rows), *_masks(rows), *_erasure(rows), *_fidelity(rows)):
        if grid.chosen:
            tables += [_table(grid), *_difference(grid)]
    return tables


@dataclass(frozen=True)
class _Grid:
    """Which figures stand where: ``chosen[row name][column]`` is a row of ``SEEDS``."""

    name: str
    title: str
    columns: Sequence[str]
    chosen: dict[str, dict[str, Row]]


def _detection(rows: list[Row]) -> Iterator[_Grid]:
    plain = [row for row in rows if row["table"] == "detection" and set(row["keys"]) <= {"test_set"}]
    tests = list(dict.fromkeys(row["keys"].get("test_set", "") for row in plain))
    for metric in DETECTION:
        named = {"f1": "F1", "auroc": "AUROC"}.get(metric, "Balanced accuracy")
        chosen = _placed(plain, metric, lambda row: row["keys"].get("test_set", ""))
        yield _Grid(f"seeds_{metric}", f"{named} by test set", tests, chosen)


def _heatmaps(rows: list[Row]) -> Iterator[_Grid]:
    table = [row for row in rows if row["table"] == "explanation" and not {"category", "level"} & set(row["keys"])]
    for explainer in dict.fromkeys(row["keys"]["explainer"] for row in table):
        own = [row for row in table if row["keys"]["explainer"] == explainer]
        word = explainer.partition(":")[0]
        plain = [row for row in own if set(row["keys"]) == {"explainer"}]
        yield _Grid(f"seeds_{word}", f"Heatmaps of {explainer} against annotations", HEATMAPS, _by_metric(plain))
        for condition in dict.fromkeys(row["keys"].get("condition") for row in own):
            degraded = [row for row in own if condition and row["keys"].get("condition") == condition]
            slug = "".join(letter if letter.isalnum() else "_" for letter in condition or "")
            title = f"Heatmaps of {explainer}: clean against {chain_words(condition or 'none')}"
            yield _Grid(f"seeds_{word}_{slug}", title, STABILITY, _by_metric(degraded))


def _masks(rows: list[Row]) -> Iterator[_Grid]:
    table = [row for row in rows if row["table"] == "masks" and "generator" not in row["keys"]]
    agnostic = [row for row in table if "category" not in row["keys"]]
    yield _Grid("seeds_masks", "Predicted artifact masks, whatever their category", MASKS, _by_metric(agnostic))
    heads = {category.label: category.name for category in CATEGORIES}
    by_category = [row for row in table if row["keys"].get("category") in heads]
    for metric, what in MASKS_BY_CATEGORY.items():
        chosen = _placed(by_category, metric, lambda row: heads[row["keys"]["category"]])
        title = f"Predicted artifact masks, pixel {what} by category"
        yield _Grid(f"seeds_masks_{metric}", title, list(heads.values()), chosen)


def _erasure(rows: list[Row]) -> Iterator[_Grid]:
    table = [row for row in rows if row["table"] == "erasure" and set(row["keys"]) == {"fill"}]
    for fill in dict.fromkeys(row["keys"]["fill"] for row in table):
        own = [row for row in table if row["keys"]["fill"] == fill]
        yield _Grid(f"seeds_erased_{fill}", f"Drop of the logit after {fill}", ERASURE, _by_metric(own))


def _fidelity(rows: list[Row]) -> Iterator[_Grid]:
    """Correlations within generators, which differ in damage and difficulty, and recall without and with artifacts."""
    table = [row for row in rows if row["table"] == "fidelity" and "view" not in row["keys"]]
    within = [row for row in table if row["keys"].get("level") == "image_within_generator"]
    columns = [f"{of}, {against}" for of in ("logit", "correct") for against in ("par", "niqe")]
    chosen = _placed(within, "spearman", lambda row: f"{row['keys']['of']}, {row['keys']['against']}")
    yield _Grid("seeds_fidelity", "Spearman's rho with artifact ratio and NIQE, within generators", columns, chosen)
    groups = [row for row in table if row["metric"].startswith("recall_")]
    yield _Grid("seeds_recalls", "AI images found without and with artifacts", RECALLS, _by_metric(groups))


def _by_metric(rows: list[Row]) -> dict[str, dict[str, Row]]:
    chosen: dict[str, dict[str, Row]] = {}
    for row in rows:
        chosen.setdefault(row["row"], {})[row["metric"]] = row
    return chosen


def _placed(rows: list[Row], metric: str, column: Any) -> dict[str, dict[str, Row]]:
    chosen: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row["metric"] == metric:
            chosen.setdefault(row["row"], {})[column(row)] = row
    return chosen


def _table(grid: _Grid) -> Table:
    lines = []
    for name, figures in grid.chosen.items():
        lines.append((name, tuple(_cell(figures.get(column)) for column in grid.columns)))
    lines += _chance(grid)
    seeds = {row["n_seeds"] for figures in grid.chosen.values() for row in figures.values()}
    note = f"Means over {_span(seeds)} training seeds, 95 % t intervals over them; the test images are fixed."
    return Table(grid.name, grid.title, "trained for", tuple(grid.columns), tuple(lines), (note,), intervals=True)


def _chance(grid: _Grid) -> list[tuple[str, tuple[Cell, ...]]]:
    """What knowing nothing scores: one line, or one for each row where it depends on how much a row predicts."""
    lines: dict[str, tuple[Cell, ...]] = {}
    for name, figures in grid.chosen.items():
        known = {column: row for column, row in figures.items() if column in grid.columns}
        cells = {column: Cell(row["chance"], percent=row["metric"] in _PERCENT) for column, row in known.items()}
        if any(cell.value is not None for cell in cells.values()):
            lines[name] = tuple(cells.get(column, Cell()) for column in grid.columns)
    values = np.array([[np.nan if cell.value is None else cell.value for cell in cells] for cells in lines.values()])
    if len(lines) and np.nanmax(np.ptp(values, axis=0), initial=0) < SAME_CHANCE:
        return [("(chance)", next(iter(lines.values())))]
    return [(f"(chance of {name})", cells) for name, cells in lines.items()]


def _difference(grid: _Grid) -> list[Table]:
    """The paired differences of a grid's figures, where there are any."""
    compared = {
        name: {column: row for column, row in figures.items() if column in grid.columns and row["against"] is not None}
        for name, figures in grid.chosen.items()
    }
    shown = [row for figures in compared.values() for row in figures.values()]
    if not shown:
        return []
    lines = [
        (name, tuple(_apart(figures.get(column)) for column in grid.columns))
        for name, figures in compared.items()
        if figures
    ]
    notes = ["Means of paired differences, seed by seed, 95 % t intervals; p by paired t tests.", comparisons(shown)]
    if any(row["smallest_detectable"] is not None and not starred(row) for row in shown):
        notes.append(
            "(sees x): the true difference that so many seeds of this spread find in four of five experiments, by a "
            "two-sided paired t test at 0.05, before any correction."
        )
    title, name = f"{grid.title}: less {shown[0]['against']}", f"{grid.name}_difference"
    columns = tuple(grid.columns)
    return [Table(name, title, "trained for", columns, tuple(lines), tuple(notes), intervals=True, signed=True)]


def _apart(row: Row | None) -> Cell:
    """A difference: "*" where it holds, else what would have been seen."""
    if row is None or row["difference"] is None:
        return Cell()
    percent, seen = row["metric"] in _PERCENT, row["smallest_detectable"]
    mark = "*" if starred(row) else ""
    if not mark and seen is not None:
        mark = f" (sees {100 * seen:.1f})" if percent else f" (sees {seen:.3f})"
    return Cell(row["difference"], row["difference_low"], row["difference_high"], percent=percent, mark=mark)


def _cell(row: Row | None) -> Cell:
    if row is None or row["value"] is None:
        return Cell()
    return Cell(row["value"], row["ci_low"], row["ci_high"], percent=row["metric"] in _PERCENT)


def _span(numbers: set[int]) -> str:
    return f"{min(numbers)}" if len(numbers) == 1 else f"{min(numbers)} to {max(numbers)}"
