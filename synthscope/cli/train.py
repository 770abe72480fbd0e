"""``synthscope train``: one detector from one recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Overrides, Remote, Source, View, Where, load


def train_command(
    source: Source,
    config: Annotated[str, typer.Option("-c", "--config", help="Name of a recipe, or a .yaml file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Detector folder to write.")],
    annotations: Annotated[str | None, typer.Option(help="Artifact regions, for artifact_vit's recipes.")] = None,
    overrides: Overrides = None,
    view: View = None,
    where: Where = None,
    remote: Remote = False,
) -> None:
    """Train one detector. Run again after an interruption to go on; start with torchrun for several GPUs."""
    from synthscope.config import load_recipe
    from synthscope.training.fit import TrainConfig, train

    given = [*(overrides or []), *([f"annotations={annotations}"] if annotations else [])]
    recipe = load_recipe(TrainConfig, config, package="synthscope.training", overrides=given)
    folder = train(recipe, load(source, where, view, by="split", unlabelled=True), out)
    if os.environ.get("RANK", "0") == "0":  # one of several processes under torchrun speaks
        print(folder)
