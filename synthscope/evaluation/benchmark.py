"""A benchmark from one recipe: index, audit, train, predict, score. Every step resumes where it stopped.

Training rows are the subsets named by the recipe, test columns are all subsets (GenImage task 1); the degradations of
task 2 are applied to test images only. Every view (raw, aligned) has detectors of its own, and the raw detectors are
also tested in the other views: the drop shows how much of their accuracy was file format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field, field_validator

from synthscope.config import Config, load_recipe
from synthscope.data.degrade import expand, parse_recipe
from synthscope.errors import UsageError, suggest
from synthscope.runtime import whole_file


class SandboxRecipe(Config):
    """The small artificial world to build when a recipe brings its own images."""

    size: int = 128
    classes: int = 10
    train: int = 160
    val: int = 40
    seed: int = 0
    fingerprint: bool = True
    artifacts: bool | float = True
    formats: Literal["raw", "aligned"] = "raw"


class TrainingRow(Config):
    """One training recipe and the subsets to train a detector on, each alone."""

    recipe: str
    subsets: list[str]  # ["*"] = every subset
    overrides: list[str] = Field(default_factory=list)


class BenchmarkConfig(Config):
    """A benchmark recipe."""

    title: str
    source: str | None = None  # a manifest or LAYOUT:PATH
    sandbox: SandboxRecipe | None = None
    views: list[str] = Field(default_factory=lambda: ["none"])
    train: list[TrainingRow] = Field(default_factory=list)
    detectors: list[str] = Field(default_factory=list)  # trained before
    train_where: str = "split=train"
    test_where: str = "split=val"
    max_per_class: int | None = None  # test images per subset and class
    conditions: list[str] = Field(default_factory=lambda: ["none", "genimage"])
    degrade: Literal["own", "all"] = "own"  # degrade the subsets a detector was trained on, or every subset
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    resamples: int = 2000
    compare: list[tuple[str, str]] = Field(default_factory=list)  # names of detectors, first minus second
    seed: int = 0

    @field_validator("views")
    @classmethod
    def _canonical(cls, views: list[str]) -> list[str]:
        return list(dict.fromkeys(str(parse_recipe(view)) for view in views))


def benchmark(config: BenchmarkConfig, out: str | Path, *, source: str | None = None) -> pl.DataFrame:
    """Run ``config`` into the folder ``out`` and return the predictions (``schema.PREDICTIONS``).

    Writes ``manifest.parquet``, ``audit.parquet``, ``detectors/``, ``predictions.parquet`` and ``scores.parquet``.

    Raises:
        UsageError: Nothing to run on, or an unknown subset in the recipe.
        SynthscopeError: No image of one class, in training or in testing.
    """
    from synthscope.data.manifest import check_two_classes, filter_manifest, sample, save_manifest, with_view
    from synthscope.evaluation.predict import predict
    from synthscope.evaluation.score import write_scores

    out = Path(out)
    images = _images(config, out, source)
    training, testing = filter_manifest(images, config.train_where), filter_manifest(images, config.test_where)
    if config.max_per_class is not None:
        testing = sample(testing, per=("subset", "label"), n=config.max_per_class, seed=config.seed)
    check_two_classes(testing, f"the test images ({config.test_where})")
    save_manifest(testing, out / "manifest.parquet")
    _audit(testing, config.views, out)
    trained = {
        view: _train(config, with_view(training, view), out, tag=_tag(config.views, view)) for view in config.views
    }
    passes = [
        predict(with_view(rows, view), folders, out=out, conditions=conditions, precision=config.precision)
        for view in config.views
        for rows, folders, conditions in _passes(config, testing, trained, view)
    ]
    predictions = pl.concat(passes).unique(maintain_order=True)
    with whole_file(out / "predictions.parquet") as temporary:
        predictions.write_parquet(temporary)
    write_scores(out, n_resamples=config.resamples, seed=config.seed, compare=config.compare)
    _add_settings(out / "run.json", config, trained)
    return predictions


def _add_settings(file: Path, config: BenchmarkConfig, trained: dict[str, dict[Path, str | None]]) -> None:
    """Add the recipe to the settings that the last pass of predict left there."""
    settings = json.loads(file.read_text())
    settings["detectors"] = [folder.name for folders in trained.values() for folder in folders]
    settings["conditions"] = expand(config.conditions)
    settings["recipe"] = config.model_dump(mode="json", exclude_none=True)
    with whole_file(file) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n")


def print_tables(run: str | Path, *, metric: str = "accuracy") -> None:
    """Print the tables of a scored run: matrix and degradations of every view, paired differences, the audit."""
    from synthscope.data.audit import warning
    from synthscope.evaluation.tables import audit_table, difference_table, tables_of
    from synthscope.evaluation.wording import views_of

    run = Path(run)
    tables = tables_of(pl.read_parquet(run / "scores.parquet"), metric=metric)
    if (run / "differences.parquet").is_file():
        differences = pl.read_parquet(run / "differences.parquet")
        compared = differences["metric"][0]
        tables += [difference_table(differences, metric=compared, view=view) for view in views_of(differences)]
    print("\n\n".join(table.to_text() for table in tables))
    if (run / "audit.parquet").is_file():
        audit = pl.read_parquet(run / "audit.parquet")
        print(f"\n{audit_table(audit).to_text()}")
        if sentence := warning(audit):
            print(f"\n{sentence}")


def _images(config: BenchmarkConfig, out: Path, source: str | None) -> pl.DataFrame:
    from synthscope.data.manifest import load_manifest

    chosen = source or config.source
    if chosen is None and config.sandbox is not None:
        from synthscope.data.sandbox import build_sandbox

        build_sandbox(out / "sandbox", **config.sandbox.model_dump())
        chosen = f"genimage:{out / 'sandbox' / 'genimage'}"
    if chosen is None:
        raise UsageError("Expected images to run on, got none. Name a manifest or LAYOUT:PATH after the recipe.")
    return load_manifest(chosen)


def _audit(testing: pl.DataFrame, views: list[str], out: Path) -> None:
    from synthscope.data.audit import audit
    from synthscope.data.manifest import with_view

    tables = [audit(with_view(testing, view)).with_columns(view=pl.lit(view)) for view in views]
    with whole_file(out / "audit.parquet") as temporary:
        pl.concat(tables).write_parquet(temporary)


def _of(images: pl.DataFrame, subset: str) -> pl.DataFrame:
    """One subset, with the real images that belong to every subset."""
    from synthscope.data.manifest import in_every_subset

    return images.filter((pl.col("subset") == subset) | in_every_subset())


def _tag(views: list[str], view: str) -> str:
    """End of the names of detectors trained in a view.

    >>> [_tag(["none", "lr:64", "lr:32"], view) for view in ("none", "lr:64")], _tag(["none", "lr:64"], "lr:64")
    (['', '.aligned1'], '.aligned')
    """
    others = [other for other in views if other != "none"]
    if view == "none":
        return ""
    return ".aligned" if len(others) == 1 else f".aligned{others.index(view) + 1}"


def _train(config: BenchmarkConfig, training: pl.DataFrame, out: Path, *, tag: str) -> dict[Path, str | None]:
    """Folders of the detectors of one view, each with the subset it was trained on (None: trained elsewhere)."""
    from synthscope.training.fit import TrainConfig, train

    folders: dict[Path, str | None] = {}
    known = training["subset"].drop_nulls().unique(maintain_order=True).to_list()
    for row in config.train:
        recipe = load_recipe(TrainConfig, row.recipe, package="synthscope.training", overrides=row.overrides)
        for subset in known if row.subsets == ["*"] else row.subsets:
            if subset not in known:
                raise UsageError(f"Expected a subset of the images, got {subset!r}. {suggest(subset, known)}")
            plain = re.sub(r"[^\w.-]+", "_", subset)  # subsets of a table may hold anything, slashes too
            name = f"{recipe.name}.{plain}{tag}"
            own, folder = _of(training, subset), out / "detectors" / name
            folders[train(recipe.model_copy(update={"name": name}), own, folder)] = subset
    folders |= {Path(folder): None for folder in config.detectors}
    if not folders:
        raise UsageError("Expected detectors to train or to test, got none. Add train or detectors to the recipe.")
    return folders


def _passes(
    config: BenchmarkConfig, testing: pl.DataFrame, trained: dict[str, dict[Path, str | None]], view: str
) -> Iterator[tuple[pl.DataFrame, list[Path], list[str]]]:
    """(images, detectors, conditions) to predict for one view; together they cover the recipe."""
    own, first = trained[view], trained[config.views[0]]
    degradations = [condition for condition in expand(config.conditions) if condition != "none"]
    yield testing, list(own | first), ["none"]
    if not degradations:
        return
    if config.degrade == "all":
        yield testing, list(own), degradations
        return
    for subset in dict.fromkeys(own.values()):
        rows = testing if subset is None else _of(testing, subset)
        yield rows, [folder for folder, trained_on in own.items() if trained_on == subset], degradations
