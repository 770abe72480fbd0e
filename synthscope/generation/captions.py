"""Captions of real images to orders: every fake shows what a photograph shows, as in X-AIGD."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.data.layouts.folders import SPLITS
from synthscope.data.layouts.tables import PATH_COLUMNS
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.generation.classes import imagenet_classes
from synthscope.generation.contract import NAME, Order
from synthscope.generation.reals import local
from synthscope.runtime.files import reason
from synthscope.runtime.told import from_cell
from synthscope.schema import read_table

CAPTIONS = ("caption", "prompt")


def caption_orders(table: Path, *, negative: str = "") -> list[Order]:
    """One order a row of a ``.csv`` or ``.parquet`` table, which may be a manifest with one more column.

    Columns: ``path`` (of the real image, or relative to the table), ``caption`` or ``prompt``; perhaps
    ``negative_prompt``, ``split`` (default: val), ``class_index``, ``label`` (rows of AI images are left out) and
    ``uid``, else the name of the file.

    Raises:
        SynthscopeError: No such table, a row without path or caption, or a uid that is repeated or no file name.
    """
    rows = _read(table)
    path_column = _one_of(PATH_COLUMNS, rows.columns, table)
    caption_column = _one_of(CAPTIONS, rows.columns, table)
    orders: dict[str, Order] = {}
    for number, row in enumerate(rows.iter_rows(named=True), start=1):
        if str(row.get("label", 0)) in ("1", "1.0"):
            continue
        place = f"row {number} of {table}"
        path, caption = (_filled(row, column, place) for column in (path_column, caption_column))
        uid = str(row.get("uid") or re.split(r"[/#]", path)[-1].rpartition(".")[0])
        if not re.fullmatch(r"\w[\w.-]{0,99}", uid) or uid in orders:
            raise SynthscopeError(
                f"Expected a new name of letters, digits, '_', '-' and '.' in {place}, got {uid!r}. Give a column uid."
            )
        orders[uid] = _order(row, uid, caption, local(table.parent / path, path), negative, place)
    if not orders:
        raise SynthscopeError(f"Expected captions of real images in {table}, got none. Fill the table.")
    return list(orders.values())


def _order(row: dict[str, Any], uid: str, caption: str, source: Path, negative: str, place: str) -> Order:
    split = SPLITS.get(str(row.get("split") or "val").lower())
    if split is None:
        raise SynthscopeError(f"Expected the split train, val or test in {place}, got {row['split']!r}. Correct it.")
    given = row.get("class_index")
    index = int(given) if given not in (None, "") and str(given).isdecimal() and int(given) < 1000 else None
    if given not in (None, "") and index is None:
        raise SynthscopeError(f"Expected a class_index from 0 to 999 in {place}, got {given!r}. Correct it.")
    kind = imagenet_classes()[index] if index is not None else None
    return Order(
        uid, f"{NAME}/{split}/ai/{uid}", split, caption, row.get("negative_prompt") or negative, class_index=index,
        synset=kind.synset if kind else None, class_name=kind.name if kind else None, source=source,
    )  # fmt: skip


def _read(table: Path) -> pl.DataFrame:
    if table.suffix.lower() == ".parquet":
        return read_table(table, advice="Write it anew.")
    try:
        rows = pl.read_csv(table, infer_schema=False, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthscopeError(f"Expected captions in {table}, got: {reason(error)}. Save them as UTF-8 CSV.") from error
    return rows.with_columns(pl.all().map_elements(from_cell, return_dtype=pl.String))


def _one_of(wanted: tuple[str, ...], columns: Iterable[str], table: Path) -> str:
    found = next((name for name in wanted if name in columns), None)
    if found is None:
        raise UsageError(
            f"Expected a column {' or '.join(wanted)} in {table}, got {', '.join(columns)}. "
            f"{suggest(wanted[0], columns)}"
        )
    return found


def _filled(row: dict[str, Any], column: str, place: str) -> str:
    text = str(row[column] or "").strip()
    if not text:
        raise SynthscopeError(f"Expected a {column} in {place}, got none. Fill it in or delete the row.")
    return text
