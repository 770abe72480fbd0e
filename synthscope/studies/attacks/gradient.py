"""Attacks by the gradient of a detector, within a budget of grey levels a pixel, and noise of the same budget.

What comes out is rounded to whole grey levels, as every file holds them; the budget holds after that, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError
from synthscope.runtime import seed_for
from synthscope.studies.attacks.geometry import check_differentiable, differentiable

Image = NDArray[np.uint8]
Logit = Callable[[Tensor], Tensor]
DECAY = 1.0  # of MI-FGSM's momentum (Dong et al. 2018, section 4)


def logit_of(detector: Detector) -> Logit:
    """Float ``(1, 3, H, W)`` pixels in 0..255 to their logit ``(1,)``, through the detector's own geometry.

    Raises:
        SynthscopeError: A detector that does more than resize and crop.
    """
    check_differentiable(detector)
    return lambda pixels: detector(differentiable(pixels, detector.config.input))


def pgd(rgb: Image, detector: Detector, *, budget: int, steps: int, seed: int, towards_ai: bool = False) -> Image:
    """Projected gradient descent on the logit in the maximum norm, from a random start (Madry et al. 2018).

    A step is the sign of the gradient times 2.5 budget / steps, so that every corner of the box can be reached from
    any start (the rule of their section 5 for the Euclidean norm). Of one logit, its gradient has the sign of that of
    the cross-entropy, and does not vanish where the detector is sure.

    Args:
        rgb: uint8 ``(H, W, 3)``.
        detector: On its device, in evaluation mode.
        budget: Largest change of a pixel's channel in grey levels of 255, at least 1.
        steps: At least 1.
        seed: Of the start.
        towards_ai: The wrong way, as a control: the logit is raised.

    Returns:
        uint8 ``(H, W, 3)``.

    Raises:
        SynthscopeError: A detector that does more than resize and crop, or no gradient reaches the pixels.
    """
    logit, start = logit_of(detector), _tensor(rgb, detector)
    rng = np.random.default_rng(seed)
    drawn = torch.from_numpy(rng.uniform(-budget, budget, start.shape).astype(np.float32)).to(start.device)
    size, way = 2.5 * budget / steps, 1.0 if towards_ai else -1.0
    pixels = _within(start + drawn, start, budget)
    for _ in range(steps):
        pixels = _within(pixels + way * size * _gradient(logit, pixels, detector).sign(), start, budget)
    return _rounded(pixels)


def mi_fgsm(rgb: Image, detector: Detector, *, budget: int, steps: int) -> Image:
    """Momentum iterative fast gradient sign method (Dong et al. 2018, algorithm 1), for another detector to be fooled.

    Args:
        rgb: uint8 ``(H, W, 3)``.
        detector: The surrogate whose gradient is used.
        budget: As of :func:`pgd`; a step is budget / steps.
        steps: At least 1.

    Returns:
        uint8 ``(H, W, 3)``.

    Raises:
        SynthscopeError: As :func:`pgd`.
    """
    logit, start = logit_of(detector), _tensor(rgb, detector)
    pixels, momentum = start, torch.zeros_like(start)
    for _ in range(steps):
        gradient = _gradient(logit, pixels, detector)
        momentum = DECAY * momentum + gradient / gradient.abs().sum()
        pixels = _within(pixels - budget / steps * momentum.sign(), start, budget)
    return _rounded(pixels)


def noise(rgb: Image, *, budget: int, seed: int) -> Image:
    """The null: every channel of every pixel moved by the whole budget, up or down at random.

    Returns:
        uint8 ``(H, W, 3)``, cut off at 0 and 255.
    """
    signs = np.random.default_rng(seed).integers(0, 2, rgb.shape, dtype=np.int16) * 2 - 1
    return np.clip(rgb + budget * signs, 0, 255).astype(np.uint8)


def image_seed(seed: int, attack: str, budget: int, sha256: str) -> int:
    """Of one image under one attack, whatever else is attacked.

    >>> image_seed(0, "pgd", 2, "ab") == image_seed(0, "pgd", 4, "ab")
    False
    """
    return seed_for("attack", seed, attack, budget, sha256)


def _gradient(logit: Logit, pixels: Tensor, detector: Detector) -> Tensor:
    pixels = pixels.detach().requires_grad_(True)
    with torch.enable_grad():
        value = logit(pixels).sum()
        (gradient,) = torch.autograd.grad(value, pixels) if value.requires_grad else (torch.zeros_like(pixels),)
    if not torch.isfinite(gradient).all() or not gradient.any():
        raise SynthscopeError(
            f"Expected a gradient of {detector.config.name} at the pixels, got none. Attack it by transfer from "
            "another detector."
        )
    return gradient


def _tensor(rgb: Image, detector: Detector) -> Tensor:
    device = detector.mean.device
    return torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1)[None].float()


def _within(pixels: Tensor, start: Tensor, budget: int) -> Tensor:
    return torch.minimum(torch.maximum(pixels, start - budget), start + budget).clamp(0, 255)


def _rounded(pixels: Tensor) -> Image:
    rgb: Image = pixels[0].round().byte().permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(rgb)
