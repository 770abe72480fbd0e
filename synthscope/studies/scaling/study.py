"""How many classes and images a detector needs: one training run for each cell of a grid (GenImage, Tables 6 and 7).

Every cell has a folder of its own with the detector and its predictions; a cell that is finished is not done again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from synthscope.config import configured
from synthscope.data.manifest import check_two_classes, filter_manifest, in_every_subset
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime import seed_for
from synthscope.runtime.told import printable
from synthscope.schema import view_name
from synthscope.scoring.columns import MEAN
from synthscope.training.config import TrainConfig

ALL = "all"
MIN_REALS = 0.95  # real images per AI image; ImageNet itself has 1.5 % fewer than GenImage has AI images


@dataclass(frozen=True)
class Cell:
    """One training set: ``per_class`` AI images of each of ``classes`` classes, and as many real ones."""

    classes: int
    per_class: int
    seed: int

    def __str__(self) -> str:
        return f"{self.classes}x{self.per_class}.seed{self.seed}"


def scaling(
    config: TrainConfig | str | Path,
    manifest: pl.DataFrame,
    out: str | Path,
    *,
    subset: str = ALL,
    classes: Sequence[int] = (10, 100, 1000),
    per_class: Sequence[int] = (16, 160),
    seeds: int = 3,
    test_where: str = "split=val",
    overrides: Sequence[str] | None = None,
) -> tuple[pl.DataFrame, list[str]]:
    """Train and test a detector for every cell and seed.

    Args:
        config: Training recipe, or its name or file; its split is sampled, its seed is replaced. A recipe counted in
            epochs takes fewer steps on fewer images, one counted in steps sees them more often.
        manifest: Columns of ``schema.MANIFEST``; the AI images to train on need a ``class_index``.
        out: Folder; gets ``cells/``.
        subset: Generator to train on, or ``all``. Tests are always on all subsets.
        classes: Numbers of classes.
        per_class: Numbers of AI images a class; of ``all``, spread evenly over the generators.
        seeds: Runs of a cell, each with a sample and a training seed of its own.
        test_where: Rows to test on.
        overrides: Changes of the recipe, as after ``--set``.

    Returns:
        One row for each run and test, ``identical`` (the subset trained on) or ``cross`` (the unweighted mean over all
        subsets), with the interval over images; and a sentence for each cell that the images cannot fill.

    Raises:
        UsageError: Unknown subset, or a number below 1.
        SynthscopeError: No classes, no test images, or no cell that can be filled.
    """
    if seeds < 1 or min(*classes, *per_class, seeds) < 1:
        raise UsageError(f"Expected numbers of 1 or more, got classes {list(classes)}, images {list(per_class)}.")
    config = configured(TrainConfig, config, package="synthscope.training", overrides=overrides)
    training = _training_rows(config, manifest, subset)
    testing = filter_manifest(manifest, test_where)
    check_two_classes(testing, f"the test images ({test_where})")
    rows, left_out = [], []
    for c in sorted(set(classes)):
        for p in sorted(set(per_class)):
            for seed in range(seeds):
                try:
                    images = sample_cell(training, Cell(c, p, seed))
                except SynthscopeError as error:
                    left_out.append(f"{c} x {p} is left out: {error}")
                    print(printable(left_out[-1]), file=sys.stderr)
                    break
                rows += _run(config, images, testing, Path(out) / "cells", subset, Cell(c, p, seed))
    if not rows:
        raise SynthscopeError(f"Expected a cell that the images can fill, got none. {left_out[0]}")
    return pl.DataFrame(rows, infer_schema_length=None), left_out


def _training_rows(config: TrainConfig, manifest: pl.DataFrame, subset: str) -> pl.DataFrame:
    known = manifest.filter(label=1)["subset"].drop_nulls().unique().sort().to_list()
    if subset != ALL and subset not in known:
        raise UsageError(f"Expected a subset of the images or {ALL}, got {subset!r}. {suggest(subset, [*known, ALL])}")
    table = manifest.filter(
        pl.col("split") == config.data.split, pl.col("error").is_null(), pl.col("label").is_in([0, 1])
    )
    if config.data.view is not None:
        table = table.filter(view_name() == config.data.view)
    if subset != ALL:
        table = table.filter((pl.col("subset") == subset) | in_every_subset())
    table = table.unique(["path", "view"], keep="first", maintain_order=True)
    if table.filter(pl.col("label") == 1, pl.col("class_index").is_not_null()).is_empty():
        raise SynthscopeError(
            f"Expected AI images with a class_index in split {config.data.split!r} of {subset}, got none. "
            f"Index them with a layout that knows classes, such as genimage:, or fill the column in."
        )
    return table


def sample_cell(training: pl.DataFrame, cell: Cell) -> pl.DataFrame:
    """The images of a cell, drawn by hash: with one seed, larger cells contain the smaller ones where images allow.

    Classes come in an order drawn from the seed, those with too few AI images left out; in each, AI images in an order
    drawn from the seed, in turn from each generator. Real images are as many in total, from the same classes as far as
    they go, then from others; up to 5 % may be missing.

    Raises:
        SynthscopeError: Too few classes with enough AI images, or too few real images.
    """
    draws = [seed_for(cell.seed, "/".join(path.rsplit("/", 3)[-3:])) for path in training["path"]]
    table = training.with_columns(_draw=pl.Series(draws, dtype=pl.UInt64)).sort("_draw", "path")
    ai = table.filter(pl.col("label") == 1, pl.col("class_index").is_not_null())
    ai = ai.with_columns(_turn=pl.int_range(pl.len()).over("class_index", "subset"))
    ai = ai.sort("_turn", "_draw").with_columns(_place=pl.int_range(pl.len()).over("class_index"))
    sizes = ai.group_by("class_index").len().filter(pl.col("len") >= cell.per_class)["class_index"].to_list()
    chosen = sorted(sizes, key=lambda index: seed_for(cell.seed, "class", index))[: cell.classes]
    if len(chosen) < cell.classes:
        raise SynthscopeError(
            f"Expected {cell.classes} classes with {cell.per_class} AI images each, got {len(chosen)}. "
            f"Ask for fewer, or add images."
        )
    ai = ai.filter(pl.col("class_index").is_in(chosen), pl.col("_place") < cell.per_class)
    real = table.filter(pl.col("label") == 0).with_columns(
        _own=pl.col("class_index").is_in(chosen).fill_null(False),
        _place=pl.int_range(pl.len()).over("class_index"),
    )
    order = [~pl.col("_own"), pl.col("_place") >= cell.per_class, pl.col("_draw")]
    real = real.sort(order, maintain_order=True).head(ai.height)
    if real.height < MIN_REALS * ai.height:
        raise SynthscopeError(
            f"Expected {ai.height} real images beside as many AI images, got {real.height}. "
            f"Ask for fewer images, or add real ones."
        )
    return pl.concat([ai.select(training.columns), real.select(training.columns)])


def _run(
    config: TrainConfig, images: pl.DataFrame, testing: pl.DataFrame, folder: Path, subset: str, cell: Cell
) -> list[dict[str, object]]:
    """Train and test one cell, or find it done, and score it."""
    from synthscope.inference.predict import predict
    from synthscope.scoring.score import score
    from synthscope.training.fit import train

    plain = re.sub(r"[^\w.-]+", "_", subset)
    data = config.data.model_copy(update={"subsets": None, "max_per_class": None})
    name = f"{config.name}.{plain}.{cell}"
    recipe = config.model_copy(update={"name": name, "seed": cell.seed, "data": data})
    detector = train(recipe, images, folder / name / "detector")
    scores = score(predict(testing, [detector], out=folder / name / "test"), metrics=["accuracy"], n_resamples=1000)
    n_ai = int(images["label"].sum())
    known = {"subset": subset, "classes": cell.classes, "per_class": cell.per_class, "seed": cell.seed}
    known |= {"train_real": images.height - n_ai, "train_ai": n_ai}
    cross = MEAN if MEAN in scores["test_set"] else scores["test_set"][0]
    rows = []
    for test, test_set in (("identical", subset), ("cross", cross)):
        for row in scores.filter(test_set=test_set).iter_rows(named=True):
            figures = {key: row[key] for key in ("value", "ci_low", "ci_high", "n_real", "n_ai", "n_error")}
            rows.append(known | {"test": test} | figures)
    return rows
