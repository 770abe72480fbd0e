"""Price of explainers in plain forward passes without gradients, on one thread; only the ratios mean something.

    python benchmarks/explain.py [--detector resnet50] [--batch 4] [--repeats 5] [-e gradcam -e grad_rollout …]

Forward passes and explainers alternate, and the medians are compared. Grad-CAM should cost at most 1.2: its graph
starts at the last maps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from synthscope.detectors.hub import create_detector
from synthscope.explainers.base import create_explainer
from synthscope.runtime import tune_allocator


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="resnet50")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-e", "--explainer", action="append")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tune_allocator()
    detector = create_detector(options.detector).eval()
    side = detector.config.input.side or 224
    images = torch.randint(0, 256, (options.batch, 3, side, side), dtype=torch.uint8)
    explainers = [create_explainer(text) for text in options.explainer or ["gradcam", "layercam", "input_x_grad"]]

    def forward() -> torch.Tensor:
        with torch.inference_mode():
            return detector(images)

    forward()
    for explainer in explainers:
        explainer(detector, images)
        times = [(seconds(forward), seconds(lambda e=explainer: e(detector, images))) for _ in range(options.repeats)]
        plain, explained = (median(column) for column in zip(*times, strict=True))
        ratio = f"{explained / plain:.2f} forward passes"
        print(f"{options.detector} {explainer} at {explainer.layer(detector)}: {ratio} (batch {options.batch})")


if __name__ == "__main__":
    main()
