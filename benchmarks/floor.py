"""`predict` beside what its parts cost at their best, and beside the field's habit, in one run.

    python benchmarks/floor.py [--backend eager] [--images 16] [--detector NAME …] [--precision fp32 …] [--folder DIR]

The floor counts core-seconds: every image read and decoded once, every condition (clean and GenImage's six) degraded
and transformed once, every input scored once, with all cores busy at one of the three at a time and one thread a task.
It is measured before and after `predict`, whose seconds are those of its run.json: scoring, without loading detectors.
The habit is a loop over conditions that reads and decodes again, and scores batches of 64 in eager float32 with the
threads torch takes. Images are made from a seed, 500 x 375 JPEG and 1,024 px PNG, or taken from a folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from ratios import Ratio
from torch import Tensor

from synthscope.data.degrade.recipe import Recipe, expand, parse_recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.inference.backends import PRECISIONS
from synthscope.inference.backends.choose import load_models
from synthscope.inference.crops import Crops
from synthscope.inference.engines.local import threads
from synthscope.inference.predict import predict
from synthscope.runtime import tune_allocator

DETECTORS = ("resnet50", "deit_s", "swin_t", "cnnspot", "npr", "bundled")
KINDS = {"500x375 jpeg": (375, 500, "jpg", {"quality": 92}), "1024x1024 png": (1024, 1024, "png", {})}
CONDITIONS = [parse_recipe(text) for text in expand(["none", "genimage"])]
HABIT, BATCH = 64, 8
HEAD = ("images", "detector", "precision", "decode", "degrade", "forward", "floor", "predict", "of floor", "x habit")
ROW = "{:14} {:10} {:9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="eager", help="of predict and of the floor")
    parser.add_argument("--images", type=int, default=16, help="of each kind, or of the folder")
    parser.add_argument("--detector", action="append")
    parser.add_argument("--precision", action="append", choices=PRECISIONS)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    workers = torch.get_num_threads()
    print(f"core-milliseconds an image, {len(CONDITIONS)} conditions, {workers} cores, backend {options.backend}")
    print(ROW.format(*HEAD))
    with tempfile.TemporaryDirectory() as folder:
        sets = image_sets(Path(folder), options.images, options.folder)
        for name in options.detector or DETECTORS:
            detector = named(name).eval()
            for kind, files in sets.items():
                habit(detector, files[:1], CONDITIONS[:1])
                start = time.perf_counter()
                expected = habit(detector, files, CONDITIONS)
                loop = (time.perf_counter() - start) * workers
                for precision in options.precision or ("fp32", "bf16"):
                    parts, seconds, logits = measured(detector, files, options.backend, precision, workers)
                    whole = seconds * workers
                    costs = [f"{1e3 * cost / len(files):.1f}" for cost in (*parts, sum(parts), whole)]
                    ratios = f"{sum(parts) / whole:.0%}", f"{loop / whole:.2f}"
                    drift = f"  max |logit - habit's| {np.abs(logits - expected).max():.0e}"
                    print(ROW.format(kind, name, precision, *costs, *ratios) + drift, flush=True)
                    what = f"predict, {name}, {precision} {options.backend}, {kind}"
                    print(Ratio(what, sum(parts) / whole, "its floor"))
                    print(Ratio(what, loop / whole, "a loop that decodes again"), flush=True)


def named(name: str) -> Detector:
    """Weights cost no time: those of a seed, but for the detector that ships."""
    return load_detector(name) if name == "bundled" else create_detector(name, seed=0)


def measured(
    detector: Detector, files: Sequence[Path], backend: str, precision: str, workers: int
) -> tuple[list[float], float, np.ndarray]:
    """Core-seconds of the parts; of predict the wall seconds and the logits, (images, conditions)."""
    tune_allocator()
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = load_models({"it": detector}, backend, precision, batch_size=BATCH, workers=workers)[0].model
    table = pl.DataFrame({"path": [str(file) for file in files]})
    names = [str(condition) for condition in CONDITIONS]
    before = floor(detector, files, model, workers)
    with tempfile.TemporaryDirectory() as out:
        rows = predict(table, [detector], out=out, conditions=names, precision=precision, backend=backend)
        seconds = json.loads((Path(out) / "run.json").read_text())["seconds"]
    after = floor(detector, files, model, workers)
    logits = rows["logit"].to_numpy().reshape(len(files), -1)
    return [(a + b) / 2 for a, b in zip(before, after, strict=True)], seconds, logits


def floor(
    detector: Detector, files: Sequence[Path], model: Callable[[Tensor], Tensor], workers: int
) -> tuple[float, float, float]:
    """Core-seconds of decoding, of degrading and transforming, and of forward passes."""
    with threads(workers) as pool:
        decode, images = timed(pool, lambda file: read_rgb(read_file(file)[0]), files)
        degrade, inputs = timed(pool, lambda rgb: inputs_of(detector, rgb), images)
        flat = [input for some in inputs for input in some]
        batches = [torch.stack(flat[at : at + BATCH]) for at in range(0, len(flat), BATCH)]
        batches = [batch.contiguous(memory_format=torch.channels_last) for batch in batches]
        list(pool.map(model, batches[:1] * workers))
        forward, _ = timed(pool, model, batches)
    return decode * workers, degrade * workers, forward * workers


def timed(pool: Executor, work: Callable[[Any], Any], items: Iterable[Any]) -> tuple[float, list[Any]]:
    """Wall seconds, and what came out."""
    start = time.perf_counter()
    found = list(pool.map(work, items))
    return time.perf_counter() - start, found


def inputs_of(detector: Detector, rgb: np.ndarray) -> list[Tensor]:
    """One input a condition."""
    seen = Crops().window(detector, *rgb.shape[:2])
    windows = [seen if condition.local else None for condition in CONDITIONS]
    images = [c.apply(rgb, key="floor", window=window) for c, window in zip(CONDITIONS, windows, strict=True)]
    return [detector.preprocess(image) for image in images]


def habit(detector: Detector, files: Sequence[Path], conditions: Sequence[Recipe]) -> np.ndarray:
    """Logits (images, conditions) of a loop that reads and decodes every image again for every condition."""
    columns = []
    for recipe in conditions:
        column = []
        for first in range(0, len(files), HABIT):
            inputs = []
            for path in files[first : first + HABIT]:
                data, sha256 = read_file(path)
                inputs.append(detector.preprocess(recipe.apply(read_rgb(data), key=sha256)))
            with torch.no_grad():
                column.append(detector(torch.stack(inputs)))
        columns.append(torch.cat(column).numpy())
    return np.stack(columns, axis=1)


def image_sets(folder: Path, count: int, given: Path | None) -> dict[str, list[Path]]:
    """Files of each kind: made, or the first ``count`` of a folder."""
    if given is not None:
        found = sorted(path for path in given.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg"})
        if not found:
            raise SystemExit(f"Expected images under {given}, got none. Name another folder.")
        return {given.name[:14]: found[:: max(1, len(found) // count)][:count]}
    sets: dict[str, list[Path]] = {}
    for kind, (height, width, suffix, options) in KINDS.items():
        for number in range(count):
            file = folder / f"{number}.{suffix}"
            Image.fromarray(picture(height, width, np.random.default_rng(number))).save(file, **options)
            sets.setdefault(kind, []).append(file)
    return sets


def picture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 ``(H, W, 3)`` with the statistics of photographs that decide costs: 1/f amplitudes, edges, sensor noise."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = 1
    shared, *own = (rng.standard_normal((2, *frequency.shape)) for _ in range(4))
    layers = [np.fft.irfft2((s[0] + 1j * s[1]) / frequency, s=(height, width)) for s in (shared + 0.3 * o for o in own)]
    rgb = 120 + 45 * np.stack([layer / layer.std() for layer in layers], axis=-1)
    rows, columns = np.mgrid[:height, :width]
    for _ in range(12):
        y, x, a, b = rng.uniform([0, 0, 0.05, 0.05], [1, 1, 0.3, 0.3]) * [height, width, height, width]
        rgb[((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1] += rng.normal(0, 40, 3)
    return np.clip(rgb + rng.normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
