"""``synthscope xaigd-metrics``: the official X-AIGD evaluators, number for number."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthscope.cli.arguments import Workers

if TYPE_CHECKING:
    from synthscope.scoring.xaigd.official import ParityScores

xaigd_metrics = typer.Typer(help="The official X-AIGD evaluators, number for number.", no_args_is_help=True)

Data = Annotated[list[Path], typer.Option("--data", help="X-AIGD Parquet file or folder, or an annotation table.")]
Split = Annotated[str | None, typer.Option("--split", help="Of a folder: read SPLIT-*.parquet alone.")]
Overall = Annotated[Path, typer.Option("--output-overall", help="CSV over all generators.")]
PerGenerator = Annotated[Path | None, typer.Option("--output-per-generator", help="CSV by generator.")]
Unknown = Annotated[str, typer.Option(help="Predictions for images outside of the data: error | ignore.")]


@xaigd_metrics.command("pixel")
def pixel_command(
    data: Data,
    task: Annotated[str, typer.Option(help="category-agnostic | fine-grained")],
    prediction_root: Annotated[Path, typer.Option(help="Holds generator/uid/*.png, or generator/category/uid/*.png.")],
    output_overall: Overall,
    output_per_generator: PerGenerator = None,
    resize_size: Annotated[tuple[int, int] | None, typer.Option(metavar="W H", help="Resize annotations.")] = None,
    resize_short_side: Annotated[int | None, typer.Option(help="Resize their short side, keep the shape.")] = None,
    center_crop: Annotated[tuple[int, int] | None, typer.Option(metavar="W H", help="Crop, after resizing.")] = None,
    prediction_threshold: Annotated[int, typer.Option(help="A pixel above this grey value is predicted.")] = 127,
    unknown: Unknown = "error",
    split: Split = None,
    workers: Workers = None,
) -> None:
    """IoU, PixP, PixR and PixF1 of predicted masks; predictions are already in the resized and cropped frame."""
    from synthscope.metrics.xaigd import Frame
    from synthscope.scoring.xaigd.official import score_pixels
    from synthscope.scoring.xaigd.records import read_images

    frame = Frame(resize_size, resize_short_side, center_crop)
    scores = score_pixels(
        read_images(data, split=split), prediction_root, task=task, frame=frame,
        prediction_threshold=prediction_threshold, unknown=unknown, workers=workers,
    )  # fmt: skip
    _write(scores, output_overall, output_per_generator)


@xaigd_metrics.command("instance")
def instance_command(
    data: Data,
    prediction_csv: Annotated[Path, typer.Option(help="generator,uid,category,x_min,y_min,x_max,y_max")],
    output_overall: Overall,
    output_per_generator: PerGenerator = None,
    overlap_threshold: Annotated[float, typer.Option(help="Part of a box that one artifact must exceed.")] = 0.5,
    unknown: Unknown = "error",
    split: Split = None,
    workers: Workers = None,
) -> None:
    """Precision, recall and F1 of predicted boxes, by category."""
    from synthscope.scoring.xaigd.official import score_instances
    from synthscope.scoring.xaigd.records import read_images

    scores = score_instances(
        read_images(data, split=split), prediction_csv, overlap_threshold=overlap_threshold, unknown=unknown,
        workers=workers,
    )  # fmt: skip
    _write(scores, output_overall, output_per_generator)


def _write(scores: ParityScores, overall: Path, per_generator: Path | None) -> None:
    import polars as pl

    from synthscope.scoring.xaigd.official import write_rows
    from synthscope.tables.render import plain_text

    write_rows(scores.overall, overall)
    if per_generator:
        write_rows(scores.per_generator, per_generator)
    if scores.ignored:
        print(f"ignored, for images outside of the data: {scores.ignored} predictions", file=sys.stderr)
    print(plain_text(pl.DataFrame(scores.overall).with_columns(pl.selectors.float().round(4))))
