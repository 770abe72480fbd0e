"""The images of a run or a manifest, as they are listed, filtered and ordered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from synthscope.config import Config
from synthscope.data.manifest import load_manifest
from synthscope.errors import SynthscopeError, UsageError
from synthscope.report.heatmaps.run import HeatmapRun, read_regions
from synthscope.schema import MANIFEST, PREDICTIONS, conform, read_table, view_name
from synthscope.tables.answers import answer

IMAGE = ["path", "sha256", "label", "generator", "subset", "split", "error"]
SCORED = pl.Schema({"logit": pl.Float64, "p_ai": pl.Float64, "threshold": pl.Float64, "failure": pl.String})


class Query(Config):
    """Which images, in which order."""

    detector: str = ""  # whose answers are shown; the first if empty
    view: str = ""
    condition: str = ""
    label: Literal["", "ai", "real", "unknown"] = ""
    answer: Literal["", "AI", "real", "error", "wrong"] = ""
    subset: str = ""
    text: str = Field(default="", max_length=200)  # in the path
    low: float | None = None  # of the logit
    high: float | None = None
    sort: Literal["wrong", "ai", "real", "path"] = "wrong"
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=60, ge=1, le=500)


@dataclass(frozen=True)
class Collection:
    """What a browser shows; images are known by their place in ``images``."""

    name: str
    images: pl.DataFrame  # IMAGE, "number"; each path once
    predictions: pl.DataFrame | None  # PREDICTIONS, "number"
    heatmaps: HeatmapRun | None
    regions: pl.DataFrame | None  # annotations

    def choices(self, column: str) -> list[str]:
        """Values of a column of the predictions, in their order; none without predictions."""
        return [] if self.predictions is None else self.predictions[column].unique(maintain_order=True).to_list()

    def rows(self, query: Query) -> pl.DataFrame:
        """All images that match, in order.

        Returns:
            ``IMAGE``, ``number``, ``SCORED``, ``answer`` (AI, real, error, or null where nothing was predicted),
            ``wrong`` (is it? null without label or answer) and ``margin``, by which the logit lies on the side that the
            label says; the least are the most wrong.
        """
        table = self._scored(query).with_columns(error=pl.coalesce("error", "failure"))
        distance = pl.col("logit") - pl.col("threshold").fill_null(0.0)
        side = pl.when(pl.col("label") == 1).then(1.0).when(pl.col("label") == 0).then(-1.0)
        table = table.with_columns(
            answer=pl.when(pl.col("error").is_not_null() | pl.col("logit").is_not_null()).then(answer()),
            margin=side * distance,
            wrong=pl.when(pl.col("logit").is_not_null()).then((pl.col("label") == 1) != (distance > 0)),
        )
        return _ordered(table.filter(*_conditions(query)), query.sort)

    def _scored(self, query: Query) -> pl.DataFrame:
        if self.predictions is None:
            return self.images.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in SCORED.items())
        wanted = {
            name: getattr(query, name) or self.choices(name)[0] for name in ("detector", "view", "condition")
        }  # fmt: skip
        rows = self.predictions.filter(**wanted).unique("number", maintain_order=True)
        rows = rows.select("number", "logit", "p_ai", "threshold", failure="error")
        return self.images.join(rows, on="number", how="left", maintain_order="left")


def open_collection(source: str | Path) -> Collection:
    """A run folder, with whatever of manifest, predictions, heatmaps and annotations is in it, or a manifest.

    Raises:
        UsageError: Neither.
        SynthscopeError: A table that cannot be read, or no images.
    """
    folder = Path(source)
    if not folder.is_dir():
        return Collection(folder.name, _images(load_manifest(source)), None, None, None)
    manifest, written = folder / "manifest.parquet", folder / "predictions.parquet"
    if not manifest.is_file() and not written.is_file():
        raise UsageError(
            f"Expected manifest.parquet or predictions.parquet in {folder}, got neither. Name a run folder, a manifest "
            "or LAYOUT:PATH."
        )
    predictions = read_table(written, schema=PREDICTIONS).with_columns(view_name()) if written.is_file() else None
    images = _images(load_manifest(manifest) if predictions is None or manifest.is_file() else predictions)
    if predictions is not None:
        predictions = predictions.join(images.select("path", "number"), on="path", how="inner", maintain_order="left")
        predictions = None if predictions.is_empty() else predictions
    heatmaps = HeatmapRun(folder) if (folder / "explanations.parquet").is_file() else None
    regions = heatmaps.regions if heatmaps else read_regions(folder)
    return Collection(folder.name, images, predictions, heatmaps, regions)


def _images(table: pl.DataFrame) -> pl.DataFrame:
    images = conform(table, MANIFEST, "the images").select(IMAGE).unique("path", keep="first", maintain_order=True)
    if images.is_empty():
        raise SynthscopeError("Expected images to browse, got an empty table. Index the images first.")
    return images.with_row_index("number")


def _conditions(query: Query) -> list[pl.Expr]:
    found = []
    if query.label:
        code = {"ai": 1, "real": 0, "unknown": None}[query.label]
        found.append(pl.col("label").eq_missing(pl.lit(code, pl.Int8)))
    if query.answer:
        found.append(pl.col("wrong") if query.answer == "wrong" else pl.col("answer") == query.answer)
    if query.subset:
        found.append(pl.col("subset") == query.subset)
    if query.text:
        found.append(pl.col("path").str.contains(query.text, literal=True))
    found += [] if query.low is None else [pl.col("logit") >= query.low]
    found += [] if query.high is None else [pl.col("logit") <= query.high]
    return found or [pl.lit(True)]


def _ordered(table: pl.DataFrame, by: str) -> pl.DataFrame:
    column, descending = {
        "wrong": ("margin", False), "ai": ("logit", True), "real": ("logit", False), "path": ("path", False),
    }[by]  # fmt: skip
    return table.sort(column, "number", descending=[descending, False], nulls_last=True, maintain_order=True)
