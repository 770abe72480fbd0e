"""Divide images into train, val and test, so that nothing that hangs together stands in two splits.

Rows of one group (pair, original prompt), of the same file or bytes, near-duplicates, and what else is asked for are
connected; components stay whole. They are dealt to the splits so that every label and generator comes near the shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from synthscope.data.components import components
from synthscope.data.manifest import draws, in_columns
from synthscope.errors import SynthscopeError, UsageError, suggest

BY = {  # what rows may be held together by; null relates to nothing
    "group": pl.col("group"),
    "class": pl.coalesce(pl.format("{}", "class_index"), "synset"),
    "source": pl.col("source"),
    "generator": pl.when(pl.col("label") == 1).then("generator"),  # all photographs are no unit
}
LABELS = {0: "real", 1: "AI", None: "-"}
OUTCOME = pl.Schema(
    {
        "split": pl.String,
        "label": pl.Int8,
        "generator": pl.String,
        "images": pl.Int64,
        "share": pl.Float64,  # of the label's and generator's images
        "asked": pl.Float64,
    }
)


def split_shares(val: float, test: float) -> dict[str, float]:
    """Shares of train, val and test; splits of which nothing is asked for are left out.

    Raises:
        UsageError: No shares, or nothing left to train on.

    >>> split_shares(0.25, 0)
    {'train': 0.75, 'val': 0.25}
    """
    if not (val >= 0 and test >= 0 and 0 < val + test < 1):
        raise UsageError(f"Expected shares from 0 on, of together less than 1, got --val {val} and --test {test}.")
    return {name: share for name, share in {"train": 1 - val - test, "val": val, "test": test}.items() if share}


def divide(
    table: pl.DataFrame,
    shares: Mapping[str, float],
    *,
    by: Sequence[str] = (),
    near: pl.DataFrame | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """A manifest with its splits drawn anew; rows with an ``error`` have none.

    Of all images together, and so of the labels and generators whose components mix with no others, every split has its
    share to within one component; the same images fall to the same splits whatever the order of rows.

    Args:
        table: A manifest.
        shares: Of two or three splits, together 1.
        by: Names in ``BY`` of what else is kept whole; groups always are.
        near: Columns ``path`` and ``cluster`` of near-duplicates.
        seed: Of the draw.

    Raises:
        UsageError: An unknown name in ``by``.
        SynthscopeError: Fewer components than splits, so that one is empty.
    """
    usable = table.filter(pl.col("error").is_null())
    numbers = linked(usable, by=by, near=near)
    homes = pl.format("{} {}", pl.col("label").fill_null(2), pl.col("generator").fill_null(""))
    rows = usable.select("path", _home=homes, _draw=pl.Series(draws(usable, seed)), _component=numbers)
    parts = rows.group_by("_component").agg(
        home=pl.col("_home").unique().sort().str.join("+"), size=pl.len(), draw=pl.col("_draw").min(),
        path=pl.col("path").min(),
    )  # fmt: skip
    drawn = _deal(parts, shares)
    if missing := [name for name in shares if name not in drawn["split"]]:
        largest = max(parts["size"])
        raise SynthscopeError(
            f"Expected images for {' and '.join(missing)}, got {parts.height:,} components of images that hang "
            f"together, the largest of {largest:,} of {rows.height:,}. Keep less together, or ask for "
            "other shares."
        )
    found = rows.join(drawn.select("_component", "split"), on="_component", how="left", maintain_order="left")
    placed = found.unique("path").select("path", "split")
    return table.drop("split").join(placed, on="path", how="left", maintain_order="left").select(table.columns)


def linked(usable: pl.DataFrame, *, by: Sequence[str] = (), near: pl.DataFrame | None = None) -> pl.Series:
    """A number for every row of a manifest, the same for rows that must stay in one split; see :func:`divide`."""
    for name in by:
        if name not in BY:
            raise UsageError(f"Expected what to keep whole, got {name!r}. {suggest(name, BY)}")
    kept = usable.select("path", "sha256", **{f"_{name}": BY[name] for name in dict.fromkeys(("group", *by))})
    if near is not None:
        kept = kept.join(near.select("path", "cluster"), on="path", how="left", maintain_order="left")
    return pl.Series("component", components(kept.get_columns(), kept.height))


def _deal(parts: pl.DataFrame, shares: Mapping[str, float]) -> pl.DataFrame:
    """The components with a ``split``: each goes where most is lacking.

    Components of the same labels and generators are dealt together, the largest first, and those kinds first whose
    components are small. What one kind leaves lacking or over is made up for by the next, so that all together are
    within one component of the shares.
    """
    coarse = pl.col("size").max().over("home")
    ordered = parts.sort(coarse, "home", -pl.col("size").cast(pl.Int64), "draw", "path")
    lacking, dealt = dict.fromkeys(shares, 0.0), []
    for (_,), kind in ordered.group_by(["home"], maintain_order=True):
        for name, share in shares.items():
            lacking[name] += share * sum(kind["size"])
        for size in kind["size"]:
            split = max(lacking, key=lacking.__getitem__)
            lacking[split] -= size
            dealt.append(split)
    return ordered.with_columns(split=pl.Series(dealt, dtype=pl.String))


def outcome(table: pl.DataFrame, shares: Mapping[str, float]) -> pl.DataFrame:
    """What came out: columns of ``OUTCOME``, a row for every split of each label and generator, absent ones too."""
    usable = table.filter(pl.col("error").is_null())
    kinds = usable.select("label", "generator").unique().sort("label", "generator", nulls_last=True)
    splits = pl.DataFrame({"split": list(shares), "asked": list(shares.values())})
    found = usable.group_by("label", "generator", "split").agg(images=pl.len().cast(pl.Int64))
    rows = kinds.join(splits, how="cross", maintain_order="left_right").join(
        found, on=["label", "generator", "split"], how="left", nulls_equal=True, maintain_order="left"
    )
    rows = rows.with_columns(pl.col("images").fill_null(0))
    total = pl.col("images").sum().over("label", "generator")
    return rows.with_columns(share=pl.col("images") / total).select(OUTCOME.names()).cast(OUTCOME)


def describe_outcome(rows: pl.DataFrame) -> str:
    """:func:`outcome` as aligned text: a line for each label and generator, and what all together came to."""
    names = rows["split"].unique(maintain_order=True).to_list()
    lines = [("label", "generator", *names)]
    kinds = rows.group_by("label", "generator", maintain_order=True)
    for (label, generator), own in kinds:
        cells = (f"{n:,} ({share:.1%})" for n, share in own.select("images", "share").iter_rows())
        lines.append((LABELS[label], generator or "-", *cells))
    both = rows.group_by("split", maintain_order=True).agg(pl.col("images").sum(), pl.col("asked").first())
    total = both["images"].sum()
    lines.append(("all", "", *(f"{n:,} ({n / total:.1%} of {asked:.1%})" for _, n, asked in both.iter_rows())))
    return in_columns(lines, left=2)
