"""The command line. stdout is the result, stderr the progress.

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some files were unreadable (they are listed).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from synthscope.errors import SynthscopeError, UsageError

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(
    help="Benchmark, train and explain detectors of AI-generated images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="Tables of images: index, verify, audit, sandbox.", no_args_is_help=True)
detectors = typer.Typer(help="The detectors that can be trained or loaded.", no_args_is_help=True)
app.add_typer(data, name="data")
app.add_typer(detectors, name="detectors")

Source = Annotated[str, typer.Argument(help="A manifest (.parquet) or LAYOUT:PATH, such as genimage:/data/GenImage.")]
Where = Annotated[str | None, typer.Option("--where", help='Keep some rows: "split=val subset=ADM,glide label=1".')]
Workers = Annotated[int | None, typer.Option("-j", "--workers", help="Parallel workers; never changes a result.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change one value of the recipe: key.path=value.")]
View = Annotated[str | None, typer.Option(help='Recipe applied after decoding: "crop:size=256,grid=16|jpeg:q=96".')]


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
    out: Annotated[Path, typer.Option("-o", "--out", help="Run folder.")] = Path("runs/demo"),
    overrides: Overrides = None,
) -> None:
    """The whole chain on a small artificial world: build, audit, train, predict, score, report."""
    benchmark_command(config="demo", out=out, source=None, overrides=overrides)


@data.command("index")
def data_index(
    source: Source,
    out: Annotated[Path, typer.Option("-o", "--out", help="Manifest to write (.parquet).")],
    workers: Workers = None,
) -> None:
    """Read the headers of all images of a collection into a manifest."""
    from synthscope.data.layouts import index_to
    from synthscope.data.manifest import describe, load_manifest

    index_to(source, out, workers=workers)
    table = load_manifest(out)
    print(describe(table))
    _exit_with_unreadable(table)


@data.command("verify")
def data_verify(
    source: Source,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Manifest to write; default: the same file.")] = None,
    workers: Workers = None,
) -> None:
    """Decode every image, fill in its SHA-256, and list what cannot be used."""
    from synthscope.data.manifest import describe, load_manifest, save_manifest, verify

    target = out or (Path(source) if source.endswith(".parquet") else None)
    if target is None:
        raise UsageError(f"Expected a manifest to update or --out, got {source!r}. Add -o manifest.parquet.")
    table = verify(load_manifest(source), workers=workers)
    save_manifest(table, target)
    print(describe(table))
    _exit_with_unreadable(table)


@data.command("audit")
def data_audit(
    source: Source,
    view: View = None,
    where: Where = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write the table (.parquet or .csv).")] = None,
) -> None:
    """Can format, size, aspect, JPEG quality or bytes per pixel alone tell the label?"""
    from synthscope.data.audit import audit, warning
    from synthscope.data.manifest import check_two_classes
    from synthscope.evaluation.tables import audit_table, write_table

    images = _load(source, where, view)
    check_two_classes(images, source)
    table = audit(images)
    print(audit_table(table).to_text())
    if sentence := warning(table):
        print(f"\n{sentence}")
    if out is not None:
        write_table(table, out)


@data.command("sandbox")
def data_sandbox(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    size: Annotated[int, typer.Option(help="Side of a picture in pixels, a multiple of 8.")] = 128,
    train: Annotated[int, typer.Option(help="Generated training images per generator; as many photographs.")] = 160,
    val: Annotated[int, typer.Option(help="Generated test images per generator; as many photographs.")] = 40,
    classes: Annotated[int, typer.Option(help="Kinds of main object.")] = 10,
    seed: int = 0,
    fingerprint: Annotated[str, typer.Option(help="on | off: do generators leave the traces of a decoder?")] = "on",
    artifacts: Annotated[str, typer.Option(help="on | off | RATE: share of generated images with artifacts.")] = "on",
    formats: Annotated[str, typer.Option(help="raw | aligned: do file formats and sizes tell the label?")] = "raw",
    workers: Workers = None,
) -> None:
    """Write a small world with known generators and known artifacts, in the layouts of the real data sets."""
    from synthscope.data.sandbox import build_sandbox

    report = build_sandbox(
        out, size=size, classes=classes, train=train, val=val, seed=seed, fingerprint=bool(_switch(fingerprint)),
        artifacts=_switch(artifacts, rate=True), formats=cast(Any, formats), workers=workers or 2,
    )  # fmt: skip
    print(f"{report.real} real and {report.ai} AI images, {sum(report.regions.values())} artifacts in {report.folder}")
    for folder in (report.genimage, report.xaigd):
        print(f"  {folder}")


@app.command("train")
def train_command(
    source: Source,
    config: Annotated[str, typer.Option("-c", "--config", help="Name of a recipe, or a .yaml file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Detector folder to write.")],
    overrides: Overrides = None,
    view: View = None,
    where: Where = None,
) -> None:
    """Train one detector. Run again after an interruption to go on; start with torchrun for several GPUs."""
    from synthscope.config import load_recipe
    from synthscope.training.fit import TrainConfig, train

    recipe = load_recipe(TrainConfig, config, package="synthscope.training", overrides=overrides)
    folder = train(recipe, _load(source, where, view), out)
    if os.environ.get("RANK", "0") == "0":  # one of several processes under torchrun speaks
        print(folder)


@app.command("predict")
def predict_command(
    source: Source,
    detector: Annotated[list[str], typer.Option("-d", "--detector", help="Detector folder, local-dir: or hf-hub:.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Run folder.")],
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
    from synthscope.evaluation.predict import parse_shard, predict

    manifest = _load(source, where, view)
    save_manifest(manifest, out / "manifest.parquet")
    table = predict(
        manifest, list(detector), out=out, conditions=degrade or ["none"], precision=precision,
        batch_size=batch_size, workers=workers, seed=seed, shard=parse_shard(shard),
    )  # fmt: skip
    print(out / "predictions.parquet" if (out / "predictions.parquet").is_file() else out / "parts")
    _exit_with_unreadable(table)


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
    from synthscope.evaluation.benchmark import print_tables
    from synthscope.evaluation.score import write_scores
    from synthscope.runtime import tune_allocator

    tune_allocator()
    pairs = [compare] if compare else None
    write_scores(run, by=by, threshold=threshold, n_resamples=resamples, seed=seed, compare=pairs, metric=metric)
    print_tables(run, metric=metric)


@app.command("benchmark")
def benchmark_command(
    config: Annotated[str, typer.Option("-c", "--config", help="Name of a recipe, or a .yaml file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Run folder.")],
    source: Annotated[str | None, typer.Argument(help="Images; default: those of the recipe.")] = None,
    overrides: Overrides = None,
) -> None:
    """Train, test across generators and under degradations, and report, from one recipe. Resumable."""
    from synthscope.config import load_recipe
    from synthscope.evaluation.benchmark import BenchmarkConfig, benchmark, print_tables
    from synthscope.report.html import write_report

    recipe = load_recipe(BenchmarkConfig, config, package="synthscope.evaluation", overrides=overrides)
    predictions = benchmark(recipe, out, source=source)
    report = write_report(out, title=recipe.title)
    print_tables(out)
    print(f"\nReport: {report}")
    _exit_with_unreadable(predictions)


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Argument(help="Run folder with predictions and scores.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="HTML file; default: RUN/report.html.")] = None,
    title: Annotated[str | None, typer.Option(help="Headline of the report.")] = None,
) -> None:
    """One self-contained HTML page, with tables and figures beside it."""
    from synthscope.report.html import write_report

    print(write_report(run, out=out, title=title))


@detectors.command("list")
def detectors_list() -> None:
    """Every architecture that can be trained, with its size and input."""
    import polars as pl

    from synthscope.detectors.hub import detectors_table
    from synthscope.evaluation.tables import plain_text

    print(plain_text(pl.DataFrame(detectors_table())))


@detectors.command("show")
def detectors_show(name: Annotated[str, typer.Argument(help="Name of an architecture, or a detector folder.")]) -> None:
    """Configuration of an architecture or of a trained detector."""
    from synthscope.detectors.hub import show_detector

    print(show_detector(name))


def _switch(text: str, *, rate: bool = False) -> bool | float:
    """``on`` or ``off``, or a number where a rate may stand."""
    if text in ("on", "off"):
        return text == "on"
    try:
        if rate:
            return float(text)
    except ValueError:
        pass
    raise UsageError(f"Expected on, off{' or a rate' if rate else ''}, got {text!r}. Choose one.")


def _load(source: str, where: str | None, view: str | None) -> pl.DataFrame:
    from synthscope.data.manifest import filter_manifest, load_manifest, with_view

    table = load_manifest(source)
    table = filter_manifest(table, where) if where else table
    return with_view(table, view) if view else table


def _exit_with_unreadable(table: pl.DataFrame) -> None:
    """List the files that could not be used and exit with 3, if there are any."""
    from synthscope.data.manifest import errors_of

    bad = errors_of(table).unique(maintain_order=True)
    if bad.height:
        print(f"{bad.height} unreadable:", file=sys.stderr)
        for path, error in bad.iter_rows():
            print(f"  {path}: {error}", file=sys.stderr)
        raise typer.Exit(3)
