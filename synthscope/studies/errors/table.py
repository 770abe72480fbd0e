"""The figures of the study as people read them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthscope.studies.errors.prediction import ALL, LEVELS
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import short_names

AMOUNT_NAMES = {"wrong": "wrong parts", "score": "score"}


def agreement_table(agreement: pl.DataFrame) -> Table:
    """One row a question."""
    rows = []
    for row in agreement.iter_rows(named=True):
        named = {"kind": "errors of kind ", "part": "errors of the ", "pair": ""}.get(row["of"], "")
        cells = (
            Cell(row["value"], row["ci_low"], row["ci_high"], percent=False), Cell(row["shuffled"], percent=False),
            Cell(row["p_value"], percent=False), Cell(row["share"], percent=False),
        )  # fmt: skip
        rows.append((f"{row['measure']}, {named}{row['name']} (n = {row['n']})", cells))
    columns = ("agreement", "shuffled", "p", "share or mean")
    notes = (
        "95 % intervals: bootstrap over pictures. Shuffled: the mean when the second judgements are exchanged between "
        "pictures; p: how often these agree as much (one-sided).",
    )
    return Table(
        "agreement",
        "Two people's judgements of the same pictures",
        "question",
        columns,
        tuple(rows),
        notes,
        intervals=True,
    )


def prediction_tables(prediction: pl.DataFrame, whole: Sequence[str]) -> list[Table]:
    """One table a generator and level, those whose images are ``whole`` first, then the others, then all together."""
    names = short_names(prediction["detector"].unique(maintain_order=True))
    generators = prediction["generator"].unique(maintain_order=True).to_list()
    order = sorted(generators, key=lambda g: (g == ALL, g not in whole, g))
    tables = []
    for generator in order:
        for level in LEVELS:
            own = prediction.filter(generator=generator, level=level)
            rows = []
            for detector, view in own.select("detector", "view").unique(maintain_order=True).iter_rows():
                cells = []
                for row in own.filter(detector=detector, view=view).iter_rows(named=True):
                    mark = "*" if row["p_holm"] is not None and row["p_holm"] <= 0.05 else ""
                    rho = Cell(row["rho"], row["ci_low"], row["ci_high"], percent=False, mark=mark)
                    cells += [rho, Cell(row["p_value"], percent=False)]
                rows.append((f"{names[detector]}, {view}", tuple(cells)))
            columns = tuple(head for amount in AMOUNT_NAMES.values() for head in (f"rho of {amount}", "p"))
            critical = own["critical"].drop_nulls()
            notes = [
                f"n = {max(own['n'].to_list())} pictures. * p at most 0.05 after Holm's adjustment over this table."
            ]
            if critical.len():
                least = min(critical.to_list())
                notes.append(f"A |rho| below {least:.2f} cannot be told from 0 with so few (p = 0.05, one test).")
            if generator != ALL and generator not in whole:
                notes.append("Only crops of these pictures are there: an error may lie outside of them.")
            title = f"Errors that people see against logits: {generator}, {level}"
            slug = f"prediction_{generator}_{level}".replace(" ", "_")
            tables.append(Table(slug, title, "detector, view", columns, tuple(rows), tuple(notes), intervals=True))
    return tables
