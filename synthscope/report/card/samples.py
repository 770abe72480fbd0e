"""Sample grids of a card: some images of each generator, drawn by hash, of the same classes where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from synthscope.data.manifest import draws
from synthscope.data.splits import LABELS
from synthscope.report.page.mistakes import thumbnail

EACH, MOST = 8, 24  # pictures of a generator, generators


@dataclass(frozen=True)
class Sample:
    """One image; ``uri`` is None where the file can no longer be read."""

    uri: str | None
    name: str
    about: str  # its class and split


@dataclass(frozen=True)
class Grid:
    """Images of one label and generator, of ``n``."""

    title: str
    n: int
    samples: list[Sample]


def sample_grids(images: pl.DataFrame, *, seed: int = 0) -> list[Grid]:
    """A grid of each label and generator, with classes in the same order, so that generators can be compared.

    Args:
        images: Usable rows of a manifest, a path each.
        seed: Of the draw; the same images are drawn whatever the order of rows.
    """
    drawn = images.with_columns(_draw=pl.Series(draws(images, seed))).sort("_draw", "path")
    kinds = drawn.group_by("label", "generator").len().sort("label", "generator", nulls_last=True).head(MOST)
    common = drawn.drop_nulls("class_index").group_by("class_index").agg(
        pl.struct("label", "generator").n_unique().alias("kinds"), pl.col("_draw").min()
    )  # fmt: skip
    rank = common.sort("kinds", "_draw", "class_index", descending=[True, False, False]).head(EACH).sort("class_index")
    order = dict(rank.select("class_index").with_row_index().select("class_index", "index").iter_rows())
    grids = []
    for label, generator, n in kinds.iter_rows():
        own = drawn.filter(pl.col("label").eq_missing(label), pl.col("generator").eq_missing(generator))
        chosen = own.filter(pl.col("class_index").is_in(list(order))).unique(
            "class_index", keep="first", maintain_order=True
        )
        chosen = pl.concat(
            [chosen, own.join(chosen.select("path"), on="path", how="anti", maintain_order="left")]
        ).head(EACH)
        chosen = chosen.sort(pl.col("class_index").replace_strict(order, default=EACH, return_dtype=pl.Int64), "_draw")
        title = f"{generator or 'not stated'}{'' if generator == 'real' else f' ({LABELS[label]})'}"
        grids.append(Grid(title, n, [_sample(row) for row in chosen.iter_rows(named=True)]))
    return grids


def _sample(row: dict[str, object]) -> Sample:
    about = [f"class {row['class_index']}" if row["class_index"] is not None else "", str(row["split"] or "")]
    path = Path(str(row["path"]))
    return Sample(thumbnail(path, view=str(row["view"] or "none")), path.name, ", ".join(filter(None, about)))
