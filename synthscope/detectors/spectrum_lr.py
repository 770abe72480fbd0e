"""Logistic regression on a spectrum: what the simplest linear look at high frequencies can tell.

The log power spectrum of the grey residual (image less its 3 x 3 median), averaged over circles of equal frequency
(Durall et al., CVPR 2020), standardised, and one linear layer: 92 weights and a bias at the default crop. It knows
neither content nor places, and is a floor that a network has to beat.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.input import InputConfig
from synthscope.errors import UsageError

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


class SpectrumLr(Detector):
    """Radial spectrum, standardised by running statistics, and one linear layer."""

    Options = Config  # none
    default_input = InputConfig(resize=None, crop=128, small="upscale")
    licence = "Apache-2.0"
    rings: Tensor

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        if (side := config.input.side) is None:
            raise UsageError("Expected an input of fixed size for spectrum_lr, got none. Set input.crop, such as 128.")
        self.register_buffer("rings", ring_weights(side), persistent=False)
        bins = self.rings.shape[0]
        # over all batches alike (momentum None), so that the last ones don't weigh more
        self.scale = nn.BatchNorm1d(bins, eps=1e-6, momentum=None, affine=False)
        self.head = nn.Linear(bins, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        return self.head(self.scale(self.features(images)))[:, 0]

    def features(self, images: Tensor) -> Tensor:
        """Mean of log(1 + power) on every ring, float32 ``(B, bins)``, of ``(B, 3, side, side)`` in 0..255."""
        with torch.autocast(images.device.type, enabled=False):
            red, green, blue = (weight * images[:, channel].float() for channel, weight in enumerate(GREY))
            grey = red + green + blue
            window = torch.hann_window(grey.shape[-1], device=grey.device)  # else the borders make a cross
            spectrum = torch.fft.rfft2((grey - median3x3(grey)) * window * window[:, None])
            power = spectrum.real.square() + spectrum.imag.square()
            return torch.log1p(power).flatten(1) @ self.rings.T

    def fit(self, features: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        """Set all parameters to the optimum of the L2-regularised, class-balanced logistic loss (L-BFGS).

        Args:
            features: ``(n, bins)`` of :meth:`features`.
            labels: ``(n,)``, 1 = AI.
        """
        from sklearn.linear_model import LogisticRegression

        values = features.astype(np.float64)
        mean, variance = values.mean(0), values.var(0)
        standard = (values - mean) / np.sqrt(variance + self.scale.eps)
        model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000).fit(standard, labels)
        state = {
            "scale.running_mean": mean,
            "scale.running_var": variance,
            "scale.num_batches_tracked": np.array(1),
            "head.weight": model.coef_,
            "head.bias": model.intercept_,
        }
        self.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in state.items()})


def ring_weights(side: int) -> Tensor:
    """Weights ``(bins, side * (side // 2 + 1))`` that average a flattened ``rfft2`` spectrum over circles.

    Bin r holds the frequencies whose distance from zero rounds to r cycles an image, out to the corners. A column of
    the half spectrum that stands for two of the whole one counts twice.

    >>> ring_weights(4).shape
    torch.Size([4, 12])
    """
    rows, columns = np.fft.fftfreq(side) * side, np.arange(side // 2 + 1)  # numpy: real under torch.device("meta") too
    radius = np.hypot(rows[:, None], columns).round().astype(int).ravel()
    twice = np.broadcast_to(np.where((columns == 0) | (2 * columns == side), 1.0, 2.0), (side, len(columns))).ravel()
    weights = np.zeros((radius.max() + 1, len(radius)), np.float32)
    weights[radius, np.arange(len(radius))] = twice
    return torch.from_numpy(weights / weights.sum(1, keepdims=True))


def median3x3(maps: Tensor) -> Tensor:
    """Median of every 3 x 3 neighbourhood of ``(B, h, w)``, borders repeated.

    Each column of three is sorted; the median is that of the largest minimum, the middle median and the smallest
    maximum (Huang's rule), a fixed number of minima and maxima.
    """
    padded = nn.functional.pad(maps[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    top, middle, bottom = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
    low, high = torch.minimum(top, middle), torch.maximum(top, middle)
    sides = torch.minimum(low, bottom), torch.maximum(low, torch.minimum(high, bottom)), torch.maximum(high, bottom)
    (a, b, c), (d, e, f), (g, h, i) = ((s[..., :-2], s[..., 1:-1], s[..., 2:]) for s in sides)
    return _median(torch.maximum(torch.maximum(a, b), c), _median(d, e, f), torch.minimum(torch.minimum(g, h), i))


def _median(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))
