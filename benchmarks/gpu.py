"""What an accelerator does to the parts of a run: forward passes, copies, preparation, `predict`, a training step.

    python benchmarks/gpu.py [--detectors resnet50 swin_t …] [--seconds 4] [--batch 64] [--out gpu.json]

Under ten minutes with its defaults. Figures belong to the machine that is named; ratios are what to compare. Logits of
every precision are held against float32 on the CPU. It runs without an accelerator, too, and says so. The figures of
``--out`` are what ``benchmarks/scale.py`` plans with.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch
from floor import picture
from PIL import Image
from ratios import Ratio, machine
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.inference.backends import Model, Setting
from synthscope.inference.backends.compile import compiled
from synthscope.inference.backends.eager import eager
from synthscope.inference.predict import predict
from synthscope.runtime import best_device, tune_allocator
from synthscope.runtime.files import write_json

DETECTORS = ("resnet50", "deit_s", "swin_t", "cnnspot", "spec", "f3net", "gramnet")
CONDITIONS = ["none", "genimage"]  # seven


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS))
    parser.add_argument("--seconds", type=float, default=4.0, help="for each measurement")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--images", type=int, default=256, help="for the whole run of predict")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    tune_allocator()
    device = best_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"no accelerator: {device.type}"
    print(f"{machine()}\n{name}")
    moved = copies(device, asked.batch, asked.seconds)
    passes = {one: forward(one, device, asked.batch, asked.seconds) for one in asked.detectors}
    steps = {one: step(one, device, asked.batch, asked.seconds) for one in asked.detectors}
    runs = {one: whole(one, asked.images) for one in asked.detectors}
    for one, scorings in runs.items():
        alone = passes[one]["bf16"]["images_per_second"]
        print(Ratio(f"predict, {one}, clean + 6 conditions, bf16", scorings / alone, "its forward passes"))
    if asked.out:
        about = {"machine": machine(), "device": name, "batch": asked.batch}
        write_json(asked.out, about | {"copies": moved, "forward": passes, "step": steps, "predict": runs})


def rate(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Calls a second, waited for; the first two warm up."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(2):
        work()
    wait()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work()
        count += 1
        if count % 8 == 0:
            wait()
    wait()
    return count / (time.perf_counter() - start)


def noise(side: int, batch: int) -> Tensor:
    """uint8 ``(batch, 3, side, side)``, channels last."""
    drawn = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return drawn.contiguous(memory_format=torch.channels_last)


def copies(device: torch.device, batch: int, seconds: float) -> dict[str, float]:
    """GB/s of a batch of 224 pixels to the device, from ordinary and from pinned memory."""
    images = noise(224, batch)
    kinds = {"pageable": images} | ({"pinned": images.pin_memory()} if device.type == "cuda" else {})
    found = {
        kind: rate(lambda x=x: x.to(device, non_blocking=True, copy=True), device, min(seconds, 1.0)) * x.nbytes / 1e9
        for kind, x in kinds.items()
    }
    print("copies:", ", ".join(f"{kind} {value:.1f} GB/s" for kind, value in found.items()))
    return found


def variants(detector: Detector, images: Tensor) -> dict[str, Model]:
    """Ways to run a detector, as `predict` has them."""
    found = {"fp32": eager(detector, "fp32"), "bf16": eager(detector, "bf16")}
    if images.device.type == "cuda":
        found["fp16"] = eager(detector, "fp16")
        found["bf16, compiled"] = compiled(detector, "bf16", Setting(images, len(images), 1, Path()))
    return found


def forward(name: str, device: torch.device, batch: int, seconds: float) -> dict[str, dict[str, float]]:
    """Images a second in every variant, and the largest distance of its logits from float32 on the CPU."""
    detector = create_detector(name, seed=0).eval()
    images = noise(detector.config.input.side or 224, batch)
    with torch.inference_mode():
        exact = detector(images[:8])
    detector.to(device, memory_format=torch.channels_last)
    there, found = images.to(device), {}
    for kind, model in variants(detector, there).items():
        off = (model(there)[:8].cpu() - exact).abs().max().item()
        speed = batch * rate(lambda m=model: m(there), device, seconds)
        found[kind] = {"images_per_second": speed, "largest_difference": off}
        print(f"{name} forward, {kind}: {speed:.0f} images/s, logits {off:.1e} from float32 on the CPU")
    return found


def step(name: str, device: torch.device, batch: int, seconds: float) -> float:
    """Images a second of a training step, bf16 and SGD."""
    detector = create_detector(name, seed=0).train().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(detector.parameters(), lr=1e-4, momentum=0.9)
    images = noise(detector.config.input.side or 224, batch).to(device)
    labels = torch.arange(batch, device=device) % 2

    def once() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            logits = detector(images)
        nn.functional.binary_cross_entropy_with_logits(logits.float(), labels.float()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    speed = batch * rate(once, device, seconds)
    print(f"{name} training step, bf16: {speed:.0f} images/s")
    return speed


def whole(name: str, count: int) -> float:
    """Scorings a second of `predict` over made JPEG files of 500 x 375 under seven conditions, bf16."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, paths = Path(temporary), []
        for number in range(count):
            paths.append(str(folder / f"{number:04d}.jpg"))
            Image.fromarray(picture(375, 500, np.random.default_rng(number))).save(paths[-1], quality=92)
        speed = 0.0
        for part in (paths[:2], paths):  # the first warms up
            start = time.perf_counter()
            table = predict(
                pl.DataFrame({"path": part}), [create_detector(name, seed=0)], out=folder / f"{len(part)}",
                conditions=CONDITIONS, precision="bf16",
            )  # fmt: skip
            speed = table.height / (time.perf_counter() - start)
    print(f"{name} predict, seven conditions, bf16: {speed:.0f} scorings/s")
    return speed


if __name__ == "__main__":
    main()
