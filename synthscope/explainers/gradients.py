"""Gradients of the logit by the input: times the input, or integrated along a line from an uninformative image."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.explainers.base import Explainer, FromForward
from synthscope.explainers.forward import INPUT, Forward, Taps, forward

Baseline = Literal["mean", "black"]
AT_ONCE = 8  # inputs of one pass with gradients
SMALL = 0.1  # logits; against a smaller gain every gap is large


class BaselineOptions(Config):
    """The image without information."""

    baseline: Baseline = "mean"  # the colour that normalises to 0, or black


class InputXGradient(FromForward):
    """Difference to the baseline times the gradient, summed over colours (Shrikumar et al., arXiv 1605.01713).

    With the default baseline this is the normalised input times its gradient. Exact for a linear detector.
    """

    name = "input_x_grad"
    signed = True
    Options: ClassVar[type[Config]] = BaselineOptions

    def taps(self, detector: Detector) -> Taps:
        """The images and their gradient."""
        return Taps(gradients=(INPUT,))

    def maps(self, detector: Detector, images: Tensor, seen: Forward) -> list[Tensor]:
        """The signed heatmaps."""
        way = seen.outputs[INPUT] - baseline(detector, self.options.baseline)
        return [(way * seen.gradients[INPUT]).sum(1)]


class IntegratedGradients(Explainer):
    """Gradients on the way from the baseline to the image (Sundararajan et al., ICML 2017, eq. 3).

    The sum of a heatmap approaches ``logit(image) - logit(baseline)`` as steps grow (completeness, proposition 1). The
    midpoint rule takes three times as many steps, which keeps all gradients it has, until the gap is below the
    tolerance. Images are explained one by one, so none decides the steps of another.
    """

    class Options(BaselineOptions):
        """Length of the sum."""

        steps: int = Field(default=16, ge=1, le=4096)  # of the first try
        max_steps: int = Field(default=512, ge=1, le=100_000)  # no further try beyond
        tolerance: float = Field(default=0.01, gt=0, lt=1)  # of the gap, see completeness_gap

    name = "integrated_gradients"
    signed = True

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """Signed ``(B, h, w)``."""
        return torch.stack([self._integrate(detector, image) for image in images.float()])

    def completeness_gap(self, detector: Detector, images: Tensor, heatmaps: Tensor) -> Tensor:
        """``|sum - gain| / max(|gain|, 0.1 logits)`` with ``gain = logit(image) - logit(baseline)``, ``(B,)``."""
        with torch.no_grad():
            gains = torch.stack([self._gain(detector, image) for image in images.float()])
        return _gap(heatmaps, gains)

    def _integrate(self, detector: Detector, image: Tensor) -> Tensor:
        start = baseline(detector, self.options.baseline)
        way, gain = image - start, self._gain(detector, image)
        total, steps = torch.zeros_like(image), self.options.steps
        new = torch.arange(steps)
        while True:
            for places in ((new + 0.5) / steps).to(image).split(AT_ONCE):
                total += _gradient(detector, start + way * places[:, None, None, None]).sum(0)
            heat = (way[0] * total / steps).sum(0)
            if _gap(heat, gain) <= self.options.tolerance or 3 * steps > self.options.max_steps:
                return heat
            steps *= 3
            new = torch.arange(steps)
            new = new[new % 3 != 1]  # the middle of every three is a midpoint of the last try

    def _gain(self, detector: Detector, image: Tensor) -> Tensor:
        start = baseline(detector, self.options.baseline)[0].expand_as(image)
        logit, before = detector(torch.stack([image, start]))
        return logit - before


def _gap(heatmaps: Tensor, gains: Tensor) -> Tensor:
    """Relative gap ``(…,)`` of heatmaps ``(…, h, w)`` that should add up to ``gains`` ``(…,)``."""
    return (heatmaps.sum((-2, -1)) - gains).abs() / gains.abs().clamp(min=SMALL)


def baseline(detector: Detector, kind: Baseline) -> Tensor:
    """``(1, 3, 1, 1)`` in 0..255: the colour that ``detector.normalize`` turns into 0, or black."""
    return detector.mean if kind == "mean" else torch.zeros_like(detector.mean)


def _gradient(detector: Detector, images: Tensor) -> Tensor:
    return forward(detector, images, [Taps(gradients=(INPUT,))]).gradients[INPUT]
