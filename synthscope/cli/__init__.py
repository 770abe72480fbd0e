"""The command line, one file a verb or group of verbs. stdout is the result, stderr the progress.

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some files were unreadable or some parts failed (they are listed),
130 and 143 stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from synthscope.cli.analyze import analyze
from synthscope.cli.annotate import annotate
from synthscope.cli.benchmark import benchmark_command, demo_command
from synthscope.cli.browse import browse_command
from synthscope.cli.calibrate import calibrate_command
from synthscope.cli.data import data
from synthscope.cli.detectors import detectors
from synthscope.cli.explain import explain_command
from synthscope.cli.export import export_command
from synthscope.cli.functions import name_functions
from synthscope.cli.inspect import inspect_command
from synthscope.cli.predict import predict_command
from synthscope.cli.recipes import recipes
from synthscope.cli.report import report_command
from synthscope.cli.score import score_command
from synthscope.cli.serve import serve_command
from synthscope.cli.train import train_command
from synthscope.cli.xaigd import xaigd_metrics
from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime.files import reason
from synthscope.runtime.signals import stoppable
from synthscope.runtime.told import named_warnings, printable

app = typer.Typer(
    help="Benchmark, train and explain detectors of AI-generated images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(data, name="data")
app.add_typer(analyze, name="analyze")
app.add_typer(annotate, name="annotate")
app.add_typer(detectors, name="detectors")
app.add_typer(recipes, name="recipes")
app.add_typer(xaigd_metrics, name="xaigd-metrics")
app.command("inspect")(inspect_command)
app.command("serve")(serve_command)
app.command("calibrate")(calibrate_command)
app.command("browse")(browse_command)
app.command("explain")(explain_command)
app.command("demo")(demo_command)
app.command("train")(train_command)
app.command("predict")(predict_command)
app.command("export")(export_command)
app.command("score")(score_command)
app.command("benchmark")(benchmark_command)
app.command("report")(report_command)
name_functions(app)


def main() -> None:
    """Entry point: errors a user can act on become one sentence and an exit code."""
    try:
        with stoppable(), named_warnings():
            app()
    except SynthscopeError as error:
        print(f"synthscope: {printable(error)}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        print(f"synthscope: {printable(_sentence(error))}", file=sys.stderr)
        sys.exit(1)


def _sentence(error: OSError) -> str:
    """Of what the system says about a file that nothing else has asked for in a sentence of its own."""
    return f"Expected to use {error.filename or 'a file'}, got: {reason(error).lower()}. Check it and its permissions."


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from synthscope import __version__

        print(__version__)
        raise typer.Exit
