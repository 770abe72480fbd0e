"""``synthscope score``: metrics with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Seed


def score_command(
    run: Annotated[Path, typer.Argument(help="Run folder that predict wrote.")],
    by: Annotated[str, typer.Option(help="Column that names the test sets: subset | generator | split.")] = "subset",
    metric: Annotated[str, typer.Option(help="Metric of the printed tables.")] = "accuracy",
    threshold: Annotated[float | None, typer.Option(help="On the logit; default: each detector's own.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    seed: Seed = 0,
    answers: Annotated[
        list[Path] | None, typer.Option(help="CSV of what people said: path or sha256, answer, confidence, annotator.")
    ] = None,
    compare: Annotated[tuple[str, str] | None, typer.Option(help="Two detectors: paired difference A - B.")] = None,
) -> None:
    """Metrics with intervals from predictions; prints the cross-generator and the degraded table."""
    from synthscope.runtime import tune_allocator
    from synthscope.scoring.answers import add_answers
    from synthscope.scoring.score import write_scores
    from synthscope.tables.printing import print_tables

    tune_allocator()
    if answers:
        add_answers(run, answers)
    pairs = [compare] if compare else None
    write_scores(run, by=by, threshold=threshold, n_resamples=resamples, seed=seed, compare=pairs, metric=metric)
    print_tables(run, metric=metric)
