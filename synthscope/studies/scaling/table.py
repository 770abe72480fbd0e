"""The grid of training sets as a table: means over seeds, with GenImage's figures where a cell is the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.stats import t

from synthscope.studies.scaling.study import ALL
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import pretty

# (classes, AI images a class) -> accuracy of ResNet-50 on the generator trained on, and across generators
TABLE_6 = {
    (10, 160): (0.736, 0.609), (100, 16): (0.818, 0.627), (100, 160): (0.977, 0.687), (1000, 16): (0.963, 0.684),
    (1000, 162): (0.999, 0.721),
}  # fmt: skip
TABLE_7 = {(10, 1280): 0.788, (50, 256): 0.803, (100, 128): 0.812, (100, 1300): 0.984}  # trained and tested on all


def summarise(runs: pl.DataFrame) -> pl.DataFrame:
    """Mean accuracy over the seeds of each cell and test, with the published figure where the cell is the same.

    The interval is Student's t over seeds, null with one seed: it holds the draw of the training images and the luck
    of training, not the choice of the test images.
    """
    rows = []
    for _, part in runs.group_by("subset", "classes", "per_class", "test", maintain_order=True):
        first = part.row(0, named=True)
        values = part["value"].drop_nulls().to_numpy()
        mean = float(values.mean()) if len(values) else None
        low = high = None
        if len(values) > 1 and mean is not None and np.ptp(values) > 0:
            half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
            low, high = max(0.0, mean - half), min(1.0, mean + half)
        told = ("subset", "classes", "per_class", "train_real", "train_ai", "test", "n_real", "n_ai")
        figures = {"seeds": len(values), "accuracy": mean, "ci_low": low, "ci_high": high}
        figures["published"] = published(first["subset"], (first["classes"], first["per_class"]), first["test"])
        rows.append({key: first[key] for key in told} | figures)
    floats = dict.fromkeys(("accuracy", "ci_low", "ci_high", "published"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=floats, infer_schema_length=None)


def published(subset: str, cell: tuple[int, int], test: str) -> float | None:
    """Accuracy of ResNet-50 in GenImage's Table 6 (SD V1.4) or 7 (all generators), for the same cell.

    >>> published("stable_diffusion_v_1_4", (10, 160), "cross"), published("ADM", (10, 160), "cross")
    (0.609, None)
    """
    if subset == ALL:
        return TABLE_7.get(cell) if test == "cross" else None
    figures = TABLE_6.get(cell) if pretty(subset) == "SD V1.4" else None
    return figures[test == "cross"] if figures else None


def scaling_table(summary: pl.DataFrame, left_out: Sequence[str] = ()) -> Table:
    """A row for each cell, as Tables 6 and 7, with the published figures beside where the cell is the same."""
    tests = summary["test"].unique(maintain_order=True).to_list()
    with_published = summary["published"].is_not_null().any()
    rows = []
    for _, part in summary.group_by("classes", "per_class", maintain_order=True):
        first = part.row(0, named=True)
        found = {row["test"]: row for row in part.iter_rows(named=True)}
        cells = [Cell(*(found[test][key] for key in ("accuracy", "ci_low", "ci_high"))) for test in tests]
        cells += [Cell(found[test]["published"]) for test in tests if with_published]
        name = f"{first['classes']} x {first['per_class']} ({first['train_real']} real, {first['train_ai']} AI)"
        rows.append((name, tuple(cells)))
    heads = [*tests, *(f"{test}, published" for test in tests if with_published)]
    several = bool((summary["seeds"] > 1).any())
    interval = "Student's t over the seeds" if several else "none, for one seed"
    notes = [f"Accuracy in percent; 95 % intervals: {interval}. Cross: unweighted mean over all test subsets."]
    if with_published:
        notes.append("Published: ResNet-50, GenImage, arXiv 2306.08571, Tables 6 and 7, one unseeded run.")
    title = f"Accuracy by classes x AI images a class, trained on {pretty(summary['subset'][0])}"
    return Table("scaling", title, "training images", tuple(heads), tuple(rows), (*notes, *left_out), intervals=True)
