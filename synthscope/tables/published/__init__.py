"""Figures that others have published on GenImage, to stand beside your own: one CSV a source, percent as printed.

Figures of two sources differ by more than the detectors do (training, resizing, which checkpoint), so a comparison
stays inside one source, and nothing here is a ranking.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from synthscope.errors import UsageError, suggest
from synthscope.scoring.columns import MEAN

ALL_TRAIN_SETS = "each"  # the mean over detectors trained on each of the eight subsets
_LEAD = ("method", "architecture", "train_set", "source", "note")


class Source(NamedTuple):
    """Where a table comes from and what its figures are."""

    citation: str
    setting: Literal["raw", "aligned"]  # test images as stored, or with formats and sizes aligned between the classes
    metric: str
    mark: Literal["official", "reported"]  # by its own authors, or by others


_GENIMAGE = "Zhu et al., GenImage (arXiv 2306.08571v2)"
_JPEG = "Grommelt et al., Fake or JPEG? (arXiv 2403.17608)"
SOURCES = {
    "genimage_table2": Source(f"{_GENIMAGE}, Table 2", "raw", "accuracy", "official"),
    "genimage_table3": Source(f"{_GENIMAGE}, Table 3", "raw", "accuracy", "official"),
    "genimage_table4": Source(f"{_GENIMAGE}, Table 4", "raw", "accuracy", "official"),
    "genimage_table5": Source(f"{_GENIMAGE}, Table 5", "raw", "accuracy", "official"),
    "fake_or_jpeg_raw": Source(f"{_JPEG}, raw training, computed from its figures", "raw", "accuracy", "reported"),
    "fake_or_jpeg_constrained": Source(f"{_JPEG}, size-constrained training", "aligned", "accuracy", "official"),
    "fake_or_jpeg_reproduced": Source(
        "Arvinder-Lal/Reproduction-UnbiasedGenImage, size-constrained training", "aligned", "accuracy", "reported"
    ),
    "sd14_raw": Source("detectors trained on SD V1.4, as listed by the source named", "raw", "accuracy", "reported"),
    "official_checkpoints_raw": Source(
        "official checkpoints, as listed by graydove/Awesome-AIGC-Image-Detection", "raw", "accuracy", "reported"
    ),
    "dda_table4": Source(
        "Chen et al., DDA (NeurIPS 2025), Table 4: official checkpoints, AI images as JPEG of quality 96",
        "aligned", "balanced_accuracy", "reported",
    ),
}  # fmt: skip


def published(table: str) -> pl.DataFrame:
    """One published table as rows.

    Args:
        table: A key of ``SOURCES``.

    Returns:
        ``table, source, setting, metric, mark, method, architecture, train_set, test_set, condition, value, note``, a
        row a figure: ``architecture`` is the name of this program's detector or null, ``train_set`` a GenImage subset
        in lower case, ``"each"`` or null (not trained on GenImage), ``test_set`` a subset or ``"mean"``, ``condition``
        a recipe or ``"mean"``, ``value`` a fraction. Figures that a source does not give have no row.

    Raises:
        UsageError: No such table.
    """
    if table not in SOURCES:
        raise UsageError(f"Expected a published table, got {table!r}. {suggest(table, SOURCES)}")
    about = SOURCES[table]
    wide = pl.read_csv(Path(__file__).parent / f"{table}.csv", infer_schema=False)
    figures = [column for column in wide.columns if column not in _LEAD]
    degraded = figures[0].partition(":")[0] in ("lr", "jpeg", "blur")
    long = wide.unpivot(figures, index=[column for column in _LEAD if column in wide.columns], variable_name="column")
    known = long.with_columns(pl.col(pl.String).replace("", None)).drop_nulls("value")
    own = {"source": pl.col("source") if "source" in wide.columns else pl.lit(about.citation)}
    own["note"] = pl.col("note") if "note" in wide.columns else pl.lit(None, pl.String)
    return known.select(
        table=pl.lit(table),
        source=own["source"],
        setting=pl.lit(about.setting),
        metric=pl.lit(about.metric),
        mark=pl.lit(about.mark),
        method="method",
        architecture="architecture",
        train_set="train_set",
        test_set=pl.col("train_set") if degraded else pl.col("column"),
        condition=pl.col("column") if degraded else pl.lit("none"),
        value=(pl.col("value").cast(pl.Float64) / 100).round(6),
        note=own["note"],
    )


def all_published() -> pl.DataFrame:
    """Every published table, one below the other; columns as :func:`published`.

    >>> all_published().filter(architecture="resnet50", table="genimage_table3", test_set="mean")["value"].item()
    0.721
    """
    return pl.concat([published(table) for table in SOURCES])


__all__ = ["ALL_TRAIN_SETS", "MEAN", "SOURCES", "Source", "all_published", "published"]
