"""Price of heatmaps in plain forward passes without gradients; only the ratios mean something.

    python benchmarks/explain.py [--detector resnet50] [--batch 8] [--repeats 5] [--images 64] [--masks 16]

On one thread, forward passes and explainers alternating, medians compared: Grad-CAM with its logit, three CAMs from
one pass against one, occlusion and RISE against so many passes over as many inputs. Then, with all cores, a whole
``explain`` of so many images of noise by six explainers, against the passes that these make, run as ``predict`` runs
them; and the bytes of a heatmap on disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
import torch
from joblib import cpu_count
from PIL import Image
from ratios import Ratio

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.explainers.base import create_explainer, together
from synthscope.explainers.occlusion import at_once
from synthscope.inference.engines.local import threads
from synthscope.inference.heatmaps.explain import explain
from synthscope.inference.heatmaps.store import read_index
from synthscope.runtime import tune_allocator
from synthscope.schema import MANIFEST, conform

CAMS = ("gradcam", "gradcam++", "layercam")
WINDOW, STRIDE = 96, 64
OCCLUSION = f"occlusion:window={WINDOW},stride={STRIDE}"


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio(a: Callable[[], object], b: Callable[[], object], repeats: int) -> float:
    """Median time of ``a`` over that of ``b``, in turns after one call of each."""
    a(), b()
    times = [(seconds(a), seconds(b)) for _ in range(repeats)]
    return median(one / other for one, other in times)


def passes(detector: Detector, images: torch.Tensor, inputs: int) -> Callable[[], None]:
    """So many inputs through the detector, in batches as occlusion and RISE make them."""

    def run() -> None:
        size = at_once(images) * len(images)
        copies = images.float().repeat(-(-size // len(images)), 1, 1, 1)[:size]
        with torch.inference_mode():
            for first in range(0, inputs, size):
                detector(copies[: min(size, inputs - first)])

    return run


def squares(side: int) -> int:
    """How many squares of ``OCCLUSION`` cover an input."""
    return (len(range(0, max(side - WINDOW, 0), STRIDE)) + 1) ** 2


def on_one_thread(detector: Detector, images: torch.Tensor, masks: int, repeats: int) -> None:
    """Ratios of single explainers and of several together."""

    def by(*names: str) -> Callable[[], object]:
        explainers = [create_explainer(name) for name in names]
        return lambda: together(detector, images, explainers)

    def plain() -> None:
        with torch.inference_mode():
            detector(images)

    count = len(images)
    covered = squares(images.shape[-1])
    for name, against, a, b in (
        ("gradcam and logit", "a forward pass", by("gradcam"), plain),
        ("three CAMs and logit", "a forward pass", by(*CAMS), plain),
        ("three CAMs together", "one CAM", by(*CAMS), by(CAMS[0])),
        ("input_x_grad and gradcam", "a forward pass", by("input_x_grad", "gradcam"), plain),
        (OCCLUSION, f"{covered + 1} passes", by(OCCLUSION), passes(detector, images, count * (covered + 1))),
        (
            f"rise of {masks} masks",
            "as many passes",
            by(f"rise:masks={masks}"),
            passes(detector, images, count * masks),
        ),
    ):
        print(Ratio(f"explain, {name}", 1 / ratio(a, b, repeats), against))


def whole(detector: Detector, count: int, masks: int, batch: int, out: Path) -> None:
    """A whole run against the passes it needs on all cores, each batch on one thread, and the bytes of its heatmaps."""
    side, rng = detector.config.input.side or 224, np.random.default_rng(0)
    files = [out / f"{number}.jpg" for number in range(count)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (375, 500, 3), dtype=np.uint8)).save(file)
    manifest = conform(pl.DataFrame({"path": [str(file) for file in files]}), MANIFEST, "the manifest")
    rise = f"rise:masks={masks}"
    explainers = [*CAMS, "input_x_grad", OCCLUSION, rise]
    explain(manifest.head(2), [detector], CAMS[:1], out=out / "warm")
    start = time.perf_counter()
    explain(manifest, [detector], explainers, out=out / "run", batch_size=batch)
    taken = time.perf_counter() - start
    covered = squares(side)
    inputs = 3 + covered + masks  # a pass backwards costs two
    images = torch.zeros(batch, 3, side, side, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    with threads(cpu_count()) as pool:
        run = passes(detector, images, batch * inputs)
        floor = seconds(lambda: list(pool.map(lambda _: run(), range(count // batch))))
    print(
        Ratio(f"explain, whole, {count} images by {len(explainers)} explainers", floor / taken, f"{inputs} passes each")
    )
    told(out / "run")


def told(run: Path) -> None:
    """Bytes of a heatmap in the run's files, mean and most of each explainer, and of everything on disk."""
    folder = run / "heatmaps"
    index = read_index(folder)
    sizes: defaultdict[str, list[int]] = defaultdict(list)
    for part in index["part"].unique():
        with zipfile.ZipFile(folder / f"{part}.npz") as arrays:
            members = arrays.infolist()
        for explainer, position in index.filter(part=part).select("explainer", "position").rows():
            own = [each for each in members if each.filename.startswith(f"{position}.")]
            sizes[explainer].append(sum(each.compress_size for each in own))
    for explainer, found in sizes.items():
        print(f"  {explainer}: {sum(found) / len(found):.0f} bytes a heatmap, {max(found)} at most")
    total = sum(file.stat().st_size for file in folder.iterdir())
    print(f"  files and index, of all together: {total / index.height:.0f} bytes a heatmap")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="resnet50")
    for name, default in {"batch": 8, "repeats": 5, "images": 64, "masks": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    tune_allocator()
    detector = create_detector(options.detector).eval().to(memory_format=torch.channels_last)
    side, cores = detector.config.input.side or 224, torch.get_num_threads()
    images = torch.randint(0, 256, (options.batch, 3, side, side), dtype=torch.uint8)
    torch.set_num_threads(1)
    on_one_thread(detector, images.contiguous(memory_format=torch.channels_last), options.masks, options.repeats)
    torch.set_num_threads(cores)
    with tempfile.TemporaryDirectory() as out:
        whole(detector, options.images, options.masks, options.batch, Path(out))


if __name__ == "__main__":
    main()
