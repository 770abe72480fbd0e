"""Score photographs, and perhaps AI images, and store the logits as a detector's reference set."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import CARD, detector_folder, load_detector, save_detector, weights_sha256
from synthscope.errors import SynthscopeError
from synthscope.inference.predict import predict
from synthscope.inspection.reference import DIGITS, ReferenceSet, Source, save_reference
from synthscope.runtime import seed_for
from synthscope.runtime.files import read_text
from synthscope.schema import with_group


def calibrate(
    detector: str | Path | Detector,
    photographs: pl.DataFrame,
    ai: pl.DataFrame | None = None,
    *,
    out: str | Path,
    name: str | None = None,
    view: str = "none",
    workers: int | None = None,
    seed: int = 0,
) -> ReferenceSet:
    """Make a detector's reference set, and a folder of the detector and the set. A run that was stopped goes on.

    P-values against it hold for images like these photographs, as long as the detector was not trained on them. Of
    images that are not independent (``group``, or equal bytes), one is taken, by hash.

    Args:
        detector: As :func:`synthscope.load_detector` takes it.
        photographs: Columns of ``schema.MANIFEST``. Images labelled as AI count as such; without label: photographs.
        ai: More images, for miss rates and likelihood ratios; without label: AI images.
        out: Folder of the detector and its reference set.
        name: Of the reference set; the detector's if None.
        view: Recipe that images are seen through, here and in inspections.
        workers: Threads; the cores, at most 16, if None.
        seed: Of noise in the view, and of which image of a group is taken.

    Raises:
        UsageError: No images, or a bad view.
        SynthscopeError: A file under both labels, no readable photograph, or a folder that cannot be written.
    """
    model = detector if isinstance(detector, Detector) else load_detector(detector)
    recipe, out = str(parse_recipe(view)), Path(out)
    tables = [_labelled(photographs, 0, recipe)] + ([_labelled(ai, 1, recipe)] if ai is not None else [])
    run = out / ".calibration"  # names of people's files: kept while it is needed to go on
    scored = predict(pl.concat(tables), [model], out=run, workers=workers, seed=seed).filter(pl.col("error").is_null())
    scored = _independent(scored, seed)
    logits = {
        label: tuple(sorted(round(logit, DIGITS) for logit in scored.filter(label=label)["logit"])) for label in (0, 1)
    }
    if not logits[0]:
        raise SynthscopeError("Expected photographs that can be read, got none. Check the files that were listed.")
    reference = ReferenceSet(
        name=name or model.config.name,
        date=datetime.now(UTC).date().isoformat(),
        weights_sha256=weights_sha256(model),
        preprocessing=model.config.digest(),
        view=recipe,
        photographs=logits[0],
        ai=logits[1],
        sources=tuple(
            Source(name=source, label=label, n=count)
            for label, source, count in scored.group_by("label", "source").len().sort("label", "source").iter_rows()
        ),
    )
    folder = None if isinstance(detector, Detector) else detector_folder(detector)
    if folder is None or folder.resolve() != out.resolve():
        card = folder / CARD if folder is not None else None
        save_detector(model, out, card=read_text(card) if card is not None and card.is_file() else None)
    save_reference(reference, out)
    shutil.rmtree(run)
    return reference


def _labelled(images: pl.DataFrame, otherwise: int, view: str) -> pl.DataFrame:
    """Images with a label, and in ``subset`` what sources are called: generators, subsets, else the kind."""
    label = pl.col("label").fill_null(otherwise)
    named = pl.when(label == 1).then("generator").otherwise("subset")
    kind = pl.when(label == 1).then(pl.lit("AI images")).otherwise(pl.lit("photographs"))
    return images.with_columns(label=label, view=pl.lit(view), subset=pl.coalesce(named, kind))


def _independent(scored: pl.DataFrame, seed: int) -> pl.DataFrame:
    """One image of each group, chosen by hash, with its source."""
    both = scored.group_by("sha256").agg(pl.col("label").n_unique(), pl.col("path").first()).filter(pl.col("label") > 1)
    if both.height:
        raise SynthscopeError(f"Expected photographs or AI images, got {both['path'][0]} as both. Remove one of them.")
    order = pl.Series([seed_for(seed, sha256) for sha256 in scored["sha256"]])
    drawn = with_group(scored).with_columns(source="subset", _draw=order)
    return drawn.sort("_draw", "path").unique("group", keep="first", maintain_order=True)
