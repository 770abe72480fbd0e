"""``synthscope calibrate``: reference photographs of a detector, which inspections compare images with."""

from __future__ import annotations

from typing import Annotated

import typer

from synthscope.cli.arguments import Images, Out, Remote, Seed, Where, Workers, exit_with_unreadable, load


def calibrate_command(
    detector: Annotated[str, typer.Argument(help="Detector folder, local-dir: or hf-hub:.")],
    photographs: Images,
    out: Out,
    ai: Annotated[
        list[str] | None, typer.Option(help="AI images, for miss rates: a file, folder or manifest; may be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the reference set; the detector's if absent.")] = None,
    view: Annotated[str, typer.Option(help="Recipe that images are seen through, now and in inspections.")] = "none",
    where: Where = None,
    workers: Workers = None,
    seed: Seed = 0,
    remote: Remote = False,
) -> None:
    """Score photographs that the detector was not trained on, and store the logits beside its weights. Resumable."""
    from synthscope.inspection.calibrate import calibrate
    from synthscope.inspection.levels import levels_text

    real = load(photographs, where, None, unlabelled=True)
    generated = load(ai, where, None, unlabelled=True) if ai else None
    reference = calibrate(detector, real, generated, out=out, name=name, view=view, workers=workers, seed=seed)
    print(out / "reference.json")
    print(levels_text(reference))
    exit_with_unreadable(real if generated is None else real.vstack(generated))
