"""``synthscope explain``: heatmaps of detectors, and how well they find annotated artifacts."""

from __future__ import annotations

from typing import Annotated

import typer

from synthscope.cli.arguments import (
    Address,
    Engine,
    Images,
    Out,
    Remote,
    Seed,
    View,
    Where,
    Workers,
    at_least,
    exit_with_unreadable,
    load,
)
from synthscope.explainers import EXPLAINERS


def explain_command(
    source: Images,
    detector: Annotated[list[str], typer.Option("-d", "--detector", help="Detector folder, local-dir: or hf-hub:.")],
    explainer: Annotated[
        list[str],
        typer.Option(
            "-e",
            "--explainer",
            help=f"{' | '.join(EXPLAINERS.registered)}, with options as in gradcam:layer=net.layer3",
        ),
    ],
    out: Out,
    degrade: Annotated[list[str] | None, typer.Option(help='none, genimage, social, "jpeg:q=65|lr:112" …')] = None,
    annotations: Annotated[str | None, typer.Option(help="Annotations: a .parquet table, or FORMAT:PATH.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(callback=at_least(1), help="Images that an explainer gets at once.")
    ] = None,
    workers: Workers = None,
    seed: Seed = 0,
    view: View = None,
    where: Where = None,
    engine: Engine = "local",
    address: Address = None,
    remote: Remote = False,
) -> None:
    """Heatmaps of images, scored against annotations and across degradations. Resumable."""
    from synthscope.annotations import load_annotations, save_annotations
    from synthscope.data.degrade.recipe import expand
    from synthscope.inference.heatmaps.explain import explain
    from synthscope.scoring.heatmaps.score import write_heatmap_scores
    from synthscope.scoring.heatmaps.summary import headline
    from synthscope.scoring.heatmaps.values import check_conditions
    from synthscope.tables.render import plain_text

    conditions = expand(degrade or ["none"])
    scored = annotations is not None or len(conditions) > 1
    if scored:
        check_conditions(conditions)
    regions = load_annotations(annotations) if annotations else None
    images = load(source, where, view, unlabelled=True)
    if regions is not None:
        save_annotations(regions, out / "annotations.parquet")
    table = explain(
        images, list(detector), list(explainer), out=out, conditions=conditions, batch_size=batch_size,
        workers=workers, seed=seed, engine=engine, address=address,
    )  # fmt: skip
    print(out / "explanations.parquet")
    if scored:
        scores = write_heatmap_scores(out, regions, workers=workers, seed=seed)
        print(out / "explanation_scores.parquet")
        print(plain_text(headline(scores)))
    exit_with_unreadable(table)
