"""Floors under the detectors of a benchmark: what file attributes alone, or a linear look at a spectrum, can tell.

Both learn from the training images of each training subset and view and are judged on the same test images. A
detector that does not beat them has learned nothing that counts. ("Fake or JPEG?", Grommelt et al. 2024.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import torch

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.rows import Failure, attempt, plain, tag
from synthscope.benchmarking.training_sets import TrainingSet
from synthscope.data.align.views import seen_through
from synthscope.data.audit import MOST, MOST_DECODED, file_features, measure_viewed
from synthscope.data.manifest import check_two_classes, sample
from synthscope.detectors.spectrum_lr import SpectrumLr
from synthscope.metrics.calibration import calibrated
from synthscope.runtime import track
from synthscope.schema import PREDICTIONS, conform, read_table, view_name, write_table
from synthscope.training.config import TrainConfig
from synthscope.training.data import choose, manifest_digest
from synthscope.training.distributed import processes
from synthscope.training.fit import Run
from synthscope.training.folder import claim

METADATA = "metadata"
_MEASURED = ["width", "height", "format", "jpeg_quality", "bytes"]  # columns that a view changes
_KEY = ["path", "stored", "view"]  # of a measured image; `stored` are the bytes of its file
_SLICE = 4096  # images between two savings


def fit_spectrum(config: TrainConfig, images: pl.DataFrame, out: str | Path) -> Path:
    """Train ``spectrum_lr`` to its optimum on one look at every image, and write its folder as ``training.fit`` does.

    Args:
        config: Recipe of a ``spectrum_lr``; its epochs, optimiser and schedule are not used.
        images: Columns of ``schema.MANIFEST``.
        out: Detector folder; a finished one of the same images is left alone.

    Raises:
        SynthscopeError: A class without images, or a folder of another run.
    """
    folder, parts = Path(out), choose(images, config.data)
    with processes() as world:
        if claim(folder, config, manifest_digest(*parts), world=world):
            return folder
        run = Run(config, parts, folder=folder, world=world)
        detector, features, labels = cast(SpectrumLr, run.state.detector), [], []
        batches = track(run.feeds.train, f"training {config.name}", total=run.feeds.batches.steps, unit="batches")
        with torch.no_grad():
            for _, targets, pixels in batches:
                features.append(detector.features(pixels.to(world.device)).cpu().numpy())
                labels.append(targets.numpy().astype(np.int64))
        detector.fit(np.concatenate(features), np.concatenate(labels))
        run.state.keep_if_best((0.0,))
        run.finish()
    return folder


def metadata_floors(
    config: BenchmarkConfig,
    sets: Iterable[TrainingSet],
    training: pl.DataFrame,
    testing: dict[str, pl.DataFrame],
    *,
    cache: Path,
    failures: list[Failure],
) -> list[pl.DataFrame]:
    """Predictions of :func:`metadata_floor` for every view and training set; those that fail are noted.

    Args:
        config: The benchmark.
        sets: To train on.
        training: Training images as stored.
        testing: View -> test images seen through it.
        cache: File of what was measured.
        failures: Grows.
    """
    tables = []
    for view in config.views:
        tests = measured(testing[view], cache)
        for learns in sets:
            name = f"{METADATA}.{plain(learns.name)}{tag(config.views, view)}"
            images = seen_through(learns.of(training), view, by="split", seed=config.seed)[0]
            images = sample(images, ("label",), n=MOST if view == "none" else MOST_DECODED, seed=config.seed)
            call = partial(
                _learn_and_judge, name, images, tests, cache, subset=learns.train_set(training), seed=config.seed
            )
            table = attempt(call, failures, name=name, step="train", subset=learns.name, view=view)
            tables += [] if table is None else [table]
    return tables


def measured(images: pl.DataFrame, cache: Path) -> pl.DataFrame:
    """``images`` with the attributes of what a detector sees: the files, or after a view the image stored as JPEG.

    Each image is decoded and seen through its view once; ``cache`` (Parquet) keeps what was measured. Attributes of
    images that cannot be read become null.
    """
    if (images["view"].fill_null("none") == "none").all():
        return images
    marked = images.with_columns(stored=pl.col("bytes").fill_null(-1))
    schema = {name: marked.schema[name] for name in (*_KEY, *_MEASURED)}
    known = pl.DataFrame(schema=schema)
    if cache.is_file():
        known = read_table(cache, columns=list(schema))
    missing = (
        marked.filter(pl.col("error").is_null()).unique(_KEY, maintain_order=True).join(known, on=_KEY, how="anti")
    )
    for part in missing.iter_slices(_SLICE):
        known = pl.concat([known, measure_viewed(part, 0).select(*schema)])
        write_table(known, cache)
    seen = marked.drop(_MEASURED).join(known, on=_KEY, how="left", maintain_order="left")
    return seen.select(images.columns)


def metadata_floor(
    name: str, training: pl.DataFrame, testing: pl.DataFrame, *, subset: str, seed: int = 0
) -> pl.DataFrame:
    """Predictions of boosted trees that see format, size, aspect, JPEG quality and bytes per pixel, never a pixel.

    Args:
        name: Of the floor; its id adds a digest of what it learned from.
        training: Measured images of one subset in one view (see :func:`measured`).
        testing: All test images in the same view, measured where they can be read.
        subset: What ``training`` is called in the predictions.
        seed: Of the sample of at most 20,000 training images a class.

    Returns:
        ``schema.PREDICTIONS``, a row for every test image, condition ``none``; no logit but an ``error`` where the
        image could not be measured.

    Raises:
        SynthscopeError: Fewer than two training images of a class, or images that nobody has measured.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    usable = pl.col("error").is_null() & pl.all_horizontal(pl.col("width", "height", "format", "bytes").is_not_null())
    train = sample(training.filter(usable), ("label",), n=MOST, seed=seed).sort("path")
    check_two_classes(train, f"the measured training images of {subset}")
    known = testing.filter(usable)
    features = np.column_stack(list(file_features(pl.concat([train, known])).values()))
    labels = train["label"].to_numpy()
    model = HistGradientBoostingClassifier(
        max_iter=50, max_depth=3, min_samples_leaf=min(20, max(1, len(labels) // 10)), early_stopping=False,
        class_weight="balanced", random_state=seed,
    )  # fmt: skip
    model.fit(features[: train.height], labels)
    logits = np.asarray(model.decision_function(features[train.height :]) if known.height else [], np.float32)
    learned = hashlib.sha256(features[: train.height].tobytes() + labels.tobytes()).hexdigest()[:8]
    judged = {"logit": pl.Series(logits), "p_ai": pl.Series(calibrated(logits, 1.0, 0.0))}
    rows = testing.with_row_index().filter(usable).select("index", **judged)
    table = (
        testing.with_row_index()
        .join(rows, on="index", how="left", maintain_order="left")
        .with_columns(
            detector=pl.lit(f"{name}@{learned}"),
            architecture=pl.lit(METADATA),
            train_set=pl.lit(subset),
            train_view=pl.lit(train.select(view_name())["view"][0]),
            condition=pl.lit("none"),
            preprocessing=pl.lit("file attributes"),
            precision=pl.lit("fp32"),
            threshold=pl.lit(0.0),
            error=pl.when(pl.col("logit").is_null()).then(pl.coalesce("error", pl.lit("could not be measured"))),
        )
    )
    return conform(table, PREDICTIONS, "the floor")


def _learn_and_judge(
    name: str, training: pl.DataFrame, testing: pl.DataFrame, cache: Path, *, subset: str, seed: int
) -> pl.DataFrame:
    return metadata_floor(name, measured(training, cache), testing, subset=subset, seed=seed)
