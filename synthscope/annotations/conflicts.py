"""Where annotators of one image say different things: the list that an adjudicator works through."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import polars as pl

from synthscope.annotations.agreement import match
from synthscope.annotations.masks import Mask, image_masks
from synthscope.annotations.records import Row, size_of
from synthscope.errors import SynthscopeError
from synthscope.runtime import track
from synthscope.runtime.files import reason
from synthscope.runtime.told import from_cell
from synthscope.schema import read_table

SAME, TOUCHING = 0.5, 0.1  # IoU at which two regions are the same, and at which they mean the same place
KINDS = ("only one", "other category", "apart")
CONFLICTS = pl.Schema(
    {
        "path": pl.String,
        "sha256": pl.String,
        "kind": pl.String,  # one of KINDS
        "first": pl.String,  # annotators, by name
        "first_region": pl.Int32,  # null = did not mark it
        "first_category": pl.String,
        "second": pl.String,
        "second_region": pl.Int32,
        "second_category": pl.String,
        "iou": pl.Float64,  # of the two regions
    }
)


def conflicts(table: pl.DataFrame) -> pl.DataFrame:
    """Every difference between two annotators of an image, image by image, in rounds where they worked alone.

    Of two annotators, regions are paired one to one at IoU >= 0.5; a pair of two categories is ``other category``. Of
    those left, pairs at IoU >= 0.1 are ``apart``: one place, drawn otherwise. The rest is ``only one``.

    Args:
        table: Columns of ``ANNOTATIONS``, with annotators. Rows of later rounds are left out.

    Returns:
        Columns of ``CONFLICTS``.

    Raises:
        SynthscopeError: An image of unknown size or a region that is wrong.
    """
    rows: list[Row] = []
    images = list(independent(table).group_by("path", maintain_order=True))
    for (path,), of_image in track(images, "comparing"):
        people = sorted(of_image.group_by("annotator"), key=lambda group: str(group[0][0]))
        if len(people) < 2:
            continue
        drawn = [_regions(own) for _, own in people]
        for (i, ((one,), _)), (j, ((other,), _)) in combinations(enumerate(people), 2):
            key = {"path": path, "sha256": of_image["sha256"][0], "first": one, "second": other}
            rows += [key | found for found in _between(*drawn[i], *drawn[j])]
    return pl.DataFrame(rows, CONFLICTS)


def independent(table: pl.DataFrame) -> pl.DataFrame:
    """Rows of annotators who saw nobody's marks: those of the first round, or of no round."""
    return table.filter(pl.col("round").fill_null(1) == 1)


def listed_paths(file: str | Path) -> list[str]:
    """The column ``path`` of a list of images (.parquet or .csv), such as that of conflicts, each once.

    Raises:
        SynthscopeError: No such file or column, or nothing in it.
    """
    try:
        table = pl.read_csv(file, infer_schema=False) if Path(file).suffix == ".csv" else read_table(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthscopeError(f"Expected a CSV table in {file}, got: {reason(error)}. Mend the file.") from error
    if "path" not in table.columns or table["path"].null_count() == table.height:
        raise SynthscopeError(
            f"Expected images in a column path of {file}, got none. Name the list of annotate report."
        )
    paths = table["path"].drop_nulls().unique(maintain_order=True).to_list()
    return [from_cell(path) for path in paths] if Path(file).suffix == ".csv" else paths


def _regions(own: pl.DataFrame) -> tuple[list[Row], Mask]:
    rows = own.drop_nulls("region").to_dicts()
    return rows, image_masks(rows, *size_of(own.row(0, named=True)), per="instance")


def _between(a: list[Row], a_masks: Mask, b: list[Row], b_masks: Mask) -> Iterator[Row]:
    same = match(a_masks, b_masks, SAME)
    for i, j in same:
        if a[i]["category"] != b[j]["category"]:
            yield _told("other category", a[i], b[j], iou(a_masks[i], b_masks[j]))
    left_a = [i for i in range(len(a)) if i not in {i for i, _ in same}]
    left_b = [j for j in range(len(b)) if j not in {j for _, j in same}]
    near = [(left_a[i], left_b[j]) for i, j in match(a_masks[left_a], b_masks[left_b], TOUCHING)]
    for i, j in near:
        yield _told("apart", a[i], b[j], iou(a_masks[i], b_masks[j]))
    yield from (_told("only one", a[i], None, None) for i in left_a if i not in {i for i, _ in near})
    yield from (_told("only one", None, b[j], None) for j in left_b if j not in {j for _, j in near})


def _told(kind: str, first: Row | None, second: Row | None, iou: float | None) -> Row:
    sides = (("first", first), ("second", second))
    values = {f"{side}_{name}": row and row[name] for side, row in sides for name in ("region", "category")}
    return {"kind": kind, "iou": iou} | values


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks; 0 of two empty ones."""
    return int((a & b).sum()) / max(int((a | b).sum()), 1)
