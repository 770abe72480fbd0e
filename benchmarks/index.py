"""Speed and memory of indexing: 100,000 small files in the GenImage layout, against a plain Pillow loop.

``python benchmarks/index.py [files]``. Every figure comes from a process of its own; goals are 5,000 files a second
and core from the page cache, and memory that doesn't grow with the number of files.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from ratios import Ratio

GENERATORS = ("Midjourney", "sd14", "sd15", "ADM", "glide", "wukong", "VQDM", "BigGAN")
DISTINCT = 256


def build(root: Path, count: int) -> None:
    """``count`` files, hard links to a few hundred distinct JPEG and PNG files."""
    rng = np.random.default_rng(0)
    originals: dict[str, list[Path]] = {"png": [], "JPEG": []}
    for kind, files in originals.items():
        for i in range(DISTINCT // 2):
            path = root / "originals" / f"{i}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            width, height = rng.integers(48, 96, 2)
            noise = rng.integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(noise).save(path, quality=int(rng.integers(75, 97)))
            files.append(path)
    for i in range(count):
        generator, split = GENERATORS[i % 8], ("train", "val")[i // 8 % 2]
        if i // 16 % 2:
            path = root / "tree" / generator / split / "ai" / f"{i % 1000:03d}_{generator.lower()}_{i:05d}.png"
        else:
            path = root / "tree" / generator / split / "nature" / f"n01440764_{i}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        files = originals[path.suffix[1:]]
        os.link(files[i % len(files)], path)


def task(name: str, tree: Path, workers: int) -> None:
    """Run one task in this process and print "files wall-seconds cpu-seconds peak-MiB"."""
    start, cpu = time.perf_counter(), time.process_time()
    if name == "index":
        from synthscope.data.index import index_to

        start, cpu = time.perf_counter(), time.process_time()  # imports aside
        count = index_to(f"genimage:{tree}", tree.parent / "manifest.parquet", workers=workers).rows
    else:
        count = 0
        for path in tree.rglob("*"):
            if path.is_file():
                with Image.open(path) as image:
                    _ = (str(path), image.size, image.format, path.stat().st_size)
                count += 1
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(count, wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(name: str, tree: Path, workers: int) -> tuple[float, float, float]:
    """Files a second, files a second of the processor's time, peak MiB: the best of three fresh processes."""
    command = [sys.executable, __file__, "--task", name, str(tree), str(workers)]
    runs = []
    for _ in range(3):
        output = subprocess.run(command, check=True, capture_output=True).stdout
        count, wall, cpu, memory = map(float, output.split())
        runs.append((count / wall, count / cpu, memory))
    return max(runs)


def main(count: int) -> None:
    """Build both trees, measure, print."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small"), Path(folder, "large")
        build(small, count // 10)
        build(large, count)
        plain, plain_cpu, _ = measure("plain", large / "tree", 1)
        one, one_cpu, memory = measure("index", large / "tree", 1)
        every, _, _ = measure("index", large / "tree", cores)
        _, _, small_memory = measure("index", small / "tree", 1)
    print(f"{count} files                  wall        of processor time")
    print(f"plain rglob + Image.open    {plain:7.0f}/s   {plain_cpu:7.0f}/s")
    print(f"index, 1 process            {one:7.0f}/s   {one_cpu:7.0f}/s   {one_cpu / plain_cpu:.2f} x the plain loop")
    print(f"index, {cores} processes          {every:7.0f}/s   {every / cores:.0f}/s a core")
    growth = memory / small_memory
    print(Ratio("data index, one process", one_cpu / plain_cpu, "a plain rglob and Image.open loop"))
    print(Ratio("data index, memory for a tenth of the files", 1 / growth, "memory for all"))
    print(f"peak memory {small_memory:.0f} MiB at {count // 10} files, {memory:.0f} at {count} ({growth:.2f} x)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        task(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 100_000)
