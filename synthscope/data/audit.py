"""Can files, or the history of their pixels, tell the label? Then a detector may learn those instead of the images.

A decision tree of depth 2 sees format, size, aspect, JPEG quality and bytes per pixel, never a pixel; its
cross-validated balanced accuracy is reported per subset. 0.5 is chance. ("Fake or JPEG?", Grommelt et al. 2024.)
Beside it a linear classifier sees traces of earlier compression and resampling in the pixels that the view shows:
a view can make files alike, and their history be as plain as before.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import polars as pl

from synthscope.data.align.views import PROTOCOLS
from synthscope.data.degrade.recipe import Recipe, parse_recipe, read_viewed
from synthscope.data.in_work import image_task
from synthscope.data.manifest import check_labels, sample
from synthscope.data.probes import Verdict, folds, judge_files, judge_history
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.runtime import track
from synthscope.runtime.threads import in_threads
from synthscope.schema import view_name

LIMIT = 0.60  # balanced accuracy above which results need the warning
ATTRIBUTES = ("format", "size", "aspect", "jpeg_quality", "bytes_per_pixel")
HISTORY = "history"  # in the column ``attributes``: traces in the pixels, which "all" does not hold
OVERALL = "overall"
MOST = 20_000  # images a class and subset; the interval is then within 0.005
MOST_DECODED = 1000
MOST_HISTORIES = 300  # the same for traces in pixels; the interval is then within 0.04
AUDIT = pl.Schema(
    {
        "subset": pl.String,  # or "overall", all images together
        "view": pl.String,
        "attributes": pl.String,  # one attribute of the files, "all" of them, or "history"
        "balanced_accuracy": pl.Float64,  # null where a class has fewer than two independent images
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "n_real": pl.Int64,
        "n_ai": pl.Int64,
        "rule": pl.String,  # what the tree found on all the images; of the history, the trace that tells most
    }
)


def audit(table: pl.DataFrame, *, by: str = "subset", seed: int = 0) -> pl.DataFrame:
    """Balanced accuracy of trees that see only attributes of the files, and of a look at the history of the pixels.

    Stratified 5-fold cross-validation (fewer folds for fewer images) that keeps images of one ``group`` together, or of
    one ``sha256``; 95 % interval from the Wilson intervals of both classes (Newcombe 1998, square-and-add), where such
    images count as what they are worth (Kish 1965). At most 20,000 images a class and subset are used. Where rows have
    a ``view``, what counts is the image after it: at most 1,000 a class and subset are decoded, viewed and stored as
    JPEG of quality 96, and measured. For the history at most 300 are decoded; those that cannot be read or are too
    small are left out of it.

    Args:
        table: A manifest; rows with an ``error`` are left out.
        by: Column that divides the table. Reals where it is null or ``"real"`` belong to every part.
        seed: Of the sample and of the folds.

    Returns:
        One row for each part (and for all together, called ``overall``) and attribute, for all attributes together
        (``all``), and for the ``history``.

    Raises:
        SynthscopeError: An image without label.
    """
    from synthscope.data.history.files import read_histories

    check_labels(table, "the images to audit")
    usable = table.filter(pl.col("error").is_null()).with_columns(pl.col("view").fill_null("none"))
    viewed = bool((usable["view"] != "none").any())
    usable = sample(usable, (by, "label"), n=MOST_DECODED if viewed else MOST, seed=seed).sort("path")
    view = "+".join(usable.select(view_name())["view"].unique().sort())
    histories = read_histories(sample(usable, (by, "label"), n=MOST_HISTORIES, seed=seed), seed)
    files = measure_viewed(usable, seed) if viewed else usable
    names = sorted(files.filter(pl.col("label") == 1)[by].drop_nulls().unique().cast(pl.String))
    shared = (pl.col("label") == 0) & (pl.col(by).is_null() | (pl.col(by).cast(pl.String) == "real"))
    parts = {name: (pl.col(by).cast(pl.String) == name) | shared for name in names} | {OVERALL: pl.lit(True)}
    rows = []
    for name, within in track(parts.items(), "auditing", total=len(parts), unit="subsets"):
        part = _each_once(files.filter(within))
        features, labels, divided = file_features(part), part["label"].to_numpy(), folds(part, seed)
        for attributes in ("all", *ATTRIBUTES):
            chosen = {k: v for k, v in features.items() if attributes in ("all", k.split("=")[0])}
            rows.append((name, view, attributes, *judge_files(chosen, labels, divided, seed)))
        rows.append((name, view, HISTORY, *_history(_each_once(usable.filter(within)), histories, seed)))
    return pl.DataFrame(rows, schema=AUDIT, orient="row")


def warning(table: pl.DataFrame) -> str | None:
    """What an audit table gives reason to warn of, else None: a sentence on files, and one on the history of pixels.

    Files when all attributes together exceed ``LIMIT`` anywhere. The history when it does and its interval lies above
    chance; not of images as stored whose attributes exceed it, because the same cause shows in both.
    """
    exceeds = pl.col("balanced_accuracy") > LIMIT
    files = table.filter((pl.col("attributes") == "all") & exceeds)
    history = table.filter((pl.col("attributes") == HISTORY) & exceeds & (pl.col("ci_low") > 0.5))
    if (files["view"] == "none").any():
        history = history.filter(pl.col("view") != "none")
    sentences = [say(rows) for rows, say in ((files, _warn_of_files), (history, _warn_of_history)) if rows.height]
    return " ".join(sentences) or None


def _warn_of_files(high: pl.DataFrame) -> str:
    worst, found = _worst(high)
    raw = worst["view"] == "none"
    what = "File attributes" if raw else f"Size and compressibility after the view {worst['view']}"
    advice = "report an aligned view beside these results" if raw else "align the images further, or choose others"
    return (
        f"{what} alone tell AI from real with {found}: {worst['rule']}. "
        f"A detector may learn that instead of the images; {advice}."
    )


def _warn_of_history(high: pl.DataFrame) -> str:
    worst, found = _worst(high)
    seen = "as stored" if worst["view"] == "none" else f"after the view {worst['view']}"
    return (
        f"The pixels {seen} keep traces of another history of compression or resampling in AI than in real images, "
        f"which alone tell them apart with {found}; most by: {worst['rule']}. {_advice(worst['view'])}"
    )


def _advice(view: str) -> str:
    if view in PROTOCOLS:
        return "Under this view, what is left may also come from the generators' own upsampling, or from content."
    return (
        "Compressing both once more does not take that away, and a detector may learn it instead of the images: report "
        "the view aligned, or laundered where nobody knows the files' past, beside these results."
    )


def _worst(high: pl.DataFrame) -> tuple[dict[str, Any], str]:
    """The row of the highest value, and in words its value, interval, place, and how many other subsets exceed."""
    worst = high.sort("balanced_accuracy", descending=True, maintain_order=True).row(0, named=True)
    where = "over all images" if worst["subset"] == OVERALL else f"in subset {worst['subset']}"
    beside = (pl.col("view") == worst["view"]) & ~pl.col("subset").is_in([OVERALL, worst["subset"]])
    others = high.filter(beside).height
    return worst, (
        f"balanced accuracy {worst['balanced_accuracy']:.2f} (95 % interval {worst['ci_low']:.2f} to "
        f"{worst['ci_high']:.2f}, {worst['n_real']} real, {worst['n_ai']} AI) {where}"
        f"{f', and above {LIMIT:.2f} in {others} more' if others else ''}"
    )


def _each_once(part: pl.DataFrame) -> pl.DataFrame:
    """A real image that several subsets share is one image to all of them together."""
    return part.unique("path", keep="first", maintain_order=True)


def _history(part: pl.DataFrame, histories: pl.DataFrame, seed: int) -> Verdict:
    """How well the history tells the label in a part; its rule ends with how many images were left out, and why."""
    names = histories.columns[2:]
    looked = part.join(histories, on=("path", "view"), how="inner", maintain_order="left")
    read = looked.filter(pl.col(names[0]).is_not_null())
    rows = read.filter(pl.col(names[0]).is_not_nan())
    features = {name: rows[name].to_numpy() for name in names}
    verdict = judge_history(features, rows["label"].to_numpy(), folds(rows, seed))
    left_out = {"unreadable": looked.height - read.height, "too small": read.height - rows.height}
    notes = [f"{n} {why} left out" for why, n in left_out.items() if n]
    return verdict._replace(rule="; ".join([*filter(None, [verdict.rule]), *notes]) or None)


def measure_viewed(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The rows with the attributes of their images after the view, stored as JPEG 4:2:0 of quality 96."""
    views = {view: parse_recipe(view) for view in table["view"].fill_null("none").unique()}
    images = table.select("path", pl.col("view").fill_null("none"))
    results = in_threads(lambda row: _stored(row[0], views[row[1]], seed), images.iter_rows())
    sizes = list(track(results, "decoding for the audit", total=images.height))
    width, height, size = ([None if s is None else s[i] for s in sizes] for i in range(3))
    stored = table.with_columns(
        pl.Series("width", width, pl.Int32),
        pl.Series("height", height, pl.Int32),
        pl.Series("bytes", size, pl.Int64),
        format=pl.lit("JPEG"),
        jpeg_quality=pl.lit(96, pl.Int16),
    )
    return stored.filter(pl.col("width").is_not_null())


@image_task()
def _stored(path: str, view: Recipe, seed: int) -> tuple[int, int, int] | None:
    """Width, height and bytes of one image as JPEG; None where it cannot be read."""
    from PIL import Image

    try:
        rgb = read_viewed(path, view, seed=seed)
    except UnreadableImageError:
        return None
    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=96)
    return rgb.shape[1], rgb.shape[0], file.tell()


def file_features(files: pl.DataFrame) -> dict[str, np.ndarray]:
    """Name -> float64 ``(n,)``; formats as one column each, a missing JPEG quality as -1."""
    if files["width"].null_count() or files["format"].null_count():
        raise SynthscopeError(
            "Expected measured images, got rows without width or format. Run `synthscope data verify`."
        )
    width, height = (files[side].to_numpy().astype(np.float64) for side in ("width", "height"))
    formats = {
        f"format={name}": (files["format"] == name).to_numpy().astype(np.float64)
        for name in sorted(files["format"].unique())
    }
    return formats | {
        "size": width * height,
        "aspect": width / height,
        "jpeg_quality": files["jpeg_quality"].fill_null(-1).to_numpy().astype(np.float64),
        "bytes_per_pixel": files["bytes"].to_numpy() / (width * height),
    }
