"""The resumable memory of a prediction run: small Parquet parts, keyed by what decides a logit.

Every part is written whole or not at all, so a run can be killed at any time. A key with a logit is final; a key
with an error is tried again by the next run. What is known of a run is held as four bytes a key, however many there
are; tables are made and written some rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.inference.parts import each_part, in_batches
from synthscope.metrics.calibration import calibrated
from synthscope.numbering import Numbering
from synthscope.schema import ABSENT, PREDICTIONS, conform, view_name

# beside the image: its sha256, or path
KEY = ["view", "detector", "preprocessing", "condition", "precision", "backend", "seed"]
PART = pl.Schema(
    {
        "path": pl.String,
        "sha256": pl.String,  # null where the file could not be read
        "view": pl.String,
        "detector": pl.String,
        "preprocessing": pl.String,
        "condition": pl.String,
        "precision": pl.String,
        "backend": pl.String,  # absent in parts of before there were several: eager
        "seed": pl.Int64,
        "logit": pl.Float32,
        "error": pl.String,
    }
)
ROW: tuple[str | pl.Expr, ...] = (  # of a run's table
    "path", "subset", view_name(), "detector", "preprocessing", "condition", "precision", "backend",
)  # fmt: skip
ROWS_AT_ONCE = 1 << 19  # of tables that are read or made
_IMAGE = pl.coalesce("sha256", "path").alias("image")


def read_logits(folder: Path) -> Iterator[pl.DataFrame]:
    """Rows of ``PART`` of all parts in ``folder``, oldest first, some parts at a time."""
    parts = each_part(folder, PART, of="a prediction run", missing="insert", narrow=_with_backend)
    return in_batches(parts, ROWS_AT_ONCE)


def _with_backend(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("backend").fill_null(ABSENT["backend"]))


@dataclass(frozen=True)
class Answers:
    """What a run says of every (image, unit), as far as it says anything.

    Four bytes for each; the rows of a table are made where they are asked for.
    """

    images: pl.DataFrame  # manifest rows with ``sha256`` filled where it is known and ``view`` everywhere
    units: pl.DataFrame  # see :func:`gather`
    places: NDArray[np.intp]  # (rows of images,) row of ``logits``: one for all files of the same bytes and view
    logits: NDArray[np.float32]  # (places, units); NaN = none
    failed: NDArray[np.int64]  # (f,) place * units + unit without a logit, rising
    reasons: pl.Series  # (f,) why

    @property
    def height(self) -> int:
        """Number of (image, unit)."""
        return self.images.height * self.units.height

    def finished(self, rows: range) -> dict[tuple[str, str], int]:
        """Which units have a logit: (sha256, view) of some rows to a number whose bit ``u`` stands for unit ``u``."""
        known = self.images["sha256", "view"][rows.start : rows.stop].with_columns(
            place=pl.Series(self.places[rows.start : rows.stop])
        )
        return {
            (sha256, view): sum(1 << int(unit) for unit in np.flatnonzero(~np.isnan(self.logits[place])))
            for sha256, view, place in known.iter_rows()
            if sha256 is not None
        }

    def rows(self, positions: NDArray[np.intp], units: NDArray[np.intp]) -> pl.DataFrame:
        """Some (image, unit), in the order given.

        Args:
            positions: ``(n,)`` rows of ``images``.
            units: ``(n,)`` rows of ``units``.

        Returns:
            Columns of ``schema.PREDICTIONS``.
        """
        places = self.places[positions]
        logits, failures = self.logits[places, units], places * self.units.height + units
        nearest = np.searchsorted(self.failed, failures)
        hit = nearest < len(self.failed)
        hit[hit] = self.failed[nearest[hit]] == failures[hit]
        failure = pl.Series(np.where(hit, nearest, -1)).replace({-1: None})
        table = self.images[positions].hstack(self.units[units])
        table = table.with_columns(logit=pl.Series(logits).fill_nan(None), failure=self.reasons.gather(failure))
        table = table.with_columns(
            logit=pl.when(pl.col("error").is_null()).then("logit"),
            error=pl.coalesce("error", pl.when(pl.col("logit").is_null()).then("failure")),
        )
        p = calibrated(*(table[column].to_numpy() for column in ("logit", "temperature", "bias")))
        table = table.with_columns(p_ai=pl.Series(p).fill_nan(None))
        return conform(table, PREDICTIONS, "the predictions")

    def slices(self, positions: NDArray[np.intp] | None = None) -> Iterator[pl.DataFrame]:
        """:meth:`rows` of all units of some images, of all by default, some rows at a time."""
        chosen = np.arange(self.images.height) if positions is None else positions
        units = np.arange(self.units.height)
        step = max(1, ROWS_AT_ONCE // len(units))
        for first in range(0, max(1, len(chosen)), step):  # of no images: a table without rows
            here = chosen[first : first + step]
            yield self.rows(np.repeat(here, len(units)), np.tile(units, len(here)))

    def of(self, rows: NDArray[np.bool_]) -> Answers:
        """Those of some of the images."""
        return replace(self, images=self.images.filter(pl.Series(rows)), places=self.places[rows])

    def learn(self, results: Iterable[tuple[int, str | None, int, float | None]]) -> None:
        """Take logits in: row of ``images``, sha256 that was read, unit and logit."""
        known = self.images["sha256"]
        for row, sha256, unit, logit in results:
            if logit is not None and known[row] == sha256:
                self.logits[self.places[row], unit] = logit

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which rows of ``images`` have no error of their own."""
        return self.images["error"].is_null().to_numpy()

    @property
    def open(self) -> NDArray[np.bool_]:
        """Which rows of ``images`` lack a logit."""
        return np.asarray(np.isnan(self.logits).any(axis=1))[self.places]

    @property
    def failures(self) -> NDArray[np.int64]:
        """How many units of each row of ``images`` have an error."""
        units = self.units.height
        at_place = np.bincount(self.failed // units, minlength=len(self.logits))
        return np.where(self.usable, at_place[self.places], units)

    @property
    def complete(self) -> bool:
        """Whether there is a logit or an error for every (image, unit)."""
        answered = (~np.isnan(self.logits)).sum(axis=1)[self.places] + self.failures
        return bool((answered >= self.units.height).all())


def gather(images: pl.DataFrame, units: pl.DataFrame, parts: Iterable[pl.DataFrame]) -> Answers:
    """What ``parts`` say of all images and units. Of several logits of a key the first counts, of errors the last.

    Args:
        images: Manifest rows with ``sha256`` filled where it is known and ``view`` everywhere.
        units: One row a detector and condition: columns of ``KEY`` but ``view``, ``unit``, and what is known of the
            detector, with ``temperature`` and ``bias`` of its calibration.
        parts: Rows of ``PART``, oldest first.
    """
    number = Numbering()
    name = number(pl.concat_str(_IMAGE, "view", separator="\x1f"))
    code = images.select(name.alias("code")).to_series()
    codes, places = np.unique(code.to_numpy(), return_inverse=True)
    place_of = np.full(int(codes.max()) + 1, -1, np.int64)
    place_of[codes] = np.arange(len(codes))
    logits = np.full((len(codes), units.height), np.nan, np.float32)
    cells, failures = logits.reshape(-1), [pl.DataFrame(schema={"cell": pl.Int64, "error": pl.Categorical})]
    keys = units.select(pl.int_range(pl.len()).alias("unit"), *(key for key in KEY if key != "view"))
    for part in parts:
        known = part.with_columns(code=name).join(keys, on=keys.columns[1:], maintain_order="left")
        known = known.filter(pl.col("code") < len(place_of))
        place = place_of[known["code"].to_numpy()]
        known = known.select(cell=pl.Series(place * units.height) + pl.col("unit"), logit="logit", error="error")
        known = known.filter(pl.Series(place >= 0))
        new = known.filter(pl.col("logit").is_not_null()).unique("cell", keep="first")
        new = new.filter(pl.Series(np.isnan(cells[new["cell"].to_numpy()]), dtype=pl.Boolean))
        cells[new["cell"].to_numpy()] = new["logit"].to_numpy()
        failures.append(known.filter(pl.col("logit").is_null()).select("cell", pl.col("error").cast(pl.Categorical)))
    failed = pl.concat(failures)
    failed = failed.filter(pl.Series(np.isnan(cells[failed["cell"].to_numpy()]), dtype=pl.Boolean))
    failed = failed.unique("cell", keep="last").sort("cell")
    return Answers(images, units, places, logits, failed["cell"].to_numpy(), failed["error"].cast(pl.String))
