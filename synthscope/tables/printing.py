"""The tables of a run on the terminal."""

from __future__ import annotations

from pathlib import Path

from synthscope.data.audit import AUDIT, warning
from synthscope.runtime.told import printable
from synthscope.schema import SCORES, read_table
from synthscope.scoring.seeds import SEEDS
from synthscope.tables.benchmark import audit_table, difference_table, tables_of
from synthscope.tables.seeds import seed_tables
from synthscope.tables.wording import views_of


def print_tables(run: str | Path, *, metric: str = "accuracy") -> None:
    """Print the tables of a run: means over seeds, or matrix and degradations of every view; differences; the audit."""
    run = Path(run)
    seeds = read_table(run / "seeds.parquet", columns=list(SEEDS)) if (run / "seeds.parquet").is_file() else None
    tables = [] if seeds is None else seed_tables(seeds)
    tables = tables or tables_of(read_table(run / "scores.parquet", schema=SCORES), metric=metric)
    if (run / "differences.parquet").is_file():
        differences = read_table(run / "differences.parquet", schema=SCORES)
        compared = differences["metric"][0]
        tables += [difference_table(differences, metric=compared, view=view) for view in views_of(differences)]
    print("\n\n".join(table.to_text() for table in tables))
    if (run / "audit.parquet").is_file():
        audit = read_table(run / "audit.parquet", schema=AUDIT)
        print(f"\n{audit_table(audit).to_text()}")
        if sentence := warning(audit):
            print(f"\n{printable(sentence)}")
