"""The command line. stdout is the result, stderr the progress.

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some files were unreadable or some parts failed (they are listed).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.analyze import analyze
from synthscope.cli.annotate import annotate
from synthscope.cli.arguments import Out, Overrides, Source, View, Where, Workers, exit_with_unreadable, load
from synthscope.cli.data import data
from synthscope.cli.detectors import detectors
from synthscope.cli.explain import explain_command
from synthscope.cli.xaigd import xaigd_metrics
from synthscope.errors import SynthscopeError, UsageError

app = typer.Typer(
    help="Benchmark, train and explain detectors of AI-generated images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data, name="data")
app.add_typer(analyze, name="analyze")
app.add_typer(annotate, name="annotate")
app.add_typer(detectors, name="detectors")
app.add_typer(xaigd_metrics, name="xaigd-metrics")
app.command("explain")(explain_command)


def main() -> None:
    """Entry point: errors a user can act on become one sentence and an exit code."""
    try:
        app()
    except SynthscopeError as error:
        print(f"synthscope: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        print("synthscope: stopped; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from synthscope import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def demo(
    out: Out = Path("runs/demo"),
    overrides: Overrides = None,
) -> None:
    """The whole chain on a small artificial world: build, audit, train, predict, score, report."""
    benchmark_command(config="demo", out=out, source=None, overrides=overrides)


@app.command("train")
def train_command(
    source: Source,
    config: Annotated[str, typer.Option("-c", "--config", help="Name of a recipe, or a .yaml file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Detector folder to write.")],
    annotations: Annotated[str | None, typer.Option(help="Artifact regions, for artifact_vit's recipes.")] = None,
    overrides: Overrides = None,
    view: View = None,
    where: Where = None,
) -> None:
    """Train one detector. Run again after an interruption to go on; start with torchrun for several GPUs."""
    from synthscope.config import load_recipe
    from synthscope.training.fit import TrainConfig, train

    given = [*(overrides or []), *([f"annotations={annotations}"] if annotations else [])]
    recipe = load_recipe(TrainConfig, config, package="synthscope.training", overrides=given)
    folder = train(recipe, load(source, where, view), out)
    if os.environ.get("RANK", "0") == "0":  # one of several processes under torchrun speaks
        print(folder)


@app.command("predict")
def predict_command(
    source: Source,
    detector: Annotated[list[str], typer.Option("-d", "--detector", help="Detector folder, local-dir: or hf-hub:.")],
    out: Out,
    degrade: Annotated[list[str] | None, typer.Option(help='Recipes: none, genimage, "jpeg:q=65|lr:112" …')] = None,
    precision: Annotated[str, typer.Option(help="fp32 | bf16 | fp16")] = "fp32",
    batch_size: Annotated[int | None, typer.Option(help="Images per forward pass.")] = None,
    workers: Workers = None,
    seed: int = 0,
    shard: Annotated[str | None, typer.Option(help="i/n: do one of n parts; the parts merge in one folder.")] = None,
    view: View = None,
    where: Where = None,
) -> None:
    """Score images with detectors under degradations; each image is decoded once. Resumable."""
    from synthscope.data.manifest import save_manifest
    from synthscope.inference.predict import parse_shard, predict

    manifest = load(source, where, view)
    save_manifest(manifest, out / "manifest.parquet")
    table = predict(
        manifest, list(detector), out=out, conditions=degrade or ["none"], precision=precision,
        batch_size=batch_size, workers=workers, seed=seed, shard=parse_shard(shard),
    )  # fmt: skip
    print(out / "predictions.parquet" if (out / "predictions.parquet").is_file() else out / "parts")
    exit_with_unreadable(table)


@app.command("score")
def score_command(
    run: Annotated[Path, typer.Argument(help="Run folder that predict wrote.")],
    by: Annotated[str, typer.Option(help="Column that names the test sets: subset | generator | split.")] = "subset",
    metric: Annotated[str, typer.Option(help="Metric of the printed tables.")] = "accuracy",
    threshold: Annotated[float | None, typer.Option(help="On the logit; default: each detector's own.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    seed: int = 0,
    compare: Annotated[tuple[str, str] | None, typer.Option(help="Two detectors: paired difference A - B.")] = None,
) -> None:
    """Metrics with intervals from predictions; prints the cross-generator and the degraded table."""
    from synthscope.benchmarking.run import print_tables
    from synthscope.runtime import tune_allocator
    from synthscope.scoring.score import write_scores

    tune_allocator()
    pairs = [compare] if compare else None
    write_scores(run, by=by, threshold=threshold, n_resamples=resamples, seed=seed, compare=pairs, metric=metric)
    print_tables(run, metric=metric)


@app.command("benchmark")
def benchmark_command(
    config: Annotated[str, typer.Option("-c", "--config", help="Name of a recipe, or a .yaml file.")],
    out: Out,
    source: Annotated[str | None, typer.Argument(help="Images; default: those of the recipe.")] = None,
    overrides: Overrides = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Count the work and estimate its hours; do nothing.")] = False,
) -> None:
    """Train, test across generators and under degradations, and report, from one recipe. Resumable.

    A detector that fails stops no other; it is listed at the end, and the exit code is 3. With none left it is 1 or 2.
    """
    from synthscope.benchmarking.run import BenchmarkConfig, benchmark, print_tables, read_failures
    from synthscope.config import load_recipe
    from synthscope.report.page.html import write_report

    recipe = load_recipe(BenchmarkConfig, config, package="synthscope.benchmarking", overrides=overrides)
    if dry:
        from synthscope.benchmarking.cost.dry_run import dry_run

        print(dry_run(recipe, out, source=source))
        return
    predictions = benchmark(recipe, out, source=source)
    report = write_report(out, title=recipe.title)
    print_tables(out)
    print(f"\nReport: {report}")
    failures = read_failures(out)
    for failure in failures:
        print(f"failed: {failure['step']} {failure['name']}: {failure['error']}", file=sys.stderr)
    exit_with_unreadable(predictions)
    if failures:
        raise typer.Exit(3)


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Argument(help="Run folder of a benchmark, or of synthscope explain.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="HTML file; default: RUN/report.html.")] = None,
    title: Annotated[str | None, typer.Option(help="Headline of the report.")] = None,
) -> None:
    """One self-contained HTML page, with tables and figures beside it."""
    from synthscope.report.page.html import write_report

    print(write_report(run, out=out, title=title))
