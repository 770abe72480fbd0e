"""Real and AI images alike in size and JPEG quality: the protocols of "Fake or JPEG?" (Grommelt et al., 2403.17608).

Reals are JPEG files and stay as they are; lossless AI images are compressed once. So the view differs by class here,
and only here: one recipe for both would compress the reals twice. What is done to one class alone can itself tell the
label; ``protocols.Protocol`` says how that is kept small. The result is a table of views: it costs no disk, one can
train on it, and scores treat its views as one. For other programs ``align_files.write_aligned`` writes files.
"""

from __future__ import annotations

import polars as pl

from synthscope.data.align.protocols import PROTOCOLS, Protocol, protocol_named
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.manifest import draws, in_columns, in_every_subset, sample
from synthscope.data.pairing import balance
from synthscope.errors import SynthscopeError

LOSSLESS = ("PNG", "BMP", "PPM")
CUSTOM = "custom"  # name of the view where the protocol is none of the paper's


def align(table: pl.DataFrame, protocol: Protocol | str = "size_constrained", *, seed: int = 0) -> pl.DataFrame:
    """The images of a manifest that a protocol compares, in its order, each with its view.

    Where the paper's code takes one generator, this takes all: with ``pooled``, as in ``size_constrained``, reals lose
    their subset, and so stand in every one. Generators without images of fitting size drop out, where that code
    would pad them. Images are chosen by the hash of their names instead of by seed 42, and ``jpeg96`` balances the
    ImageNet classes too. Aligning what is aligned changes nothing.

    Args:
        table: A manifest of images as stored; rows with an ``error`` are left out.
        protocol: One of ``protocols.PROTOCOLS``, by name or itself, or your own.
        seed: Chooses the images and which of them get which quality.

    Raises:
        SynthscopeError: Images that have another view, or nothing left; says which sizes and qualities there are.
    """
    protocol = protocol_named(protocol, {}) if isinstance(protocol, str) else protocol
    usable = table.filter(pl.col("error").is_null())
    _check_views(usable, protocol)
    subset = pl.when(pl.col("label") == 1).then("subset") if protocol.pooled else pl.col("subset")
    fitting = usable.filter(_fits(protocol)).with_columns(subset=subset)
    fitting = fitting.unique(["path", "subset"], keep="first", maintain_order=True)
    if protocol.reals is not None:
        reals = sample(fitting.filter(pl.col("label") == 0), ("subset", "split"), n=protocol.reals, seed=seed)
        fitting = fitting.filter((pl.col("label") == 1) | pl.col("path").is_in(reals["path"].implode()))
    if protocol.balance == "class":
        chosen = balance(fitting.filter(pl.col("class_index").is_not_null()), ("class_index",), seed=seed)
    else:
        chosen = balance(fitting, seed=seed)
    if chosen.is_empty():
        raise SynthscopeError(_nothing(usable, fitting, protocol))
    return _with_views(chosen, protocol, seed)


def changes(before: pl.DataFrame, after: pl.DataFrame, *, by: tuple[str, ...] = ("subset", "split")) -> pl.DataFrame:
    """Images before and after: ``by``, ``real_before``, ``ai_before``, ``real_after``, ``ai_after``; 0 = none.

    Args:
        by: Columns of the manifest, such as ``("subset", "split", "class_index")``.
    """
    stages = {"before": before.filter(pl.col("error").is_null()), "after": after}
    counts = [
        table.group_by(by).agg(
            (pl.col("label") == label).sum().cast(pl.Int64).alias(f"{name}_{stage}")
            for label, name in enumerate(("real", "ai"))
        )
        for stage, table in stages.items()
    ]
    numbers = pl.col("^.*_(before|after)$").sum()
    return pl.concat(counts, how="diagonal").group_by(by).agg(numbers).sort(by)


def describe_changes(before: pl.DataFrame, after: pl.DataFrame) -> str:
    """:func:`changes` as aligned text, with the number of classes and of images of each that are left."""
    classes = changes(before, after, by=("subset", "split", "class_index"))
    rows: list[tuple[object, ...]] = [("subset", "split", "real", "", "ai", "", "classes", "images of each")]
    for subset, split, *n in changes(before, after).rows():
        here = classes.filter(pl.col("subset").eq_missing(subset) & pl.col("split").eq_missing(split))
        left = here.drop_nulls("class_index").select(pl.max_horizontal("real_after", "ai_after")).to_series()
        sizes = [size for size in left.to_list() if size]
        each = f"{min(sizes)} to {max(sizes)}" if sizes else ""
        name = "(every subset)" if subset is None else subset
        rows.append((name, split or "-", n[0], f"-> {n[2]}", n[1], f"-> {n[3]}", len(sizes), each))
    return in_columns(rows, left=2)


def _fits(protocol: Protocol) -> pl.Expr:
    sides = pl.all_horizontal(pl.col("width", "height").is_between(protocol.min, protocol.max))
    jpeg = (pl.col("format") == "JPEG") & pl.col("jpeg_quality").is_between(*protocol.quality)
    return (sides & (jpeg | _lossless())).fill_null(False)


def _lossless() -> pl.Expr:
    return (pl.col("label") == 1) & pl.col("format").is_in(LOSSLESS)


def _view(quality: int | None, protocol: Protocol) -> str:
    steps = [f"jpeg:q={quality}"] if quality is not None else []
    steps += [f"crop:size={protocol.crop},grid={protocol.grid}"] if protocol.crop is not None else []
    return str(parse_recipe("|".join(steps) or "none"))


def _views(protocol: Protocol) -> dict[int | None, str]:
    """Quality that an image is compressed at (None = not) -> its view."""
    low, high = protocol.quality
    return {quality: _view(quality, protocol) for quality in (None, *range(low, high + 1))}


def _check_views(table: pl.DataFrame, protocol: Protocol) -> None:
    other = table.filter(~pl.col("view").fill_null("none").is_in(["none", *_views(protocol).values()]))
    if other.height:
        raise SynthscopeError(
            f"Expected images as stored, got the view {other['view'][0]} of {other['path'][0]}. "
            "Align a manifest that `data index` wrote."
        )


def _with_views(chosen: pl.DataFrame, protocol: Protocol, seed: int) -> pl.DataFrame:
    """Views; the lossless AI images of a cell take the qualities of its reals, in the order of their draws."""
    marked = chosen.with_row_index("_row").with_columns(_draw=pl.Series(draws(chosen, seed))).sort("_draw", "path")
    if protocol.balance == "subset":
        marked = marked.with_columns(class_index=pl.lit(-1, pl.Int32))
    ai, shared = pl.col("label") == 1, in_every_subset()
    qualities = []
    for subset, split in marked.filter(ai).select("subset", "split").unique().iter_rows():
        here = marked.filter(pl.col("split").eq_missing(split), pl.col("subset").eq_missing(subset) | shared)
        rank = here.with_columns(_rank=pl.int_range(pl.len()).over("class_index", "label"))
        reals = rank.filter(~ai).select("class_index", "_rank", _quality="jpeg_quality")
        qualities.append(rank.filter(_lossless()).join(reals, on=["class_index", "_rank"]).select("_row", "_quality"))
    views = pl.col("_quality").cast(pl.Int64).replace_strict(_views(protocol), return_dtype=pl.String)
    viewed = chosen.with_row_index("_row").join(pl.concat(qualities), on="_row", how="left", maintain_order="left")
    names = [name for name, known in PROTOCOLS.items() if known == protocol]
    return viewed.with_columns(view=views, protocol=pl.lit(names[0] if names else CUSTOM)).select(chosen.columns)


def _nothing(usable: pl.DataFrame, fitting: pl.DataFrame, protocol: Protocol) -> str:
    """Why nothing is left, and what there is to choose from."""
    real, ai = (usable.filter(pl.col("label") == label) for label in (0, 1))
    n_real, n_ai = ((fitting["label"] == label).sum() for label in (0, 1))
    low, high = protocol.quality
    unknown = fitting["class_index"].null_count()
    classes = (
        f", {unknown} of unknown class and the others in no common class of a subset and split"
        if protocol.balance == "class" and n_real and n_ai
        else ""
    )
    advice = (
        "Give the classes with ?val_labels=FILE or --metadata, or balance by subset."
        if classes
        else "Choose other limits."
    )
    return (
        f"Expected JPEG files of quality {low} to {high} and lossless AI images with sides of {protocol.min} to "
        f"{protocol.max} pixels, got {n_real} real and {n_ai} AI images{classes}. There are real images of quality "
        f"{_histogram(real['jpeg_quality'])} and sides from {_histogram(_shorter(real))}; AI images with sides from "
        f"{_histogram(_shorter(ai))}. {advice}"
    )


def _shorter(table: pl.DataFrame) -> pl.Series:
    return table.select(pl.min_horizontal("width", "height")).to_series()


def _histogram(values: pl.Series) -> str:
    """The most frequent values with their numbers.

    >>> _histogram(pl.Series([96, 95, 96]))
    '96 (2), 95 (1)'
    """
    counts = values.drop_nulls().alias("value").value_counts().sort("count", "value", descending=[True, False])
    shown = [f"{value} ({count})" for value, count in counts.head(6).rows()]
    rest = counts["count"].slice(6).sum()
    return ", ".join([*shown, *([f"others ({rest})"] if rest else [])]) or "none"
