"""A benchmark from one recipe: index, audit, train, predict, score. Every step resumes where it stopped.

Training rows are the subsets named by the recipe, test columns are all subsets (GenImage task 1); the degradations of
task 2 are applied to test images only. Every view (raw, aligned) has detectors of its own, and the raw detectors are
also tested in the other views: the drop shows how much of their accuracy was file format. Floors stand below the
detectors. Where the recipe asks for it, rows are trained with several seeds, and heatmaps, masks and erased regions are
scored against annotated artifacts (``regions``). What fails is listed in ``failures.json``, and stops nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.sources import save_regions, source_of, split_images, with_other_tests
from synthscope.config import configured
from synthscope.data.degrade.recipe import expand
from synthscope.errors import UsageError, suggest
from synthscope.runtime.files import read_json, write_json
from synthscope.schema import DIFFERENCES, MANIFEST, conform, read_table, write_table
from synthscope.tables.wording import floor_of

if TYPE_CHECKING:
    from synthscope.benchmarking.rows import Failure, Tested, Training
    from synthscope.training.config import TrainConfig

FAILURES = "failures.json"
SCORED = (
    "scores",
    "differences",
    "generalization",
    "worst_groups",
    "class_accuracy",
    "answers",
)  # tables that scoring writes or reads


def benchmark(
    config: BenchmarkConfig | str | Path,
    out: str | Path,
    *,
    source: str | None = None,
    overrides: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Run ``config`` into the folder ``out`` and return the predictions (``schema.PREDICTIONS``).

    Writes ``manifest.parquet``, ``audit.parquet``, ``detectors/``, ``predictions.parquet``, ``scores.parquet``, the
    tables of ``regions``, ``seeds.parquet`` and, where something failed, ``failures.json``. Run again, it does what is
    missing, and tries again what failed.

    Args:
        config: What to do; or the name of a recipe, or a .yaml file.
        out: Run folder.
        source: Images, instead of those of the recipe.
        overrides: Changes of the recipe, as after ``--set``: ``["seed=1"]``.

    Raises:
        UsageError: Nothing to run on, or an unknown recipe.
        SynthscopeError: No image of one class to test on.
        Exception: The first failure, where no detector is left to test.
    """
    from synthscope.benchmarking.floors import METADATA, metadata_floors
    from synthscope.benchmarking.regions import region_steps
    from synthscope.benchmarking.rows import trainings
    from synthscope.benchmarking.views import save_treatments, seen_tests
    from synthscope.data.manifest import check_two_classes, load_manifest

    config = configured(BenchmarkConfig, config, package="synthscope.benchmarking", overrides=overrides)
    out, config = Path(out), config if source is None else config.model_copy(update={"source": source})
    failures: list[Failure] = []
    origin = source_of(config, out)
    training, testing = split_images(config, load_manifest(origin))
    check_two_classes(testing, f"the test images ({config.test_where})")
    testing = with_other_tests(config, testing, out)
    seen, treatments = seen_tests(config, testing)
    save_treatments(treatments, out)
    planned = trainings(config, training, failures)
    regions = save_regions(config, origin, out)
    planned = [run.with_files(out / "detectors", regions) for run in planned]
    _audit(testing, seen, out)
    tested = _detectors(config, planned, training, out, failures)
    _write_failures(failures, out)
    if not any(
        Path(spec).name not in {run.name for run in planned if run.floor} for specs in tested.values() for spec in specs
    ):
        nothing = UsageError("Expected detectors to train or to test, got none. Add train or detectors to the recipe.")
        raise failures[0].error if failures else nothing
    earlier = _settings(out).get("scored")
    tables = _predict(config, seen, tested, out)
    if METADATA in config.floors:
        sets, cache = dict.fromkeys(run.learns for run in planned), out / "floors" / "attributes.parquet"
        tables += metadata_floors(config, sets, training, seen, cache=cache, failures=failures)
    predictions = _with_hashes(pl.concat(tables).unique(maintain_order=True))
    write_table(predictions, out / "predictions.parquet")
    scored = _score(config, predictions, out, earlier, failures)
    first = [spec for spec in tested[config.views[0]] if floor_of(Path(spec).name) is None]
    if config.costs:
        _costs(planned, tested, out)
    rows = list(dict.fromkeys(run.kind for run in planned if not run.floor))
    region_steps(config, seen[config.views[0]], first, out, rows=rows, failures=failures)
    _write_failures(failures, out)
    _add_settings(out, config, tested, scored, failures)
    return predictions


def read_failures(run: str | Path) -> list[dict[str, str | None]]:
    """What failed in a run: ``name``, ``step``, ``subset``, ``view`` and ``error`` of each, empty if nothing did."""
    file = Path(run) / FAILURES
    return read_json(file, list) if file.is_file() else []


def _audit(testing: pl.DataFrame, seen: dict[str, pl.DataFrame], out: Path) -> None:
    """Save the test images and what their attributes give away, unless that was done for these very images."""
    from synthscope.data.audit import AUDIT, audit
    from synthscope.data.manifest import save_manifest

    images, audited = out / "manifest.parquet", out / "audit.parquet"
    if images.is_file() and audited.is_file():
        same = read_table(images).equals(conform(testing, MANIFEST, "the test images"))
        if same and read_table(audited, schema=AUDIT)["view"].unique(maintain_order=True).to_list() == list(seen):
            return
    tables = [audit(rows).with_columns(view=pl.lit(view)) for view, rows in seen.items()]
    write_table(pl.concat(tables), audited)
    save_manifest(testing, images)


def _detectors(
    config: BenchmarkConfig, planned: list[Training], training: pl.DataFrame, out: Path, failures: list[Failure]
) -> dict[str, Tested]:
    """The detectors of every view: those that could be trained, and those of the recipe that can be used."""
    from synthscope.benchmarking.floors import fit_spectrum
    from synthscope.benchmarking.rows import attempt, check_detector
    from synthscope.training.fit import train

    tested: dict[str, Tested] = {view: {} for view in config.views}
    for run in planned:
        call = partial(_trained, fit_spectrum if run.floor else train, run, training, out / "detectors" / run.name)
        folder = attempt(call, failures, name=run.name, step="train", subset=run.subset, view=run.view)
        tested[run.view] |= {} if folder is None else {folder: run.learns}
    usable = [attempt(partial(check_detector, spec), failures, name=spec, step="load") for spec in config.detectors]
    for specs in tested.values():
        specs |= {spec: None for spec in usable if spec is not None}
    return tested


def _trained(
    solve: Callable[[TrainConfig, pl.DataFrame, Path], Path], run: Training, training: pl.DataFrame, folder: Path
) -> Path:
    return solve(run.recipe, run.images(training), folder)


def _predict(
    config: BenchmarkConfig, seen: dict[str, pl.DataFrame], tested: dict[str, Tested], out: Path
) -> list[pl.DataFrame]:
    from synthscope.benchmarking.rows import passes
    from synthscope.inference.predict import predict

    return [
        predict(rows, specs, out=out, conditions=conditions, precision=config.precision, backend=config.backend)
        for view in config.views
        for rows, specs, conditions in passes(config, seen[view], tested, view)
    ]


def _costs(planned: list[Training], tested: dict[str, Tested], out: Path) -> None:
    """Measure one detector of every row, unless the file knows all rows."""
    from synthscope.benchmarking.cost.networks import network_costs
    from synthscope.scoring.left_out import row_of
    from synthscope.tables.left_out import COSTS, COSTS_FILE

    there = {Path(spec).name for specs in tested.values() for spec in specs}
    rows = {row_of(run.name) or run.name: out / "detectors" / run.name for run in planned if run.name in there}
    file = out / COSTS_FILE
    if not file.is_file() or set(read_table(file, schema=COSTS)["detector"]) != set(rows):
        write_table(network_costs(rows), file)


def _with_hashes(predictions: pl.DataFrame) -> pl.DataFrame:
    """The rows of floors, which read no files, with the hashes of the files that detectors have read."""
    known = predictions.filter(pl.col("sha256").is_not_null()).unique("path").select("path", read="sha256")
    joined = predictions.join(known, on="path", how="left", maintain_order="left")
    return joined.with_columns(sha256=pl.coalesce("sha256", "read")).select(predictions.columns)


def _score(
    config: BenchmarkConfig, predictions: pl.DataFrame, out: Path, earlier: str | None, failures: list[Failure]
) -> str:
    """Score, unless the files are those of an ``earlier`` stamp; returns the stamp."""
    from synthscope.benchmarking.rows import Failure, note
    from synthscope.scoring.score import write_scores

    names = predictions["detector"].unique().str.split("@").list.first().to_list()
    pairs = [pair for pair in config.compare if not set(pair) - set(names)]
    for pair in config.compare:
        for name in set(pair) - set(names):
            error = UsageError(f"Expected the name of one detector, got {name!r}. {suggest(name, names)}")
            note(Failure(" − ".join(pair), "compare", error), failures)
    if earlier != _stamp(config, predictions, out):
        write_scores(out, by=config.by, n_resamples=config.resamples, seed=config.seed, compare=pairs)
    return _stamp(config, predictions, out)


def _stamp(config: BenchmarkConfig, predictions: pl.DataFrame, out: Path) -> str:
    """Digest of predictions, scores and all that makes the second from the first."""
    told = config.resamples, config.seed, config.compare, config.by, DIFFERENCES.names()
    digest = hashlib.sha256(repr(told).encode())
    digest.update(predictions.hash_rows().to_numpy().tobytes())
    for file in (out / f"{name}.parquet" for name in SCORED):
        digest.update(file.read_bytes() if file.is_file() else b"none")
    return digest.hexdigest()


def _settings(out: Path) -> dict[str, Any]:
    file = out / "run.json"
    return read_json(file, dict) if file.is_file() else {}


def _add_settings(
    out: Path, config: BenchmarkConfig, tested: dict[str, Tested], scored: str, failures: list[Failure]
) -> None:
    """Add the recipe and what failed to the settings that the last pass of predict left there."""
    settings = _settings(out)
    settings["detectors"] = list(dict.fromkeys(Path(spec).name for specs in tested.values() for spec in specs))
    settings["conditions"] = expand(config.conditions)
    settings["recipe"] = config.model_dump(mode="json", exclude_none=True)
    settings["scored"] = scored
    settings["failures"] = [failure.row() for failure in failures]
    write_json(out / "run.json", settings)


def _write_failures(failures: list[Failure], out: Path) -> None:
    if not failures:
        (out / FAILURES).unlink(missing_ok=True)
        return
    write_json(out / FAILURES, [failure.row() for failure in failures])
