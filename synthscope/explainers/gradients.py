"""Gradients of the logit by the input: times the input, or integrated along a line from an uninformative image."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.explainers.base import Explainer

Baseline = Literal["mean", "black"]


class BaselineOptions(Config):
    """The image without information."""

    baseline: Baseline = "mean"  # the colour that normalises to 0, or black


class InputXGradient(Explainer):
    """Difference to the baseline times the gradient, summed over colours (Shrikumar et al., arXiv 1605.01713).

    With the default baseline this is the normalised input times its gradient. Exact for a linear detector.
    """

    name = "input_x_grad"
    signed = True
    Options: ClassVar[type[Config]] = BaselineOptions

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """Signed ``(B, h, w)``."""
        images = images.float()
        return ((images - baseline(detector, self.options.baseline)) * _gradient(detector, images)).sum(1)


class IntegratedGradients(Explainer):
    """Gradients on the way from the baseline to the image (Sundararajan et al., ICML 2017, eq. 3).

    The sum of a heatmap approaches ``logit(image) - logit(baseline)`` as steps grow (completeness); midpoint rule.
    """

    class Options(BaselineOptions):
        """Length of the sum."""

        steps: int = Field(default=32, ge=1, le=4096)

    name = "integrated_gradients"
    signed = True

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """Signed ``(B, h, w)``."""
        start = baseline(detector, self.options.baseline)
        way = images.float() - start
        total = torch.zeros_like(way)
        for step in range(self.options.steps):
            total += _gradient(detector, start + way * ((step + 0.5) / self.options.steps))
        return (way * total / self.options.steps).sum(1)


def baseline(detector: Detector, kind: Baseline) -> Tensor:
    """``(1, 3, 1, 1)`` in 0..255: the colour that ``detector.normalize`` turns into 0, or black."""
    return detector.mean if kind == "mean" else torch.zeros_like(detector.mean)


def _gradient(detector: Detector, images: Tensor) -> Tensor:
    pixels = images.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(detector(pixels).sum(), pixels)[0]
