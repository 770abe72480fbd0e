from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import correlate

from synthscope.detectors.hub import create_detector
from synthscope.detectors.srm_small import CUT, KERNELS


def test_residuals_are_those_of_scipy() -> None:
    image = np.random.default_rng(0).integers(100, 110, (3, 24, 20)).astype(np.uint8)
    found = create_detector("srm_small").contrast(torch.from_numpy(image)[None])[0].numpy()
    grey = image.astype(np.float64).mean(0)
    for maps, (rows, divisor) in zip(found, KERNELS, strict=True):
        wanted = correlate(grey, np.array(rows) / divisor, mode="mirror").clip(-CUT, CUT)
        np.testing.assert_allclose(maps, wanted, atol=1e-4)


def test_content_without_noise_is_not_seen() -> None:
    """Flat pictures and even gradients leave nothing but the head's bias."""
    detector = create_detector("srm_small").eval()
    ramp = torch.arange(64.0).expand(1, 3, 64, 64)
    inner = detector.contrast(ramp)[..., 2:-2, 2:-2]
    assert inner.abs().max() < 1e-4
    with torch.no_grad():
        assert torch.allclose(
            detector(torch.full((1, 3, 64, 64), 7.0)), detector(torch.full((1, 3, 64, 64), 200.0)), atol=1e-5
        )
