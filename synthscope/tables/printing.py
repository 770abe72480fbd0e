"""The tables of a run on the terminal."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.data.audit import AUDIT, warning
from synthscope.runtime.told import printable
from synthscope.schema import SCORES, read_table
from synthscope.scoring.differences import as_differences
from synthscope.scoring.seeds import SEEDS
from synthscope.tables.benchmark import audit_table, tables_of
from synthscope.tables.differences import difference_tables
from synthscope.tables.generalization import generalization_tables
from synthscope.tables.left_out import COSTS, COSTS_FILE, left_out_tables
from synthscope.tables.seeds import seed_tables
from synthscope.tables.slices import worst_group_tables
from synthscope.tables.treatments import treatment_text


def print_tables(run: str | Path, *, metric: str = "accuracy") -> None:
    """Print the tables of a run: means over seeds, or matrix and degradations of every view; differences; the audit."""
    run = Path(run)
    seeds = read_table(run / "seeds.parquet", columns=list(SEEDS)) if (run / "seeds.parquet").is_file() else None
    tables = [] if seeds is None else seed_tables(seeds)
    tables = tables or tables_of(read_table(run / "scores.parquet", schema=SCORES), metric=metric)
    if (run / "left_out.parquet").is_file():
        costs = read_table(run / COSTS_FILE) if (run / COSTS_FILE).is_file() else pl.DataFrame(schema=COSTS)
        tables += left_out_tables(read_table(run / "left_out.parquet"), costs, metric=metric)
    if (run / "generalization.parquet").is_file():
        tables += generalization_tables(read_table(run / "generalization.parquet"), metric=metric)
    if (run / "worst_groups.parquet").is_file():
        tables += worst_group_tables(read_table(run / "worst_groups.parquet"), clean=True)
    if (run / "differences.parquet").is_file():
        tables += difference_tables(as_differences(read_table(run / "differences.parquet"), "differences.parquet"))
    print("\n\n".join(table.to_text() for table in tables))
    if (run / "treatments.parquet").is_file():
        print(f"\n{treatment_text(read_table(run / 'treatments.parquet'))}")
    if (run / "audit.parquet").is_file():
        audit = read_table(run / "audit.parquet", schema=AUDIT)
        print(f"\n{audit_table(audit).to_text()}")
        if sentence := warning(audit):
            print(f"\n{printable(sentence)}")
