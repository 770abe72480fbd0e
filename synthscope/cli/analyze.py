"""``synthscope analyze``: what a benchmark says beyond its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from synthscope.cli.arguments import (
    Out,
    Overrides,
    Seed,
    Source,
    Threads,
    View,
    Where,
    Workers,
    at_least,
    exit_with_unreadable,
    load,
)
from synthscope.cli.attacks import attacks_command
from synthscope.errors import SynthscopeError, UsageError

analyze = typer.Typer(
    help="Analyses: frequency, correlation, scaling, content, null, truth, fidelity, errors, attacks.",
    no_args_is_help=True,
)
analyze.command("attacks")(attacks_command)
Metric = Annotated[str, typer.Option(help="Metric of the matrix.")]


@analyze.command("frequency")
def frequency_command(
    source: Source,
    out: Out,
    n: Annotated[int, typer.Option("--n", help="Images a source.")] = 1000,
    size: Annotated[int, typer.Option(help="Side of the centre crop; smaller sources keep their size.")] = 256,
    denoiser: Annotated[str, typer.Option(help="median | wavelet")] = "median",
    order: Annotated[str, typer.Option(help="average_then_fft | fft_then_average")] = "average_then_fft",
    real: Annotated[str, typer.Option(help="Real images: pooled | subset.")] = "pooled",
    seed: Seed = 0,
    workers: Workers = None,
    view: View = None,
    where: Where = None,
) -> None:
    """Mean spectrum of the noise residuals of every generator and of the real images, and its periodic peaks."""
    import polars as pl

    from synthscope.data.manifest import errors_of
    from synthscope.report.figures.frequency import profile_figure, spectra_figure
    from synthscope.report.figures.style import save_figure
    from synthscope.studies.frequency.spectra import peak_table, profile_table, save_spectra, summary_table
    from synthscope.studies.frequency.study import residual_spectra
    from synthscope.tables.render import plain_text

    images = load(source, where, view)
    spectra = residual_spectra(
        images, n=n, size=size, denoiser=denoiser, order=cast(Any, order), real=cast(Any, real), seed=seed,
        workers=workers,
    )  # fmt: skip
    profiles = profile_table(spectra, denoiser=denoiser, order=order)
    _write(profiles, out / "frequency")
    _write(peak_table(spectra), out / "peaks")
    save_spectra(spectra, out / "frequency.npz")
    save_figure(spectra_figure(spectra, order=order, denoiser=denoiser), out / "spectra")
    save_figure(profile_figure(profiles), out / "profiles")
    print(plain_text(summary_table(spectra)))
    unreadable = pl.DataFrame([row for s in spectra for row in s.errors], schema=["path", "error"], orient="row")
    exit_with_unreadable(pl.concat([errors_of(images), unreadable.cast(pl.String)]))


@analyze.command("null")
def null_command(
    out: Out,
    source: Annotated[str | None, typer.Argument(help="Images; default: a sandbox.")] = None,
    overrides: Overrides = None,
) -> None:
    """Control: classes of the same pictures, stored as the real and the AI images are. Who tells them apart?

    In the aligned view nobody should; the exit code is 1 where somebody does.
    """
    from synthscope.benchmarking.config import BenchmarkConfig
    from synthscope.benchmarking.run import benchmark
    from synthscope.config import load_recipe
    from synthscope.tables.null import null_table, write_null

    recipe = load_recipe(BenchmarkConfig, "null", package="synthscope.benchmarking", overrides=overrides)
    benchmark(recipe, out, source=source)
    table = write_null(out)
    print(null_table(table).to_text())
    if (leaks := table.filter("above_chance", view="aligned")).height:
        raise SynthscopeError(
            f"Expected chance in the aligned view, got {leaks['balanced_accuracy'][0]:.2f} for {leaks['look'][0]}. "
            "Run it with other seeds before you believe it: one in forty looks lies above by chance."
        )


@analyze.command("correlation")
def correlation_command(
    source: Annotated[str, typer.Argument(help="Run folder, scores.parquet, or a CSV of percentages.")],
    out: Out,
    metric: Metric = "accuracy",
    view: Annotated[str | None, typer.Option(help="View of the test images, where a run has several.")] = None,
) -> None:
    """Which generators are alike to detectors: transfer matrix, Pearson's r of its columns, and their tree."""
    from synthscope.report.figures.correlation import correlation_figure
    from synthscope.report.figures.style import save_figure
    from synthscope.studies.correlation import correlate, correlation_rows, correlation_table, read_transfer

    transfer = read_transfer(source, metric=metric, view=view)
    correlation = correlate(transfer)
    _write(correlation_rows(correlation), out / "correlation")
    save_figure(correlation_figure(correlation, transfer), out / "correlation")
    print(correlation_table(correlation, transfer).to_text())


@analyze.command("scaling")
def scaling_command(
    source: Source,
    config: Annotated[str, typer.Option("-c", "--config", help="Training recipe: a name, or a .yaml file.")],
    out: Out,
    subset: Annotated[str, typer.Option(help="Generator to train on, or all.")] = "all",
    classes: Annotated[str, typer.Option(help="Numbers of classes.")] = "10,100,1000",
    per_class: Annotated[str, typer.Option(help="Numbers of AI images a class.")] = "16,160",
    seeds: Annotated[int, typer.Option(help="Runs of each cell.")] = 3,
    test_where: Annotated[str, typer.Option(help="Rows to test on.")] = "split=val",
    overrides: Overrides = None,
    view: View = None,
    where: Where = None,
) -> None:
    """Train on a grid of classes x images a class (GenImage, Tables 6 and 7). Run again to go on."""
    from synthscope.config import load_recipe
    from synthscope.report.figures.scaling import scaling_figure
    from synthscope.report.figures.style import save_figure
    from synthscope.studies.scaling.study import scaling
    from synthscope.studies.scaling.table import scaling_table, summarise
    from synthscope.training.config import TrainConfig

    grid = _numbers(classes, "--classes"), _numbers(per_class, "--per-class")
    recipe = load_recipe(TrainConfig, config, package="synthscope.training", overrides=overrides)
    images = load(source, where, view)
    runs, left_out = scaling(
        recipe, images, out, subset=subset, classes=grid[0], per_class=grid[1], seeds=seeds, test_where=test_where
    )
    summary = summarise(runs)
    _write(runs, out / "scaling_runs")
    _write(summary, out / "scaling")
    save_figure(scaling_figure(summary), out / "scaling")
    print(scaling_table(summary, left_out).to_text())


@analyze.command("content")
def content_command(
    domains: Annotated[list[str], typer.Argument(help="NAME=SOURCE …, as in faces=imagefolder:DIR?ai=a&real=b.")],
    detector: Annotated[list[str], typer.Option("-d", "--detector", help="Detector folder, local-dir: or hf-hub:.")],
    out: Out,
    view: View = None,
    where: Where = None,
) -> None:
    """Test detectors on other content than they were trained on, such as faces and art (GenImage, Table 8)."""
    from synthscope.report.figures.content import content_figure
    from synthscope.report.figures.style import save_figure
    from synthscope.studies.content import content, content_table, parse_domains

    tables = {name: load(source, where, view) for name, source in parse_domains(domains).items()}
    scores, predictions = content(tables, list(detector), out=out)
    _write(scores, out / "content")
    save_figure(content_figure(scores), out / "content")
    print(content_table(scores).to_text())
    exit_with_unreadable(predictions)


@analyze.command("truth")
def truth_command(
    out: Out,
    config: Annotated[
        list[str] | None, typer.Option("-c", "--config", help="Training recipes: names, or .yaml files.")
    ] = None,
    explainer: Annotated[
        list[str] | None, typer.Option("-e", "--explainer", help="As in synthscope explain; default: six methods.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 96,
    classes: Annotated[int, typer.Option(help="Kinds of main objects.")] = 10,
    train: Annotated[int, typer.Option(help="AI pictures a generator to train on, with as many real.")] = 600,
    test: Annotated[int, typer.Option(help="AI pictures a generator to test on, with as many real.")] = 20,
    seeds: Annotated[int, typer.Option(help="Training runs of each recipe and world.")] = 1,
    overrides: Overrides = None,
    workers: Threads = 2,
) -> None:
    """Which explainers and measures tell detectors that see artifacts from others? In worlds with known causes."""
    from synthscope.config import load_recipe
    from synthscope.report.figures.style import save_figure
    from synthscope.report.figures.truth import truth_figure
    from synthscope.report.page.html import write_report
    from synthscope.schema import write_table
    from synthscope.studies.truth.study import EXPLAINERS, truth
    from synthscope.studies.truth.table import truth_scores
    from synthscope.studies.truth.verdicts import shown, shown_accuracy, verdicts
    from synthscope.tables.render import plain_text
    from synthscope.training.config import TrainConfig

    names = config or ["cpu_small"]
    recipes = [load_recipe(TrainConfig, c, package="synthscope.training", overrides=overrides) for c in names]
    values, accuracy = truth(
        recipes, explainer or EXPLAINERS, out=out, size=size, classes=classes, train=train, test=test, seeds=seeds,
        workers=workers,
    )  # fmt: skip
    scores = truth_scores(values)
    told = verdicts(scores)
    write_table(values, out / "truth_values.parquet")
    write_table(scores, out / "truth.parquet")
    write_table(told, out / "truth.csv")
    write_table(accuracy, out / "truth_accuracy.csv")
    save_figure(truth_figure(told, accuracy), out / "truth")
    print(f"{plain_text(shown_accuracy(accuracy))}\n\n{plain_text(shown(told))}")
    print(f"\nReport: {write_report(out, title='Can explainers and measures be believed?')}")


@analyze.command("fidelity")
def fidelity_command(
    run: Annotated[Path, typer.Argument(help="Run folder with predictions.parquet.")],
    annotations: Annotated[str, typer.Option("--annotations", help="Annotations (.parquet), or FORMAT:PATH.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to write; default the run folder.")] = None,
    real: Annotated[str | None, typer.Option(help="Photographs to fit NIQE on; default the run's real images.")] = None,
    workers: Threads = 2,
    seed: Seed = 0,
) -> None:
    """Are AI images with more artifacts, or of lower quality (NIQE), easier to detect? (X-AIGD, Fig. 3)."""
    from synthscope.annotations import load_annotations
    from synthscope.data.manifest import filter_manifest
    from synthscope.report.figures.fidelity import save_fidelity_figure
    from synthscope.schema import read_table
    from synthscope.studies.fidelity.study import write_fidelity
    from synthscope.studies.fidelity.table import fidelity_tables

    photographs = filter_manifest(load(real, None, None), "label=0") if real else None
    table = write_fidelity(run, load_annotations(annotations), out=out, real=photographs, workers=workers, seed=seed)
    save_fidelity_figure(run, out)
    print("\n\n".join(part.to_text() for part in fidelity_tables(table)))
    exit_with_unreadable(read_table((out or run) / "fidelity_images.parquet"))


@analyze.command("errors")
def errors_command(
    run: Annotated[Path, typer.Argument(help="Run folder with predictions.parquet.")],
    annotations: Annotated[str, typer.Option("--annotations", help="Judgements of whole images: ai_human:FILE.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to write; default the run folder.")] = None,
    whole: Annotated[str, typer.Option(help="Generators whose pictures are whole, with commas: shown first.")] = "",
    simulations: Annotated[int, typer.Option(callback=at_least(1), help="Of the null control.")] = 200,
    seed: Seed = 0,
) -> None:
    """Do people agree on what is wrong with pictures of people, and do their errors predict a detector's logit?"""
    from synthscope.annotations.judgements import load_judgements
    from synthscope.runtime.files import write_text
    from synthscope.schema import MANIFEST, read_table
    from synthscope.studies.errors.agreement import judgement_agreement
    from synthscope.studies.errors.prediction import error_prediction, null_control
    from synthscope.studies.errors.table import agreement_table, prediction_tables
    from synthscope.tables.render import plain_text

    judgements, place = load_judgements(annotations), out or run
    file = run / "manifest.parquet"
    manifest = read_table(file, schema=MANIFEST) if file.is_file() else None
    agreement = judgement_agreement(judgements, seed=seed)
    prediction = error_prediction(read_table(run / "predictions.parquet"), judgements, manifest=manifest, seed=seed)
    control = null_control(judgements, simulations=simulations, seed=seed)
    for name, table in (("agreement", agreement), ("prediction", prediction), ("null_control", control)):
        _write(table, place / f"errors_{name}")
    tables = [agreement_table(agreement), *prediction_tables(prediction, whole.split(","))]
    write_text(place / "errors.md", "\n".join(table.to_markdown() for table in tables))
    print("\n\n".join([*(table.to_text() for table in tables), plain_text(control)]))
    print(f"\n{judgements['skipped'].count()} cells that do not follow the form were skipped.")


def _write(table: Any, stem: Path) -> None:
    from synthscope.schema import write_table

    for suffix in (".parquet", ".csv"):
        write_table(table, stem.with_suffix(suffix))


def _numbers(text: str, option: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(f"Expected whole numbers after {option}, got {text!r}. Write 10,100.") from None
