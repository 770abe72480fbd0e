"""A run's table of predictions: the rows of all calls into it, written some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from synthscope.errors import SynthscopeError
from synthscope.inference.store import ROW, ROWS_AT_ONCE, Answers
from synthscope.schema import PREDICTIONS, conform, growing_parquet, read_batches


def check_table(file: Path) -> None:
    """Raise ``SynthscopeError`` unless ``file`` is absent, or a table to which rows can be added."""
    try:
        if file.is_file():
            conform(pl.scan_parquet(file).head(0).collect(), PREDICTIONS, str(file))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SynthscopeError(
            f"Expected a table of predictions in {file}, got: {reason}. Remove it; parts/ beside it keeps all logits."
        ) from error


def add_rows(file: Path, answers: Answers) -> None:
    """Add the rows of a call to the table in ``file``, in place of rows of the same ``ROW``; see ``schema.merged``."""
    call = _Call(answers)
    with growing_parquet(file, PREDICTIONS) as write:
        for earlier in read_batches(file, PREDICTIONS, ROWS_AT_ONCE) if file.is_file() else ():
            write(call.into(earlier))
        for table in call.rest():
            write(table)


class _Call:
    """The rows of a call, of which some stand in the table already. Rows of one key stand once: the last of them."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.of_unit = [key for key in ROW if isinstance(key, str) and key in answers.units.columns]
        self.of_image = [key for key in ROW if not (isinstance(key, str) and key in self.of_unit)]
        rows = answers.images.select(*self.of_image).with_row_index("first")
        keys = rows.columns[1:]
        same = rows.with_columns(last="first").group_by(keys, maintain_order=True)
        self.images = same.agg(pl.col("first").min(), pl.col("last").max())
        self.units = answers.units.select(self.of_unit).with_row_index("unit")
        self.placed = np.zeros((answers.images.height, answers.units.height), np.bool_)

    def into(self, earlier: pl.DataFrame) -> pl.DataFrame:
        """Rows of the table, with those of the call where it has one of the same key."""
        keys = earlier.select(*self.of_image, *self.of_unit).with_row_index("row")
        image = [key if isinstance(key, str) else key.meta.output_name() for key in self.of_image]
        found = keys.join(self.units, on=self.of_unit, nulls_equal=True)
        found = found.join(self.images, on=image, nulls_equal=True).sort("row")
        if found.is_empty():
            return earlier
        unit = found["unit"].to_numpy().astype(np.intp)
        self.placed[found["first"].to_numpy(), unit] = True
        fresh = self.answers.rows(found["last"].to_numpy().astype(np.intp), unit)
        order = np.arange(earlier.height)
        order[found["row"].to_numpy()] = earlier.height + np.arange(found.height)
        return pl.concat([earlier, fresh])[order]

    def rest(self) -> Iterator[pl.DataFrame]:
        """The other rows, in order."""
        step = max(1, ROWS_AT_ONCE // self.units.height)
        for some in self.images.iter_slices(step):
            first, last = (some[name].to_numpy().astype(np.intp) for name in ("first", "last"))
            at, units = np.nonzero(~self.placed[first])
            if len(at):
                yield self.answers.rows(last[at], units)
