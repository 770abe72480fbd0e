"""Counts of a data set: images by generator and split, what their files are, classes."""

from __future__ import annotations

import polars as pl

from synthscope.data.splits import LABELS

Fact = dict[str, str]  # a row of a table: head of the column -> text
KIND = ("label", "generator")
SPLITS = ("train", "val", "test", None)


def counts(images: pl.DataFrame) -> list[Fact]:
    """Images of each label and generator: all, by split, and ImageNet classes; then all together.

    Args:
        images: Usable rows of a manifest, a path each.
    """
    splits = [split for split in SPLITS if (images["split"].eq_missing(split)).any()]
    rows = []
    kinds = images.group_by(KIND, maintain_order=True)
    for (label, generator), own in [*kinds, ((None, "all"), images)]:
        row = {"Generator": str(generator or "not stated"), "Label": "" if generator == "all" else LABELS[label]}
        row |= {"Images": f"{own.height:,}"}
        for split in splits if splits != [None] else []:
            row[split or "no split"] = f"{own['split'].eq_missing(split).sum():,}"
        if images["class_index"].count():
            row["Classes"] = f"{own['class_index'].drop_nulls().n_unique():,}"
            row["Images a class"] = span(own.drop_nulls("class_index")["class_index"].value_counts()["count"])
        rows.append(row)
    return rows


def files(images: pl.DataFrame) -> list[Fact]:
    """Formats, sizes, JPEG qualities and bytes of each label and generator."""
    rows = []
    for (label, generator), own in images.group_by(KIND, maintain_order=True):
        formats = own["format"].fill_null("?").value_counts(sort=True)
        shares = (f"{name} {n / own.height:.0%}" if n < own.height else str(name) for name, n in formats.iter_rows())
        sizes = own.select("width", "height").drop_nulls()
        common = sizes.group_by("width", "height").len().sort("len", "width", "height", descending=True).head(1).rows()
        side = (sizes["width"].cast(pl.Float64) * sizes["height"]).sqrt()
        rows.append({
            "Generator": str(generator or "not stated"), "Label": LABELS[label], "Formats": ", ".join(shares),
            "Most frequent size": ", ".join(f"{w} × {h} ({n / own.height:.0%})" for w, h, n in common),
            "√(width × height)": span(side.round().cast(pl.Int64)),
            "JPEG quality": span(own["jpeg_quality"].drop_nulls()),
            "kB a file": span((own["bytes"].drop_nulls() / 1000).round().cast(pl.Int64)),
        })  # fmt: skip
    return rows


def shares(images: pl.DataFrame, column: str, head: str) -> list[Fact]:
    """Real and AI images of each value of a column, the most frequent first; at most 40."""
    real, ai = ((pl.col("label") == label).sum() for label in (0, 1))
    found = images.group_by(pl.col(column).fill_null("not stated")).agg(real=real, ai=ai, n=pl.len())
    rows = found.sort("n", column, descending=[True, False]).head(40)
    return [{head: value, "Real": f"{real:,}", "AI": f"{ai:,}"} for value, real, ai, _ in rows.iter_rows()]


def span(values: pl.Series) -> str:
    """ "95 (30–100)": the median and the range; one number where all are the same, "–" where there is none."""
    if values.is_empty():
        return "–"
    low, middle, high = (round(float(values.quantile(q) or 0)) for q in (0, 0.5, 1))
    return f"{middle:,}" if low == high else f"{middle:,} ({low:,}–{high:,})"
