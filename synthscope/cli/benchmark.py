"""``synthscope benchmark`` and ``synthscope demo``: the whole chain from one recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Out, Overrides, Remote, exit_with_unreadable
from synthscope.runtime.told import printable


def demo_command(
    out: Out = Path("runs/demo"),
    overrides: Overrides = None,
) -> None:
    """The whole chain on a small artificial world: build, audit, train, predict, score, report; then a real picture."""
    benchmark_command(config="demo", out=out, source=None, overrides=overrides)
    _inspect_photograph(out / "inspect")


def _inspect_photograph(out: Path) -> None:
    """Of the two that scikit-learn brings, the one of a flower; with the detector that ships."""
    from importlib.resources import files

    from synthscope.inspection.calibrated import load_calibrated
    from synthscope.inspection.inspect import Settings
    from synthscope.inspection.pages import write_pages
    from synthscope.inspection.run import inspect_files

    photograph = Path(str(files("sklearn.datasets.images") / "flower.jpg"))
    inspected = list(inspect_files([photograph], [load_calibrated("bundled")], Settings(), out=out))
    print(f"\nInspected {photograph.name}: {inspected[0].evidence.sentence}")
    print(f"Page: {write_pages(inspected, out, out / 'flower.html')}")


def benchmark_command(
    config: Annotated[str, typer.Option("-c", "--config", help="Name of a recipe, or a .yaml file.")],
    out: Out,
    source: Annotated[str | None, typer.Argument(help="Images; default: those of the recipe.")] = None,
    overrides: Overrides = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Count the work and estimate its hours; do nothing.")] = False,
    remote: Remote = False,
) -> None:
    """Train, test across generators and under degradations, and report, from one recipe. Resumable.

    A detector that fails stops no other; it is listed at the end, and the exit code is 3. With none left it is 1 or 2.
    """
    from synthscope.benchmarking.config import BenchmarkConfig
    from synthscope.benchmarking.run import benchmark, read_failures
    from synthscope.config import load_recipe
    from synthscope.data.remote.permission import allow_source
    from synthscope.report.page.html import write_report
    from synthscope.tables.printing import print_tables

    recipe = load_recipe(BenchmarkConfig, config, package="synthscope.benchmarking", overrides=overrides)
    allow_source(source or "")
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
        print(printable(f"failed: {failure['step']} {failure['name']}: {failure['error']}"), file=sys.stderr)
    exit_with_unreadable(predictions)
    if failures:
        raise typer.Exit(3)
