"""Rates of this machine, measured in a few seconds each: decode, degrade, preprocess, forward pass, training step.

Every rate is in seconds an image. On a CPU, what prediction does in threads is measured on one thread, and training,
which runs on all cores, on all.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.images import read_rgb
from synthscope.detectors.base import Detector
from synthscope.errors import UnreadableImageError
from synthscope.inference.backends.eager import eager
from synthscope.training.batches import Augmenter
from synthscope.training.config import TrainConfig
from synthscope.training.distributed import autocast_dtype
from synthscope.training.state import build_optimizer

MOST = 256  # images of one probed batch


def read_rate(paths: Sequence[str | Path], *, seconds: float) -> tuple[float, list[np.ndarray]]:
    """Seconds to read and decode an image, and the pixels of those read before ``seconds`` were over.

    Raises:
        UnreadableImageError: No file is an image.
    """
    start, images = time.perf_counter(), []
    for path in paths:
        with contextlib.suppress(UnreadableImageError):
            images.append(read_rgb(path))
        if images and time.perf_counter() - start > seconds:
            break
    if not images:
        raise UnreadableImageError(f"Expected images, got {len(paths)} unreadable files. Run synthscope data verify.")
    return (time.perf_counter() - start) / len(images), images


def recipe_rate(recipe: str, images: Sequence[np.ndarray], *, seconds: float) -> float:
    """Seconds to apply a degradation or view to an image."""
    chain = parse_recipe(recipe)
    return _each(lambda rgb: chain.apply(rgb, key="probe"), images, seconds)


def preprocess_rate(detector: Detector, images: Sequence[np.ndarray], *, seconds: float) -> float:
    """Seconds for a detector's preprocessing of an image."""
    return _each(detector.preprocess, images, seconds)


def augment_rate(config: TrainConfig, detector: Detector, images: Sequence[np.ndarray], *, seconds: float) -> float:
    """Seconds to augment an image, all its views together."""
    crop = detector.config.input.side or 0
    augmenter = Augmenter(config.augment, ["probe"], preprocess=detector.preprocess, crop=crop, seed=0)
    return _each(lambda rgb: augmenter(rgb, (0, 0, 0)), images, seconds)


def forward_rate(
    detector: Detector,
    batch_size: int,
    *,
    device: torch.device,
    precision: str = "fp32",
    seconds: float,
    like: torch.Tensor | None = None,
) -> float:
    """Seconds an image of a forward pass as prediction runs it: batches of ``batch_size``, one thread on a CPU.

    Of noise at the detector's input, or of the batch ``like``.
    """
    detector.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = eager(detector, precision)
    images = _noise(detector, batch_size, device) if like is None else like.to(device)
    with _threads(1 if device.type == "cpu" else torch.get_num_threads()):
        return _seconds(partial(model, images), device, seconds) / batch_size


def step_rate(config: TrainConfig, detector: Detector, *, device: torch.device, seconds: float) -> float:
    """Seconds an image (all its views together) of a training step: forward, loss, backward, optimiser.

    Batches grow towards the recipe's. Where the time ends before, a straight line through the last two, whose constant
    is what a step costs whatever its size, is read at the recipe's.
    """
    model = detector.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer, views = build_optimizer(config.optimizer, detector), config.augment.views
    dtype = autocast_dtype(config.precision, device)
    batch = max(2, config.batch_size // config.accumulate)

    def timed(count: int) -> float:
        images, targets = _noise(detector, views * count, device), (torch.arange(count, device=device) % 2).float()

        def step() -> None:
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                logits = model(images)
            config.loss(logits.float().view(views, -1), targets).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return _seconds(step, device, seconds / 8)

    most, end = min(batch, max(MOST // views, 2)), time.perf_counter() + seconds
    counts, times = [2], [timed(2)]
    while counts[-1] < most and (len(counts) < 2 or time.perf_counter() + 8 * times[-1] < end):
        counts.append(min(8 * counts[-1], most))
        times.append(timed(counts[-1]))
    return at_batch(counts, times, batch) / batch


def at_batch(counts: Sequence[int], times: Sequence[float], batch: int) -> float:
    """Seconds of a step of ``batch`` images, on the line through the two largest measured ones.

    >>> at_batch([2, 8], [0.3, 0.6], 32)
    1.8
    """
    if len(counts) < 2 or counts[-1] == batch:
        return times[-1] * batch / counts[-1]
    slope = max((times[-1] - times[-2]) / (counts[-1] - counts[-2]), 0.0)
    return round(times[-1] + slope * (batch - counts[-1]), 9)


def _noise(detector: Detector, count: int, device: torch.device) -> torch.Tensor:
    side = detector.config.input.side or 224
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
    return images.to(device).contiguous(memory_format=torch.channels_last)


def _each(call: Callable[[np.ndarray], object], images: Sequence[np.ndarray], seconds: float) -> float:
    """Mean time of a call on as many images as ``seconds`` allow, after one to warm up."""
    call(images[0])
    start = time.perf_counter()
    done = 0
    for image in images:
        call(image)
        done += 1
        if time.perf_counter() - start > seconds:
            break
    return (time.perf_counter() - start) / done


def _seconds(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Median time of a call, after one to warm up: three times, or fewer where ``seconds`` are over."""

    def timed() -> float:
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    times, end = [timed()], time.perf_counter() + seconds
    while len(times) < 4 and time.perf_counter() + times[-1] < end:
        times.append(timed())
    return float(np.median(times[1:] or times))


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
