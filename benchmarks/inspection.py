"""What an inspection costs, as ratios to the detector's forward pass, and a run's own figures.

    python benchmarks/inspection.py [DETECTOR]

One photograph of scikit-learn, enlarged to 12 megapixels, and a folder of its crops of 1,024 pixels; each line is
measured in this run. ``web`` needs the extra of that name.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from ratios import Ratio
from sklearn.datasets import load_sample_images

from synthscope.inspection.calibrated import Calibrated, load_calibrated
from synthscope.inspection.examine import examine
from synthscope.inspection.inspect import Settings, inspect_image
from synthscope.inspection.run import inspect_files

FOLDER, PORT = 200, 8799


def best(work: Callable[[], object], times: int = 3) -> float:
    """The least seconds of several runs, the first of which only warms up."""
    work()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def write_images(folder: Path) -> tuple[Path, list[Path]]:
    """The large photograph, and crops of it."""
    photo = Image.fromarray(load_sample_images().images[0]).resize((4000, 3000), Image.Resampling.LANCZOS)
    large = folder / "large.jpg"
    photo.save(large, quality=92)
    rng, crops = np.random.default_rng(0), []
    for number in range(FOLDER):
        left, top = int(rng.integers(0, 2976)), int(rng.integers(0, 1976))
        crops.append(folder / f"{number:04d}.jpg")
        photo.crop((left, top, left + 1024, top + 1024)).save(crops[-1], quality=92)
    return large, crops


def ready_after() -> float | None:
    """Seconds from the start of a server to its page; None where it does not start."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "synthscope", "serve", "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while server.poll() is None and time.perf_counter() - start < 60:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=1):
                        return time.perf_counter() - start
                except OSError:
                    time.sleep(0.02)
            return None
        finally:
            server.terminate()


def main() -> None:
    """Measure and print."""
    asked: Calibrated = load_calibrated(sys.argv[1] if len(sys.argv) > 1 else "bundled")
    quick, full = Settings(stability=False, explainers=(), provenance=False), Settings()
    with tempfile.TemporaryDirectory() as temporary:
        large, crops = write_images(Path(temporary))
        data = large.read_bytes()
        input = asked.detector.preprocess(np.asarray(Image.open(large)))[None]
        with torch.inference_mode():
            forward = best(lambda: asked.detector(input))
        parts = {
            "score of 12 megapixels alone": best(
                lambda: inspect_image(examine(data, "a", provenance=False), [asked], quick)
            ),
            "the same with stability, heatmap and provenance": best(
                lambda: inspect_image(examine(data, "a"), [asked], full)
            ),
            "decoding, scope and provenance of it": best(lambda: examine(data, "a")),
        }
        start = time.perf_counter()
        count = len(list(inspect_files(crops, [asked], quick, out=Path(temporary) / "out")))
        folder = time.perf_counter() - start
    print(f"{asked.id}, {torch.get_num_threads()} threads; forward pass of one input {1000 * forward:.1f} ms")
    for name, seconds in parts.items():
        print(f"{name}: {seconds:.2f} s, {seconds / forward:.1f} x the forward pass")
        print(Ratio(f"inspect, {name}", forward / seconds, "the forward pass"))
    print(f"{count} JPEG files of 1,024 pixels, score only: {count / folder:.1f} files/s")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    seconds = ready_after()
    print("page: the server did not start" if seconds is None else f"page ready {seconds:.2f} s after a cold start")


if __name__ == "__main__":
    main()
