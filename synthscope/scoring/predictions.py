"""Predictions of any number, held as one number for each image and column, and their test sets one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.resampling import Units
from synthscope.numbering import Numbering
from synthscope.scoring.columns import (
    MEAN,
    TEST_SETS,
    Columns,
    Key,
    check_labelled,
    group_name,
    no_row,
    read_tables,
)
from synthscope.scoring.units import with_units

ITEM = ["image", "label", "subset", "generator", "split"]  # rows of one image that stand at different places
_TWICE = (
    "one prediction for each image, detector, view and condition",
    "Give each precision and backend a run folder of its own.",
)
_MANY = 1 << 22  # rows about items that are put together at once
Floats = NDArray[np.float32]


class Column:
    """What is known of the items under one key; nine bytes each."""

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold
        self.logits, self.p, self.failed = np.empty(0, np.float32), np.empty(0, np.float32), np.empty(0, np.bool_)

    @property
    def taken(self) -> NDArray[np.bool_]:
        """Which items have a row."""
        return self.failed | ~np.isnan(self.logits)

    def reach(self, size: int) -> None:
        """Make room for so many items."""
        for name, empty in (("logits", np.nan), ("p", np.nan), ("failed", False)):
            old = getattr(self, name)
            new = np.full(size, empty, old.dtype)
            kept = min(size, len(old))
            new[:kept] = old[:kept]
            setattr(self, name, new)

    def keep(self, items: NDArray[np.uint32]) -> None:
        """Have these rising items alone."""
        self.reach(int(items[-1]) + 1)
        if len(items) < len(self.logits):
            self.logits, self.p, self.failed = self.logits[items], self.p[items], self.failed[items]

    def add(self, items: NDArray[np.intp], logits: Floats, p: Floats, failed: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Take rows in; returns those whose item has a row already."""
        if (size := int(items.max()) + 1) > len(self.logits):
            self.reach(max(size, len(self.logits) * 5 // 4))
        last = np.zeros(len(self.logits), np.intp)
        last[items] = np.arange(len(items))
        again = last[items] != np.arange(len(items))
        twice = np.flatnonzero(again | self.failed[items] | ~np.isnan(self.logits[items]))
        self.logits[items], self.p[items], self.failed[items] = logits, p, failed
        return twice


@dataclass(frozen=True)
class Predictions:
    """A table of predictions: a row an item, a column a key."""

    items: pl.DataFrame  # ITEM, group, place among the units, usable: whether there is a logit
    keys: list[Key]
    columns: list[Column]
    units: Units

    def test_sets(self, by: str) -> Iterator[tuple[str, Columns]]:
        """Names and columns of the test sets, in order of name; ``all`` when no row has a name.

        Real images without a name belong to every set; with ``by="generator"`` all real images do.

        Raises:
            UsageError: ``by`` is not one of ``TEST_SETS``.
            SynthscopeError: AI images without a name beside named ones, a set called "mean", or two predictions for
                one image, detector, view and condition.
        """
        for name, rows in self.split(by):
            yield name, self.matrices(rows)

    def split(self, by: str) -> list[tuple[str, NDArray[np.intp]]]:
        """Names and items of the test sets; see :meth:`test_sets`."""
        if by not in TEST_SETS:
            raise UsageError(f"Expected a column that names test sets, got {by!r}. {suggest(by, TEST_SETS)}")
        shared = pl.col("label") == 0
        if by != "generator":
            shared &= pl.col(by).is_null()
        shared = shared.fill_null(False)
        named = self.items.filter(~shared)
        names = named[by].drop_nulls().unique().sort().to_list()
        if not names:
            return [("all", np.arange(self.items.height))]
        nameless = pl.col(by).is_null() & pl.col("usable") & ~shared
        self._no_item(nameless, f"a {by} for every AI image or for none", "Complete the manifest.")
        if MEAN in names:
            raise SynthscopeError(
                f"Expected names of test sets, got a {by} called {MEAN}, the name of the average. Rename it."
            )
        numbers = self.items.select(shared=shared, name=pl.col(by)).with_row_index("item")
        return [
            (name, numbers.filter((pl.col("name") == name).fill_null(False) | pl.col("shared"))["item"].to_numpy())
            for name in names
        ]

    def matrices(self, rows: NDArray[np.intp]) -> Columns:
        """Some items as :class:`Columns`: images in order of name, columns in order of key."""
        items = self.items[rows].with_columns(number=pl.col("image").rank("dense") - 1)
        number = items["number"].to_numpy().astype(np.intp)
        self._check_once(rows, number)
        here = [k for k, column in enumerate(self.columns) if column.taken[rows].any()]
        images = items.filter("usable").group_by("number").agg(pl.first("label", "group", "place")).sort("number")
        row = np.full(int(number.max(initial=-1)) + 1, -1)
        row[images["number"].to_numpy()] = np.arange(images.height)
        logits, p = np.full((2, len(here), images.height), np.nan)
        for m, k in enumerate(here):
            found = self.columns[k].logits[rows]
            seen = ~np.isnan(found)
            logits[m, row[number[seen]]] = found[seen]
            p[m, row[number[seen]]] = self.columns[k].p[rows[seen]]
            lacking = np.isnan(p[m])
            p[m, lacking] = probabilities(logits[m, lacking])
        return Columns(
            keys=[Key(*(part or None for part in self.keys[k])) for k in here],
            labels=images["label"].to_numpy() == 1,
            units=self.units.of(images["place"].to_numpy()),
            groups=np.unique(images["group"].to_numpy(), return_inverse=True)[1],
            logits=logits.T,
            p=p.T,
            thresholds=np.array([self.columns[k].threshold or 0.0 for k in here]),
            n_error=[int(self.columns[k].failed[rows].sum()) for k in here],
        )

    def _check_once(self, rows: NDArray[np.intp], number: NDArray[np.intp]) -> None:
        """An image may stand at several places of a test set, but be judged there once."""
        same: dict[tuple[Any, ...], list[Column]] = {}
        for key, column in zip(self.keys, self.columns, strict=True):
            same.setdefault((key.detector, key.view, key.condition), []).append(column)
        if len(same) == len(self.keys) and len(np.unique(number)) == len(number):
            return
        for (detector, *_), columns in same.items():
            count = np.bincount(number, np.sum([column.taken[rows] for column in columns], axis=0))
            images = self.items["image"][rows].filter(pl.Series(count[number] > 1))
            no_row(pl.DataFrame({"image": images, "detector": [detector] * len(images)}), *_TWICE)

    def check_labels(self) -> None:
        """Raise ``SynthscopeError`` unless every usable image has one label."""
        check_labelled(self.items.filter("usable"))
        usable, label = pl.col("usable"), pl.col("label")
        self._no_item(usable & label.is_null(), "label 0 or 1", "Label the images in the manifest.")
        several = label.filter("usable").n_unique().over("image") > 1
        self._no_item(usable & several, "one label for each image", "Correct the column.")

    def _no_item(self, wrong: pl.Expr, expected: str, advice: str) -> None:
        found = self.items.with_columns(item=pl.int_range(pl.len())).filter(wrong).sort("image")[:1]
        for item in found["item"]:
            of = next(k for k, column in zip(self.keys, self.columns, strict=True) if not np.isnan(column.logits[item]))
            no_row(found.with_columns(detector=pl.lit(of.detector)), expected, advice)


def open_predictions(source: pl.DataFrame | str | Path, *, threshold: float | None = None) -> Predictions:
    """Predictions, checked as by :func:`synthscope.scoring.columns.read_predictions`, with the same arguments.

    Nine bytes are held for each image and column, and the table is read once, piece by piece.
    """
    reader = _Reader()
    for rows in read_tables(source, threshold=threshold):
        reader.add(rows)
    return reader.predictions()


class _Reader:
    """Rows in any order to columns; names become numbers as they come."""

    def __init__(self) -> None:
        self.item, self.key = Numbering(), Numbering()
        self.columns: dict[int, Column] = {}
        self.keys: dict[int, Key] = {}
        self.items: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows of ``columns.read_tables`` in."""
        texts = pl.col(ITEM).cast(pl.String).fill_null("\x00")
        rows = rows.with_columns(
            item=self.item(pl.concat_str(texts, separator="\x1f")),
            key=self.key(pl.concat_str(Key._fields, separator="\x1f")),
        )
        self._add_keys(rows)
        self.items.append(_together([rows.select("item", *ITEM, "group", "sha256")]))
        if len(self.items) > 1 and sum(table.height for table in self.items) > _MANY:
            self.items = [_together(self.items)]
        order = np.argsort(rows["key"].to_numpy(), kind="stable")
        failed = rows["error"].is_not_null().to_numpy()
        items, logits, p = (
            rows["item"].to_numpy().astype(np.intp),
            np.where(failed, np.nan, rows["logit"].to_numpy()).astype(np.float32),
            rows["p_ai"].to_numpy().astype(np.float32),
        )
        ends = np.flatnonzero(np.diff(rows["key"].to_numpy()[order])) + 1
        for of in np.split(order, ends) if rows.height else ():
            twice = self.columns[rows["key"][int(of[0])]].add(items[of], logits[of], p[of], failed[of])
            no_row(rows[of[twice]], *_TWICE)

    def _add_keys(self, rows: pl.DataFrame) -> None:
        for number, *key in rows.select("key", *Key._fields).unique("key").iter_rows():
            if number not in self.keys:
                self.keys[number], self.columns[number] = Key(*key), Column()
        usable = rows.filter(pl.col("error").is_null())
        for number, threshold in usable.select("key", "threshold").unique().iter_rows():
            column = self.columns[number]
            if column.threshold not in (None, threshold):
                several = usable.filter(key=number)
                no_row(several, "one threshold for each detector", "Correct the column.")
            column.threshold = threshold

    def predictions(self) -> Predictions:
        """All that was added, checked."""
        items = _together(self.items).with_columns(group=group_name()).sort("item")
        usable = np.zeros(items.height, np.bool_)
        for column in self.columns.values():
            column.keep(items["item"].to_numpy())
            usable |= ~np.isnan(column.logits)
        items, units = with_units(items.with_columns(usable=pl.Series(usable)))
        numbers = sorted(self.keys, key=lambda number: tuple(part or "" for part in self.keys[number]))
        found = Predictions(
            items, [self.keys[number] for number in numbers], [self.columns[number] for number in numbers], units
        )
        found.check_labels()
        return found


def _together(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One row an item, in order of their first rows, with the first group and bytes that are known of it."""
    known = [pl.col(name).drop_nulls().first() for name in ("group", "sha256")]
    return pl.concat(tables).group_by("item", maintain_order=True).agg(pl.col(ITEM).first(), *known)
