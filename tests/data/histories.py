"""Pictures without a history, and manifests of them with one."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from PIL import Image

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.index import index
from synthscope.data.manifest import with_view

Change = Callable[[np.ndarray], np.ndarray]


def picture(seed: int, side: int = 176) -> np.ndarray:
    """uint8 ``(side, side, 3)``: clouds of several sizes, shapes, and grain; every picture in other parts."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), rng.uniform(60, 190, 3))
    for cells in (3, 10, 30, 90):
        cloud = cv2.resize(rng.standard_normal((cells, cells, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
        image += cv2.GaussianBlur(cloud, (0, 0), 1) * rng.uniform(2, 22)  # blurred, or its cells would be a history
    for _ in range(rng.integers(2, 9)):
        x, y, radius = (int(value) for value in rng.integers(0, side, 3))
        shape = np.zeros((side, side))
        cv2.ellipse(shape, (x, y), (radius // 3 + 3, radius // 5 + 3), rng.uniform(0, 180), 0, 360, 1, -1, cv2.LINE_AA)
        shape = cv2.GaussianBlur(shape, (0, 0), 0.8)[..., None] * rng.uniform(0.3, 1)
        image = image * (1 - shape) + shape * rng.uniform(20, 235, 3)
    image += rng.standard_normal(image.shape) * rng.uniform(0.5, 4)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def jpeg(quality: int) -> Change:
    return lambda rgb: parse_recipe(f"jpeg:q={quality}").apply(rgb, key="")


def enlarge(rgb: np.ndarray) -> np.ndarray:
    return cv2.resize(rgb, None, fx=1.3, fy=1.3, interpolation=cv2.INTER_LINEAR)


def tree(folder: Path, files: dict[str, bytes]) -> pl.DataFrame:
    """A GenImage folder of these files, such as ``one/val/ai/1.png``, indexed."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return index(f"genimage:{folder}")


def stored(rgb: np.ndarray, container: str = "PNG", **options: object) -> bytes:
    """The bytes of a file."""
    file = BytesIO()
    Image.fromarray(rgb).save(file, container, **options)
    return file.getvalue()


def world(
    folder: Path, real: Change, ai: Change, *, pictures: list[np.ndarray], view: str = "none", suffix: str = "png"
) -> pl.DataFrame:
    """Every second picture is real, the others AI; stored without loss."""
    for i, rgb in enumerate(pictures):
        path = folder / "one/val" / ("ai" if i % 2 else "nature") / f"{i:04}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((ai if i % 2 else real)(rgb)).save(path)
    return with_view(index(f"genimage:{folder}"), view)
