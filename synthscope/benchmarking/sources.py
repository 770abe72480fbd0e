"""Where the images and annotations of a benchmark come from: what was named, or a sandbox that is built on the way."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.benchmarking.config import BenchmarkConfig, SandboxRecipe, TestSet
from synthscope.data.manifest import load_manifest
from synthscope.data.null_world import build_null_world
from synthscope.errors import SynthscopeError, UsageError

OWN = "own"  # name of a benchmark's own test images where it has other test sets too
ANNOTATIONS = "annotations.parquet"  # in the run folder


def source_of(config: BenchmarkConfig, out: Path) -> str:
    """The images: those named, or the sandbox of the recipe, which is built below ``out`` where it is absent.

    Raises:
        UsageError: Neither.
    """
    chosen = config.source
    if chosen is None and config.sandbox is not None:
        chosen = built(config.sandbox, out / "sandbox")
    if chosen is None:
        raise UsageError("Expected images to run on, got none. Name a manifest or LAYOUT:PATH after the recipe.")
    return (
        build_null_world(load_manifest(chosen), out / "null_world", seed=config.seed) if config.null_world else chosen
    )


def built(recipe: SandboxRecipe, folder: Path, *, artifacts: bool = True) -> str:
    """``LAYOUT:PATH`` of a sandbox, built where it is absent; on request with the same pictures without artifacts."""
    from synthscope.sandbox import build_sandbox

    settings = recipe.model_dump(exclude={"layout"}) | ({} if artifacts else {"artifacts": False})
    build_sandbox(folder, layouts=recipe.layout, **settings)
    return f"{recipe.layout}:{folder / recipe.layout}"


def split_images(config: BenchmarkConfig, images: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to train on and rows to test on."""
    from synthscope.data.manifest import filter_manifest, sample

    training, testing = filter_manifest(images, config.train_where), filter_manifest(images, config.test_where)
    if config.max_per_class is not None:
        testing = sample(testing, per=("subset", "label"), n=config.max_per_class, seed=config.seed)
    return training, testing


def with_other_tests(config: BenchmarkConfig, testing: pl.DataFrame, out: Path) -> pl.DataFrame:
    """``testing`` and the images of ``config.tests``, each data set as one subset under its name.

    Raises:
        SynthscopeError: A data set without images of both classes, or one whose files are among the others.
    """
    if not config.tests:
        return testing
    parts = [testing.with_columns(subset=pl.lit(OWN))]
    for name, test in config.tests.items():
        if name == OWN:
            raise UsageError(f"Expected another name than {OWN!r} in tests, which is the benchmark's own. Rename it.")
        parts.append(_other(config, name, test, out / "tests" / name).with_columns(subset=pl.lit(name)))
    whole = pl.concat(parts)
    if twice := whole.filter(pl.col("path").is_duplicated())["path"].to_list():
        raise SynthscopeError(f"Expected each image in one test set, got {twice[0]} in several. Name other data sets.")
    return whole


def _other(config: BenchmarkConfig, name: str, test: TestSet, folder: Path) -> pl.DataFrame:
    from synthscope.data.manifest import check_two_classes, filter_manifest, load_manifest, sample

    source = test.source if test.sandbox is None else built(test.sandbox, folder)
    if source is None or (test.source and test.sandbox):
        raise UsageError(f"Expected one of source and sandbox for the test set {name!r}, got {test}. Correct tests.")
    images = load_manifest(source)
    chosen = filter_manifest(images, test.where or config.test_where)
    chosen = images if chosen.is_empty() and test.where is None else chosen
    check_two_classes(chosen, f"the test set {name!r}")
    return chosen if test.max_per_class is None else sample(chosen, ("label",), n=test.max_per_class, seed=config.seed)


def save_regions(config: BenchmarkConfig, source: str, out: Path) -> Path | None:
    """Write the annotations of a benchmark as ``annotations.parquet`` into ``out``; None where it has none.

    They are ``config.annotations``, or those inside an ``xaigd:`` data set.
    """
    from synthscope.annotations import load_annotations, save_annotations

    named = config.annotations or (source if source.startswith("xaigd:") else None)
    if named is None:
        return None
    save_annotations(load_annotations(named), out / ANNOTATIONS)
    return out / ANNOTATIONS
