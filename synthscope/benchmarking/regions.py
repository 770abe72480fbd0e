"""The steps of a benchmark that look at annotated regions: heatmaps, masks, erasure, fidelity; then all over the seeds.

Each writes its tables into the run folder and resumes by itself. They see the test images of the benchmark's own data
set in its first view, and the detectors of that view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from synthscope.annotations import load_annotations
from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.rows import Failure, attempt
from synthscope.benchmarking.sources import ANNOTATIONS, OWN, built
from synthscope.data.manifest import sample
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import read_table, write_table
from synthscope.scoring.seeds import over_seeds

SCORES_OF = {
    "detection": "scores.parquet",
    "explanation": "explanation_scores.parquet",
    "masks": "mask_scores.parquet",
    "erasure": "erasure_scores.parquet",
    "fidelity": "fidelity.parquet",
}


def region_steps(
    config: BenchmarkConfig,
    testing: pl.DataFrame,
    detectors: list[str | Path],
    out: Path,
    *,
    rows: Sequence[str],
    failures: list[Failure],
) -> None:
    """Do the steps that ``config`` asks for; one that fails is noted, and the others go on.

    Args:
        config: The benchmark.
        testing: Its test images, those of other data sets among them, in the first view.
        detectors: Folders of the first view's detectors, without floors.
        out: Run folder with ``annotations.parquet`` and the predictions.
        rows: Names of the training rows, in the order of the tables.
        failures: Grows.

    Raises:
        UsageError: A step that needs annotations, and none known.
        SynthscopeError: Annotations of none of the test images.
    """
    if config.uses_regions:
        regions = _regions(config, out)
        images = annotated(testing.filter(pl.col("subset") == OWN) if config.tests else testing, regions)
        for name, step in _steps(config, images, regions, detectors, out).items():
            attempt(step, failures, name=name, step="score")
    if config.seeds:
        write_seeds(out, against=config.against, order=rows)


def _steps(
    config: BenchmarkConfig, images: pl.DataFrame, regions: pl.DataFrame, detectors: list[str | Path], out: Path
) -> dict[str, Callable[[], object]]:
    steps: dict[str, Callable[[], object]] = {}
    if config.explain is not None:
        steps["heatmaps"] = partial(_explain, config, images, regions, detectors, out)
    if config.masks:
        steps["masks"] = partial(_masks, config, images, regions, detectors, out)
    if config.erase is not None:
        from synthscope.studies.erasure.study import write_erasure

        some = _drawn(images, config.erase.max_images, config.seed)
        twins = _twins(config, some, out) if config.erase.repair else None
        steps["erasure"] = partial(
            write_erasure, out, some, detectors, regions, fills=config.erase.fills, draws=config.erase.draws,
            twins=twins, seed=config.seed,
        )  # fmt: skip
    if config.fidelity:
        from synthscope.studies.fidelity.study import write_fidelity

        steps["fidelity"] = partial(write_fidelity, out, regions, seed=config.seed)
    return steps


def annotated(images: pl.DataFrame, regions: pl.DataFrame) -> pl.DataFrame:
    """AI-generated images that somebody has annotated, those without any artifact among them.

    Raises:
        SynthscopeError: There is none.
    """
    named = pl.col("path").is_in(regions["path"].implode())
    if "sha256" in regions.columns:
        named |= pl.col("sha256").is_in(regions["sha256"].drop_nulls().implode()).fill_null(False)
    found = images.filter((pl.col("label") == 1) & named & pl.col("error").is_null())
    if found.is_empty():
        raise SynthscopeError(
            "Expected annotations of the AI-generated test images, got none that match by path or sha256. Check that "
            "both tables speak of the same files."
        )
    return found


def write_seeds(out: Path, *, against: str | None = None, order: Sequence[str] = ()) -> pl.DataFrame:
    """Average the score tables of a run folder over the training seeds into ``seeds.parquet``."""
    tables = {name: read_table(out / file) for name, file in SCORES_OF.items() if (out / file).is_file()}
    for name in {"explanation", "masks"} & tables.keys():
        tables[name] = tables[name].filter(pl.col("generator") == "all")
    table = over_seeds(tables, against=against, order=order)
    write_table(table, out / "seeds.parquet")
    return table


def _regions(config: BenchmarkConfig, out: Path) -> pl.DataFrame:
    if not (out / ANNOTATIONS).is_file():
        raise UsageError(
            f"Expected annotations of artifacts for {config.title!r}, got none. Give --set annotations=FILE, or an "
            f"xaigd: source."
        )
    return load_annotations(out / ANNOTATIONS)


def _masks(
    config: BenchmarkConfig, images: pl.DataFrame, regions: pl.DataFrame, detectors: list[str | Path], out: Path
) -> None:
    from synthscope.inference.masks.count import count_masks
    from synthscope.scoring.masks import write_mask_scores

    count_masks(out, images, detectors, regions, seed=config.seed)
    write_mask_scores(out, seed=config.seed)


def _explain(
    config: BenchmarkConfig, images: pl.DataFrame, regions: pl.DataFrame, detectors: list[str | Path], out: Path
) -> None:
    from synthscope.inference.heatmaps.explain import explain
    from synthscope.scoring.heatmaps.score import write_heatmap_scores

    asked = config.explain
    assert asked is not None
    explain(
        _drawn(images, asked.max_images, config.seed),
        detectors,
        asked.explainers,
        out=out,
        conditions=asked.conditions,
        seed=config.seed,
    )
    write_heatmap_scores(out, regions, seed=config.seed)


def _drawn(images: pl.DataFrame, n: int | None, seed: int) -> pl.DataFrame:
    return images if n is None else sample(images, ("label",), n=n, seed=seed)


def _twins(config: BenchmarkConfig, images: pl.DataFrame, out: Path) -> dict[str, str] | None:
    """The same pictures drawn without artifacts, by path; None where the images are not the recipe's sandbox."""
    from synthscope.data.manifest import load_manifest

    if config.sandbox is None or config.source is not None:
        return None
    sound = load_manifest(built(config.sandbox, out / "sandbox_without_artifacts", artifacts=False))
    file = pl.col("path").str.split("/").list.tail(5).list.join("/").alias("file")
    key = ["generator", "group"] if config.sandbox.layout == "xaigd" else ["file"]
    pairs = images.with_columns(file).join(sound.filter(label=1).with_columns(file), on=key, suffix="_sound")
    return dict(pairs.select("path", "path_sound").iter_rows())
