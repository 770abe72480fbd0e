"""Images per second of `predict` (clean + the six GenImage degradations, ResNet-50 at 224) beside a plain loop.

The plain loop reads and decodes every image again for every condition and scores batches of 64, eager float32, with
the same threads. The floor is the forward passes alone. Run: python benchmarks/predict.py [images] [folder]
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import torch

from synthscope.data.degrade.recipe import Recipe, expand, parse_recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.inference.engines.local import forward
from synthscope.inference.plan import make_plan
from synthscope.inference.predict import predict

IMAGES = Path(__file__).resolve().parents[2] / "shared" / "images"
SUFFIXES = {".png", ".jpg", ".jpeg"}
BATCH = 64


def main(count: int = 64, folder: Path = IMAGES) -> None:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        sys.exit(f"Expected images under {folder}, got none. Name a folder of images as the second argument.")
    files = files[:: max(1, len(files) // count)][:count]
    conditions = [parse_recipe(text) for text in expand(["none", "genimage"])]
    warm_up = [files[0]] * 2

    plain_loop(resnet50(), warm_up, conditions)
    start = time.perf_counter()
    plain = plain_loop(resnet50(), files, conditions)
    seconds = {"plain loop": time.perf_counter() - start}

    with tempfile.TemporaryDirectory() as out:
        run(warm_up, conditions, Path(out) / "warm")
        start = time.perf_counter()
        table = run(files, conditions, Path(out) / "run")
        seconds["predict"] = time.perf_counter() - start
    logits = table["logit"].to_numpy().reshape(len(files), len(conditions))

    seconds["forward alone"] = floor(files, conditions)
    for name, taken in seconds.items():
        print(f"{name:>14}: {len(files) / taken:6.2f} images/s, {logits.size / taken:6.1f} scorings/s")
    print(f"predict is {seconds['plain loop'] / seconds['predict']:.2f} x the plain loop", end=", ")
    print(f"and takes {seconds['predict'] / seconds['forward alone']:.2f} x the forward passes alone")
    print(f"max |difference of logits| {np.abs(logits - plain).max():.1e}, {torch.get_num_threads()} threads")


def resnet50() -> Detector:
    return create_detector("resnet50", seed=0)


def plain_loop(detector: Detector, files: list[Path], conditions: list[Recipe]) -> np.ndarray:
    """Logits (images, conditions)."""
    columns = []
    for recipe in conditions:
        column = []
        for first in range(0, len(files), BATCH):
            inputs = []
            for path in files[first : first + BATCH]:
                data, sha256 = read_file(path)
                inputs.append(detector.preprocess(recipe.apply(read_rgb(data), key=sha256)))
            with torch.no_grad():
                column.append(detector.eval()(torch.stack(inputs)))
        columns.append(torch.cat(column).numpy())
    return np.stack(columns, axis=1)


def run(files: list[Path], conditions: list[Recipe], out: Path) -> pl.DataFrame:
    manifest = pl.DataFrame({"path": [str(path) for path in files]})
    return predict(manifest, [resnet50()], out=out, conditions=[str(recipe) for recipe in conditions])


def floor(files: list[Path], conditions: list[Recipe]) -> float:
    """Seconds of the forward passes that `predict` needs for all inputs, scheduled as it does."""
    plan, _ = make_plan(
        [resnet50()],
        ["none"],
        images=len(files) * len(conditions),
        precision="fp32",
        batch_size=None,
        workers=None,
        seed=0,
    )
    size = plan.detectors[0].config.input.crop or 224
    inputs = list(torch.randint(0, 256, (plan.batch_size, 3, size, size), dtype=torch.uint8))
    batches = -(-len(files) * len(conditions) // plan.batch_size)
    with ThreadPoolExecutor(plan.workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(lambda _: forward(0, inputs, plan), range(plan.workers)))
        start = time.perf_counter()
        list(pool.map(lambda _: forward(0, inputs, plan), range(batches)))
        return time.perf_counter() - start


if __name__ == "__main__":
    main(*[kind(text) for kind, text in zip((int, Path), sys.argv[1:], strict=False)])
