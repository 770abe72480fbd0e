"""The history of the images of a manifest, each decoded once."""

from __future__ import annotations

import polars as pl

from synthscope.data.degrade.recipe import Recipe, parse_recipe, read_viewed
from synthscope.data.history.features import history_features, trace_names
from synthscope.data.in_work import image_task
from synthscope.errors import UnreadableImageError
from synthscope.runtime import track
from synthscope.runtime.threads import in_threads


def read_histories(table: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Traces in the pixels of every image of a table as its view shows it, decoded once however many rows it has.

    Args:
        table: Columns ``path`` and ``view``, which is not null.
        seed: Of views that are random.

    Returns:
        Columns ``path``, ``view`` and one Float64 for each of :func:`trace_names`; null where the image cannot be
        read, NaN where it is too small.
    """
    images = table.select("path", "view").unique(maintain_order=True)
    views = {view: parse_recipe(view) for view in images["view"].unique()}
    results = in_threads(lambda row: _traces(row[0], views[row[1]], seed), images.iter_rows())
    rows = list(track(results, "decoding for the history", total=images.height))
    return images.hstack(pl.DataFrame(rows, schema=dict.fromkeys(trace_names(), pl.Float64), orient="row"))


@image_task()
def _traces(path: str, view: Recipe, seed: int) -> tuple[float | None, ...]:
    try:
        return tuple(history_features(read_viewed(path, view, seed=seed)).values())
    except UnreadableImageError:
        return (None,) * len(trace_names())
