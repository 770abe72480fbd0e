"""What of GenImage is here: images of each generator against the published counts, damage, and how to mend a copy.

Damage is recognised by what is wrong with a file, never by a list of names. Counts: GenImage (arXiv 2306.08571),
section 3 and its data card; archives and damage as users of the public copies report them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from synthscope.data.damage import KINDS, damage
from synthscope.data.layouts.folders import GENERATORS
from synthscope.data.manifest import in_columns

TOTAL = 2_681_167
ALL_REAL = {"train": 1_281_167, "val": 50_000}  # ImageNet, divided among the generators
SAMPLE = 0.5  # with less than this share of every cell a copy is a sample, and nothing is missing
SD15 = "stable_diffusion_v_1_5"
_SD15_SYNSETS = ("n03444034", "n03530642")  # first and last one with broken reals in the public copy


class Published(NamedTuple):
    """AI images of each class, and volumes of the split archive, of one generator."""

    train: int
    val: int
    volumes: int


PUBLISHED = {
    "Midjourney": Published(162, 6, 71),
    "stable_diffusion_v_1_4": Published(162, 6, 30),
    SD15: Published(166, 8, 32),
    "ADM": Published(162, 6, 13),
    "glide": Published(162, 6, 11),
    "wukong": Published(162, 6, 31),
    "VQDM": Published(162, 6, 12),
    "BigGAN": Published(162, 6, 8),
}
COUNTS = pl.Schema(
    {
        "subset": pl.String,  # as GenImage calls it; null = real images of all generators, merged
        "split": pl.String,
        "label": pl.Int8,
        "expected": pl.Int64,  # published, but about this number where not exact
        "exact": pl.Boolean,  # false for the training reals of one generator
        "present": pl.Int64,  # files, damaged ones too
        "missing": pl.Int64,  # expected files that are not there; null where not exact
    }
    | dict.fromkeys(KINDS, pl.Int64)  # of those present
)
CLASSES = pl.Schema(
    {"subset": pl.String, "split": pl.String, "class_index": pl.Int32, "expected": pl.Int64, "present": pl.Int64}
)


@dataclass(frozen=True)
class Completeness:
    """What a copy of GenImage holds."""

    counts: pl.DataFrame  # COUNTS: every cell of the full set
    classes: pl.DataFrame  # CLASSES: those of which a split that is here lacks AI images
    sample: bool
    notes: tuple[str, ...]  # sentences: what is damaged or absent, and what to do

    def to_text(self) -> str:
        """The cells that are here as an aligned table, then the notes."""
        rows: list[tuple[str, ...]] = [("GenImage", "split", "label", "files", "of", "missing", *KINDS)]
        for row in self.counts.filter(pl.col("present") > 0).iter_rows(named=True):
            missing = "" if self.sample or row["missing"] is None else f"{row['missing']:,}"
            of = f"{'' if row['exact'] else '~'}{row['expected']:,}"
            start = row["subset"] or "(merged)", row["split"], "ai" if row["label"] else "real"
            rows.append((*start, f"{row['present']:,}", of, missing, *(f"{row[kind]:,}" for kind in KINDS)))
        return "\n".join([*([in_columns(rows, left=3)] if len(rows) > 1 else ()), *self.notes])


def completeness(table: pl.DataFrame) -> Completeness:
    """Compare a manifest of GenImage with the full set.

    A copy that has less than half of the images of every cell is a sample: it is counted, and nothing is called
    missing. Subsets are known by GenImage's folder names or the names in its files (``sdv4``), in upper or lower case.

    Args:
        table: A manifest of ``data verify``; one that was only indexed hides damage behind the headers.
    """
    known = {name.lower(): name for name in PUBLISHED} | GENERATORS
    named = pl.col("subset").str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.String)
    merged = pl.col("subset").is_null() & (pl.col("label") == 0)
    images = table.with_columns(subset=named, merged=merged, damage=damage())
    images = images.filter(pl.col("subset").is_not_null() | pl.col("merged"))
    if images["subset"].null_count() == images.height:
        note = "No subset has the name of a GenImage generator: nothing to compare with the full set."
        return Completeness(pl.DataFrame(schema=COUNTS), pl.DataFrame(schema=CLASSES), True, (note,))
    counts = _counts(images)
    sample = counts.filter(pl.col("present") >= SAMPLE * pl.col("expected")).is_empty()
    classes = _classes(images.clear() if sample else images)
    return Completeness(counts, classes, sample, tuple(_notes(images, counts, classes, sample)))


def _counts(images: pl.DataFrame) -> pl.DataFrame:
    """COUNTS with a row for every cell; reals are those of the generators, or merged ones where there are any."""
    merged = bool(images["merged"].any())
    rows: list[tuple[str | None, str, int, int, bool]] = []
    for subset, published in PUBLISHED.items():
        for split, per_class in (("train", published.train), ("val", published.val)):
            rows.append((subset, split, 1, 1000 * per_class, True))
            if not merged:
                rows.append((subset, split, 0, 1000 * per_class, split == "val"))
    rows += [(None, split, 0, total, True) for split, total in ALL_REAL.items() if merged]
    cells = pl.DataFrame(rows, schema={name: COUNTS[name] for name in COUNTS.names()[:5]}, orient="row")
    kinds = {kind: (pl.col("damage") == kind).sum() for kind in KINDS}
    found = images.with_columns(pl.col("subset").fill_null("")).group_by("subset", "split", "label")
    table = cells.with_columns(pl.col("subset").fill_null("")).join(
        found.agg(present=pl.len(), **kinds), on=["subset", "split", "label"], how="left", maintain_order="left"
    )
    table = table.with_columns(pl.col("present", *KINDS).fill_null(0).cast(pl.Int64))
    missing = pl.when("exact").then((pl.col("expected") - pl.col("present")).clip(lower_bound=0))
    return table.with_columns(missing=missing, subset=pl.col("subset").replace("", None)).select(COUNTS.names())


def _classes(images: pl.DataFrame) -> pl.DataFrame:
    """CLASSES with fewer AI images than published, in the splits that have any."""
    ai = images.filter(pl.col("label") == 1, pl.col("split").is_in(list(ALL_REAL)))
    rows = [
        (subset, split, index, getattr(PUBLISHED[subset], split))
        for subset, split in ai.select("subset", "split").unique().sort("subset", "split").iter_rows()
        for index in range(1000)
    ]
    full = pl.DataFrame(rows, schema={name: CLASSES[name] for name in CLASSES.names()[:4]}, orient="row")
    found = ai.group_by("subset", "split", "class_index").agg(present=pl.len().cast(pl.Int64))
    table = full.join(found, on=["subset", "split", "class_index"], how="left", maintain_order="left")
    return table.with_columns(pl.col("present").fill_null(0)).filter(pl.col("present") < pl.col("expected"))


def _notes(images: pl.DataFrame, counts: pl.DataFrame, classes: pl.DataFrame, sample: bool) -> Iterator[str]:
    here = set(counts.filter(pl.col("present") > 0)["subset"])
    damaged = images.filter(pl.col("damage").is_in(KINDS[:3]))
    lacks = {} if sample else {subset: [*_lacks(counts, classes, subset)] for subset in PUBLISHED if subset in here}
    if sample:
        present = counts["present"].sum()
        yield f"A sample of GenImage, {present:,} of {TOTAL:,} images: nothing is called missing."
    elif absent := [subset for subset in PUBLISHED if subset not in here]:
        yield f"Not here: {', '.join(absent)}."
    for subset, phrases in lacks.items():
        if phrases:
            yield f"{subset}: {'; '.join(phrases)}."
    yield from _known(images, damaged)
    fault = set(damaged.filter(~_at_source())["subset"]) | {subset for subset, phrases in lacks.items() if phrases}
    if again := [f"{subset} {PUBLISHED[subset].volumes}" for subset in lacks if subset in fault]:
        yield (
            f"To mend these, fetch the archives again (volumes .z01, .z02 … and .zip: {', '.join(again)}), check their "
            "MD5 sums, and open the .zip with 7z; unzip takes the one of SD 1.5 for a bomb. The pieces from Harvard "
            "Dataverse are no volumes: join them first with `cat GenImage.z* > GenImage.zip`."
        )


def _at_source() -> pl.Expr:
    """Whether damage is of a kind that the public copies have themselves."""
    train = pl.col("split") == "train"
    sd15 = (pl.col("subset") == SD15) & pl.col("synset").is_between(pl.lit(_SD15_SYNSETS[0]), pl.lit(_SD15_SYNSETS[1]))
    empty = pl.col("damage") == "empty"
    return (train & ((pl.col("label") == 1) & empty | (pl.col("label") == 0) & sd15)).fill_null(False)


def _known(images: pl.DataFrame, damaged: pl.DataFrame) -> Iterator[str]:
    """What users of the public copies report, where it is found here."""
    source = damaged.filter(_at_source())
    if broken := source.filter(label=0).height:
        yield (
            f"{broken:,} damaged real training images of {SD15} have synsets {_SD15_SYNSETS[0]} to {_SD15_SYNSETS[1]}, "
            "where the Google Drive copy is broken at its source (3,648 files): fetch them from another copy, or from "
            "ImageNet under the same names."
        )
    if empty := source.filter(label=1).height:
        yield (
            f"{empty:,} AI training images are empty files. The public copies hold 17 of these, which no second "
            "download mends: leave them out."
        )
    if capitals := images.filter(pl.col("path").str.ends_with(".PNG")).height:
        yield f"{capitals:,} files end in .PNG, in capitals as ADM's do: programs that look for *.png miss them."


def _lacks(counts: pl.DataFrame, classes: pl.DataFrame, subset: str) -> Iterator[str]:
    """What the splits of a generator that are here lack."""
    here = pl.col("present").sum().over("split") > 0
    for row in counts.filter(pl.col("subset") == subset).filter(here).iter_rows(named=True):
        what = f"{row['split']} {'ai' if row['label'] else 'real'} images"
        if row["missing"]:
            short = classes.filter(subset=subset, split=row["split"]) if row["label"] else classes.clear()
            among = f" in {short.height:,} classes ({_listed(short['class_index'].to_list())})" if short.height else ""
            yield f"{row['missing']:,} {what} missing{among}"
        elif not row["exact"] and row["present"] < 0.9 * row["expected"]:
            yield f"{row['present']:,} {what}, where about {row['expected']:,} should be"


def _listed(numbers: list[int]) -> str:
    """
    >>> _listed([3, 4, 5, 9]), _listed(list(range(0, 100, 3)))
    ('3-5, 9', '0, 3, 6, 9, 12, 15, … 99')
    """
    known = set(numbers)
    starts, ends = ([n for n in numbers if n + step not in known] for step in (-1, 1))
    runs = [str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True)]
    return ", ".join(runs if len(runs) <= 8 else [*runs[:6], f"… {runs[-1]}"])
