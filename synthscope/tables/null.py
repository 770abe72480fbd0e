"""What tells the classes of a null world apart: in the aligned view nothing should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from synthscope.data.audit import HISTORY, OVERALL
from synthscope.errors import SynthscopeError
from synthscope.schema import read_table, write_table
from synthscope.scoring.columns import MEAN
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import view_names

LOOKS = {"all": "file attributes", HISTORY: "history of the pixels"}
NULL = pl.Schema(
    {
        "look": pl.String,  # who tries: a probe of the audit, a floor, a detector
        "view": pl.String,  # of the images it learnt from and is judged on
        "balanced_accuracy": pl.Float64,
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "n_real": pl.Int64,
        "n_ai": pl.Int64,
        "above_chance": pl.Boolean,  # the 95 % interval lies above 0.5
    }
)


def write_null(run: str | Path) -> pl.DataFrame:
    """Gather the audit and the scores of a null world's run into ``null.parquet``.

    Returns:
        Columns of ``NULL``; every look once a view, those that learnt from and are judged on the same one.

    Raises:
        SynthscopeError: A run without scores or audit.
    """
    folder = Path(run)
    for name in ("audit.parquet", "scores.parquet"):
        if not (folder / name).is_file():
            raise SynthscopeError(f"Expected a finished benchmark in {folder}, got no {name}. Run it first.")
    audit, scores = read_table(folder / "audit.parquet"), read_table(folder / "scores.parquet")
    probes = audit.filter(pl.col("subset") == OVERALL, pl.col("attributes").is_in(list(LOOKS)))
    probes = probes.with_columns(look=pl.col("attributes").replace(LOOKS))
    own = scores.filter(
        pl.col("metric") == "balanced_accuracy", pl.col("condition") == "none", pl.col("test_set") != MEAN,
        pl.col("train_view").fill_null("none") == pl.col("view"), pl.col("architecture") != "metadata",
    ).with_columns(look=pl.col("architecture"), balanced_accuracy="value")  # fmt: skip
    table = pl.concat([part.select(*list(NULL)[:-1]) for part in (probes, own)])
    table = table.with_columns(above_chance=pl.col("ci_low") > 0.5)
    write_table(table, folder / "null.parquet")
    return table


def null_table(table: pl.DataFrame) -> Table:
    """:data:`NULL` as people read it: a row a look, a column a view."""
    words, views = view_names(table), table["view"].unique(maintain_order=True).to_list()
    rows = []
    for look in table["look"].unique(maintain_order=True):
        found = {row["view"]: row for row in table.filter(look=look).to_dicts()}
        cells = [_cell(found[view]) if view in found else Cell() for view in views]
        rows.append((look, tuple(cells)))
    n = table.row(0, named=True)
    notes = (
        "Balanced accuracy in percent with 95 % intervals; the classes show the same pictures, so 50 is right.",
        f"{n['n_real']} and {n['n_ai']} test images.",
    )
    return Table(
        "null", "Null world: who tells classes apart that differ in storage alone", "look",
        tuple(words[view] for view in views), tuple(rows), notes, intervals=True,
    )  # fmt: skip


def _cell(row: dict[str, Any]) -> Cell:
    return Cell(row["balanced_accuracy"], row["ci_low"], row["ci_high"], row["n_real"], row["n_ai"])
