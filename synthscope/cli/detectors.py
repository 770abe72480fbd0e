"""``synthscope detectors``: what can be trained or loaded."""

from __future__ import annotations

from typing import Annotated

import typer

detectors = typer.Typer(help="The detectors that can be trained or loaded.", no_args_is_help=True)


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
