"""The tables of a run on the terminal."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.data.audit import warning
from synthscope.scoring.differences import as_differences
from synthscope.tables.benchmark import audit_table, tables_of
from synthscope.tables.differences import difference_tables
from synthscope.tables.seeds import seed_tables


def print_tables(run: str | Path, *, metric: str = "accuracy") -> None:
    """Print the tables of a run: means over seeds, or matrix and degradations of every view; differences; the audit."""
    run = Path(run)
    seeds = pl.read_parquet(run / "seeds.parquet") if (run / "seeds.parquet").is_file() else None
    tables = [] if seeds is None else seed_tables(seeds)
    tables = tables or tables_of(pl.read_parquet(run / "scores.parquet"), metric=metric)
    if (run / "differences.parquet").is_file():
        tables += difference_tables(as_differences(pl.read_parquet(run / "differences.parquet"), "differences.parquet"))
    print("\n\n".join(table.to_text() for table in tables))
    if (run / "audit.parquet").is_file():
        audit = pl.read_parquet(run / "audit.parquet")
        print(f"\n{audit_table(audit).to_text()}")
        if sentence := warning(audit):
            print(f"\n{sentence}")
