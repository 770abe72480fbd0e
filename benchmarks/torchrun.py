"""How often a training under torchrun ends in anything but success: two processes, a few images, again and again.

Run: python benchmarks/torchrun.py [runs]. Prints a line for every run that failed, with the end of what it said.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from synthscope.runtime import Progress

RECIPE = {
    "name": "tiny",
    "detector": {"architecture": "cnn_small", "options": {"width": 4}, "input": {"crop": 32}},
    "data": {"holdout": 0.25},
    "augment": {"steps": [{"step": "random_crop"}]},
    "steps": 6,
    "batch_size": 8,
}
LONGEST = 300  # seconds of a run; one that takes longer hangs


def main(runs: int = 200) -> None:
    failed = 0
    with tempfile.TemporaryDirectory() as folder, Progress("runs", runs, "runs") as progress:
        write_images(Path(folder))
        for run in range(runs):
            if said := train(Path(folder), f"run{run}"):
                failed += 1
                print(f"run {run}: {said}", flush=True)
            progress.advance()
    print(f"{failed} of {runs} runs failed")


def write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("real", "ai"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(16):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / "images" / name / f"{number}.png"), pixels)
    (folder / "tiny.yaml").write_text(json.dumps(RECIPE))


def train(folder: Path, name: str) -> str:
    """What was wrong with a run; nothing if nothing was."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    source = f"imagefolder:{folder / 'images'}?ai=ai&real=real"
    command = [
        *launcher,
        "-m",
        "synthscope",
        "train",
        source,
        "-c",
        str(folder / "tiny.yaml"),
        "-o",
        str(folder / name),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return f"no end within {LONGEST} s"
    finished = done.returncode == 0 and (folder / name / "model.safetensors").is_file()
    return "" if finished else f"exit code {done.returncode}\n{done.stderr[-3000:]}"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
