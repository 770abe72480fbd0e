"""Twin worlds of the truth test: the same scenes, betrayed by artifacts alone or by the traces of decoders alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from synthscope.annotations import load_annotations
from synthscope.data.index import index
from synthscope.sandbox import build_sandbox
from synthscope.studies.truth.values import ARTIFACTS, FINGERPRINTS

CAUSES: dict[str, dict[str, Any]] = {
    ARTIFACTS: {"fingerprint": False, "artifacts": 1.0},
    FINGERPRINTS: {"fingerprint": True, "artifacts": False},
}


class World(NamedTuple):
    """One of two worlds of the same scenes."""

    images: pl.DataFrame  # columns of ``schema.MANIFEST`` and ``twin``, the name that a picture has in both worlds
    regions: pl.DataFrame  # artifacts of the world of artifacts, under this world's paths


def twin_worlds(
    folder: str | Path, *, size: int = 96, classes: int = 10, train: int = 600, test: int = 20, workers: int = 2
) -> dict[str, World]:
    """Build the world of artifacts and the world of fingerprints, or find them done.

    Args:
        folder: Gets a sandbox for each, aligned: one size, JPEG at quality 96 for both classes.
        size: Side of a picture in pixels.
        classes: Kinds of main objects.
        train: Generated pictures a generator to train on, with as many photographs.
        test: The same to test on.
        workers: Processes.
    """
    roots = {
        name: build_sandbox(
            Path(folder).absolute() / name, size=size, classes=classes, train=train, val=test, formats="aligned",
            layouts="genimage", workers=workers, **causes,
        ).genimage
        for name, causes in CAUSES.items()
    }  # fmt: skip
    twins = {name: pl.col("path").str.strip_prefix(f"{root.as_posix()}/") for name, root in roots.items()}
    marks = load_annotations(roots[ARTIFACTS] / "annotations.parquet").filter(pl.col("region").is_not_null())
    marks = marks.with_columns(twin=twins[ARTIFACTS]).drop("path", "generator")
    worlds = {}
    for name, root in roots.items():
        images = index(f"genimage:{root}", workers=1).with_columns(twin=twins[name])
        regions = images.select("path", "twin", "generator").join(marks, on="twin", maintain_order="left_right")
        worlds[name] = World(images, regions)
    return worlds
