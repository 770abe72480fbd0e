"""The table of images: load, save, check, filter, sample, split by group, verify.

Choices are made by hashing names, so they depend neither on the order of rows nor on where the images lie.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from synthscope.data.images import FACTS, measure
from synthscope.data.index import index
from synthscope.data.layouts.walk import IMAGE_SUFFIXES, NOT_AN_IMAGE
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime import seed_for, track
from synthscope.runtime.threads import in_threads
from synthscope.runtime.told import printable
from synthscope.schema import MANIFEST, conform, merged, read_table, view_name, with_group, write_parquet


def load_manifest(source: str | Path) -> pl.DataFrame:
    """Read a manifest file, or index a collection.

    Args:
        source: Path of a Parquet file with the columns of ``schema.MANIFEST``, or ``"<layout>:<path>"``.

    Raises:
        UsageError: Neither of the two.
        SynthscopeError: Nothing there, not Parquet, or not a manifest.
    """
    path = stored_table(source, "a manifest", kind="layout", such_as="genimage")
    if path is None:
        return index(str(source))
    if path.suffix[1:].lower() in IMAGE_SUFFIXES:
        raise UsageError(f"Expected a manifest (.parquet) or LAYOUT:PATH, got the image {path}. Write files:{path}.")
    return _checked(read_table(path), path)


def stored_table(source: str | Path, what: str, *, kind: str, such_as: str) -> Path | None:
    """The file that ``source`` names, None if it is ``"<kind>:<path>"``, such as ``"<such_as>:<path>"``, instead.

    Raises:
        UsageError: A folder.
        SynthscopeError: Nothing there.
    """
    path = Path(source).expanduser()
    if isinstance(source, str) and ":" in source and not path.exists():
        return None
    if path.is_dir():
        raise UsageError(
            f"Expected {what} (.parquet) or {kind.upper()}:PATH, got the folder {path}. Put the {kind} before it, as "
            f"in {such_as}:{path}."
        )
    if not path.is_file():
        raise SynthscopeError(f"Expected {what} at {path}, got nothing. Check the path.")
    return path


def save_manifest(table: pl.DataFrame, path: str | Path) -> None:
    """Write a manifest (Parquet, exactly the columns of ``schema.MANIFEST``), whole or not at all."""
    write_parquet(conform(table, MANIFEST, str(path)), path)


def with_earlier(table: pl.DataFrame, path: str | Path) -> pl.DataFrame:
    """The manifest at ``path``, if there is one, and the rows of ``table``, one row a path, subset and view.

    Raises:
        SynthscopeError: Something else at ``path``.
    """
    fresh = conform(table, MANIFEST, "the manifest")
    return merged(load_manifest(Path(path)), fresh, ["path", "subset", view_name()]) if Path(path).exists() else fresh


def filter_manifest(table: pl.DataFrame, expression: str) -> pl.DataFrame:
    """Rows for which every condition holds, such as ``"split=val subset=ADM,glide label=1 width>=256 error=null"``.

    ``=`` and ``!=`` take values separated by commas, ``null`` for a missing one; ``<``, ``<=``, ``>`` and ``>=`` take a
    number. Quote values with spaces. Real images with a null subset belong to every subset: ``subset=ADM`` keeps them.

    Raises:
        UsageError: A condition that is not one, an unknown column or a value of the wrong type.
    """
    try:
        conditions = shlex.split(expression)
    except ValueError as error:
        raise UsageError(f"Expected balanced quotes in {expression!r}, got: {error}. Close the quote.") from error
    return table.filter(pl.lit(True), *(_condition(text) for text in conditions))


def in_every_subset() -> pl.Expr:
    """Whether a row is a real image without a subset, which stands for real images of every subset."""
    return pl.col("subset").is_null() & (pl.col("label") == 0)


def sample(table: pl.DataFrame, per: tuple[str, ...], *, n: int, seed: int = 0) -> pl.DataFrame:
    """At most ``n`` rows of each combination of values in the columns ``per``, in the order of the table."""
    _known(per, "per")
    marked = table.with_row_index("_row").with_columns(_draw=pl.Series(draws(table, seed)))
    kept = marked.sort("_draw", "path").group_by(per, maintain_order=True).head(n)
    return kept.sort("_row").select(table.columns)


def split_by_group(table: pl.DataFrame, fraction: float, *, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Set a part of the images aside: ``(rest, held_out)``.

    Within every (subset, label), about ``fraction`` of the rows is held out, drawn by hash. Rows with the same
    ``group`` stay together, also across subsets and labels; without a group, files of the same bytes do, where
    ``sha256`` is known. With the same seed a
    larger fraction holds out a superset.

    Raises:
        UsageError: ``fraction`` is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"Expected a fraction between 0 and 1, got {fraction}. Use 0.1 to hold out a tenth.")
    member = with_group(table)["group"]
    marked = table.with_columns(_member=member, _draw=pl.Series(draws(table, seed, by_group=True)))
    groups = marked.group_by("_member").agg(
        pl.col("_draw").min(), home=pl.format("{} {}", "label", pl.col("subset").fill_null("")).min(), size=pl.len()
    )
    reach = pl.col("size").cum_sum().over("home") - pl.col("size") / 2
    held = groups.sort("_draw", "_member").filter(reach < fraction * pl.col("size").sum().over("home"))
    mask = marked["_member"].is_in(held["_member"].implode())
    return table.filter(~mask), table.filter(mask)


def verify(table: pl.DataFrame, *, workers: int | None = None) -> pl.DataFrame:
    """Decode every image: measures anew, fills in ``sha256`` and ``error``, and keeps going.

    Args:
        workers: Threads (decoding releases the interpreter); None = one a core.
    """
    results = in_threads(partial(measure, decode=True), table["path"].to_list(), workers)
    facts = pl.DataFrame(
        list(track(results, "verifying", total=table.height)),
        schema={name: MANIFEST[name] for name in FACTS},
        orient="row",
    )
    misnamed = pl.DataFrame({"misnamed": table["error"].replace_strict({NOT_AN_IMAGE: NOT_AN_IMAGE}, default=None)})
    fresh = facts.hstack(misnamed).with_columns(error=pl.coalesce("error", "misnamed"))
    return table.with_columns(fresh.drop("misnamed").get_columns())


def draws(table: pl.DataFrame, seed: int, *, by_group: bool = False) -> list[int]:
    """One random number a row, from the group or from the last three parts of the path, which move with the images."""
    groups = table["group"] if by_group else [None] * table.height
    tails = ("/".join(path.rsplit("/", 3)[-3:]) for path in table["path"])
    return [seed_for(seed, group or tail) for group, tail in zip(groups, tails, strict=True)]


def with_view(table: pl.DataFrame, recipe: str) -> pl.DataFrame:
    """The same images seen through ``recipe``, which is applied right after decoding; ``"none"`` = as stored."""
    from synthscope.data.degrade.recipe import parse_recipe

    return table.with_columns(view=pl.lit(str(parse_recipe(recipe))), protocol=pl.lit(None, pl.String))


def errors_of(table: pl.DataFrame) -> pl.DataFrame:
    """Columns ``path`` and ``error`` of the images that cannot be used."""
    return table.filter(pl.col("error").is_not_null()).select("path", "error")


def missing_labels(table: pl.DataFrame, what: str) -> str | None:
    """A sentence on the usable images of ``table``, called ``what``, that have no label; None where all have one."""
    usable = table.filter(pl.col("error").is_null())
    without = usable.filter(pl.col("label").is_null())["path"]
    if without.is_empty():
        return None
    return (
        f"Expected the label 0 (real) or 1 (AI) of every image in {what}, got none for {len(without):,} of "
        f"{usable.height:,} (first: {without.sort()[0]}). Give labels, as with imagefolder: or csv:, or leave these "
        "images out by --where label!=null."
    )


def check_labels(table: pl.DataFrame, what: str) -> None:
    """Raise ``SynthscopeError`` unless all usable images of ``table``, called ``what``, have a label."""
    if sentence := missing_labels(table, what):
        raise SynthscopeError(sentence)


def check_two_classes(table: pl.DataFrame, what: str) -> None:
    """Raise ``SynthscopeError`` unless ``table``, called ``what``, holds labelled, usable images of both classes."""
    check_labels(table, what)
    usable = table.filter(pl.col("error").is_null())
    n_ai = usable.filter(pl.col("label") == 1).height
    n_real = usable.filter(pl.col("label") == 0).height
    if not (n_ai and n_real):
        broken = f" and {table.height - usable.height} unusable ones" if usable.height < table.height else ""
        raise SynthscopeError(
            f"Expected real and AI images in {what}, got {n_real} real, {n_ai} AI{broken}. "
            "Add the missing class, or widen the filter."
        )


def describe(table: pl.DataFrame) -> str:
    """Images by subset, split and class, as aligned text."""
    nowhere = pl.when(pl.col("label").is_null()).then(pl.lit("-")).otherwise(pl.lit("(every subset)"))
    counts = table.group_by(pl.coalesce("subset", nowhere.alias("subset")), pl.col("split").fill_null("-")).agg(
        real=(pl.col("label") == 0).sum(),
        ai=(pl.col("label") == 1).sum(),
        unlabelled=pl.col("label").is_null().sum(),
        unusable=pl.col("error").is_not_null().sum(),
        formats=pl.col("format").drop_nulls().unique().sort().str.join(" "),
    )
    counts = counts.sort("subset", "split")
    if not table["label"].has_nulls():
        counts = counts.drop("unlabelled")
    numbers = counts.columns[2:-1]
    total = ("total", "", *(counts[name].sum() for name in numbers), "")
    return in_columns([tuple(counts.columns), *counts.rows(), total], left=3 + len(numbers))


def in_columns(rows: Sequence[Sequence[object]], left: int) -> str:
    """Rows as lines of text; the first ``left`` columns are flush left, the others right.

    >>> in_columns([("name", "n"), ("a", 12)], left=1)
    'name   n\\na     12'
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [
        [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in cells
    ]
    return "\n".join("  ".join(row).rstrip() for row in padded)


def _condition(text: str) -> pl.Expr:
    match = re.fullmatch(r"(\w+)(!=|<=|>=|=|<|>)(.*)", text, re.DOTALL)
    if match is None:
        raise UsageError(f"Expected a condition such as split=val or width>=256, got {text!r}. Write COLUMN=VALUE.")
    column, operator, right = match.groups()
    _known([column], repr(text))
    dtype = MANIFEST[column]
    if operator in ("=", "!="):
        named = right.split(",")
        values = _cast([value for value in named if value != "null"], dtype, text)
        keep = pl.col(column).is_in(values.implode()).fill_null("null" in named)
        if operator == "!=":
            return ~keep
        return keep | in_every_subset() if column == "subset" else keep
    if not dtype.is_numeric():
        raise UsageError(f"Expected = or != after {column}, which is text, got {text!r}. Use one of the two.")
    (limit,) = _cast([right], pl.Float64(), text)
    left = pl.col(column)
    return {"<": left < limit, "<=": left <= limit, ">": left > limit, ">=": left >= limit}[operator]


def _cast(values: list[str], dtype: pl.DataType, text: str) -> pl.Series:
    try:
        return pl.Series(values, dtype=pl.String).cast(dtype)
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"Expected a number in {text!r}, got {','.join(values)!r}. Correct the value.") from error


def _known(columns: Iterable[str], place: str) -> None:
    for column in columns:
        if column not in MANIFEST:
            raise UsageError(f"Expected a manifest column in {place}, got {column!r}. {suggest(column, MANIFEST)}")


def _checked(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    for column in MANIFEST:
        if column not in table.columns and column != "protocol":  # which earlier manifests lack
            raise SynthscopeError(
                f"Expected the columns of a manifest in {path}, got no {column!r} among {', '.join(table.columns)}. "
                f"{suggest(column, table.columns)} Index other tables as parquet:{path}."
            )
    known = table["label"].cast(pl.Float64, strict=False).is_in([0.0, 1.0]).fill_null(False)
    known |= table["label"].is_null()
    if not known.all():
        row = known.arg_min() or 0
        raise UsageError(
            f"Expected label 0, 1 or null in row {row + 1} of {path}, got {table['label'][row]!r}. Correct the row, or "
            f"index the images again."
        )
    return conform(table, MANIFEST, str(path))
