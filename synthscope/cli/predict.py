"""``synthscope predict``: logits of images under degradations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import (
    Address,
    Engine,
    Images,
    Out,
    Remote,
    Seed,
    Views,
    Where,
    Workers,
    at_least,
    exit_with_unreadable,
    load,
)
from synthscope.errors import UsageError


def predict_command(
    source: Images,
    detector: Annotated[list[str], typer.Option("-d", "--detector", help="Detector folder, local-dir: or hf-hub:.")],
    out: Out,
    degrade: Annotated[list[str] | None, typer.Option(help='none, genimage, social, "jpeg:q=65|lr:112" …')] = None,
    precision: Annotated[str, typer.Option(help="fp32 | bf16 | fp16 | int8 (onnx, openvino)")] = "fp32",
    backend: Annotated[
        str, typer.Option(help="eager (exact) | openvino | onnx | compile | auto (the fastest; says why).")
    ] = "eager",
    batch_size: Annotated[int | None, typer.Option(callback=at_least(1), help="Images per forward pass.")] = None,
    workers: Workers = None,
    seed: Seed = 0,
    shard: Annotated[str | None, typer.Option(help="i/n: do one of n parts; the parts merge in one folder.")] = None,
    crops: Annotated[
        str,
        typer.Option(
            help="1 | 5 (corners, centre) | 10 (and mirrored) | grid (side by side); for detectors of native crops."
        ),
    ] = "1",
    csv: Annotated[Path | None, typer.Option(help="Also write the answers of this call as a .csv file.")] = None,
    pool: Annotated[str, typer.Option(help="Logit of several crops: mean | max.")] = "mean",
    view: Views = None,
    where: Where = None,
    engine: Engine = "local",
    address: Address = None,
    remote: Remote = False,
) -> None:
    """Score images with detectors under degradations; each image is decoded once. Resumable; a second call adds."""
    import polars as pl

    from synthscope.data.manifest import errors_of, save_manifest, with_earlier
    from synthscope.inference.predict import parse_shard, predict_run
    from synthscope.schema import write_csv
    from synthscope.tables.answers import answers

    part = parse_shard(shard)
    if csv is not None and csv.suffix != ".csv":
        raise UsageError(f"Expected a .csv file after --csv, got {csv}. Change the ending.")
    manifest = load(source, where, view, unlabelled=True)
    images = with_earlier(manifest, out / "manifest.parquet")
    run = predict_run(
        manifest, list(detector), out=out, conditions=degrade or ["none"], precision=precision,
        batch_size=batch_size, workers=workers, seed=seed, shard=part, crops=crops, pool=pool, backend=backend,
        engine=engine, address=address,
    )  # fmt: skip
    save_manifest(images, out / "manifest.parquet")
    if csv is not None:
        write_csv(map(answers, run.slices()), csv)
    print(out / "predictions.parquet" if (out / "predictions.parquet").is_file() else out / "parts")
    if (failed := run.failures.nonzero()[0]).size:
        exit_with_unreadable(pl.concat(map(errors_of, run.slices(failed))))
