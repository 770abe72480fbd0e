"""Run a detector by torch.compile, its weights frozen into the code."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.inference.backends import Model, Setting, check_precision
from synthscope.inference.backends.eager import DTYPES


def compiled(detector: Detector, precision: str, setting: Setting) -> Model:
    """Compiled once, for the setting's batch size; smaller batches are filled up to it, a larger one is compiled anew.

    A batch for which there is not enough memory makes the next smaller one that comes the size to be compiled.
    """
    check_precision("compile", precision, tuple(DTYPES))
    device = detector.mean.device.type
    options: dict[str, Any] = {"freezing": True}
    options |= {"cpp.threads": 1} if device == "cpu" else {}
    net = torch.compile(detector, dynamic=False, options=options)
    sizes, ready, alone = {setting.batch_size}, set[torch.Size](), threading.Lock()

    def run(images: Tensor) -> Tensor:
        count = len(images)
        size = min((size for size in sizes if size >= count), default=count)
        sizes.add(size)
        batch = torch.cat([images, images.new_zeros(size - count, *images.shape[1:])]) if size > count else images
        batch = batch.contiguous()
        reduced = contextlib.nullcontext() if precision == "fp32" else torch.autocast(device, DTYPES[precision])
        first = contextlib.nullcontext() if batch.shape in ready else alone
        try:
            with first, torch.inference_mode(), reduced:
                logits = net(batch)[:count].float()
        except RuntimeError:
            sizes.discard(size)
            raise
        ready.add(batch.shape)
        return logits  # type: ignore[no-any-return]

    return run
