"""What an explainer's test shows: a heatmap known by hand, its shape, and an option that is checked."""

from __future__ import annotations

import pytest
import torch

from synthscope.detectors.hub import create_detector
from synthscope.errors import UsageError
from synthscope.explainers.base import create_explainer


def test_a_pixel_is_as_bright_as_its_mean_channel() -> None:
    images = torch.zeros(2, 3, 96, 96, dtype=torch.uint8)
    images[1, 0, 5, 7] = 255  # pure red
    heat = create_explainer("brightness")(create_detector("cnn_small").eval(), images)
    assert heat.shape == (2, 96, 96)
    assert heat[1, 5, 7] == pytest.approx(1 / 3) and heat.sum() == pytest.approx(1 / 3)


def test_a_power_must_be_positive() -> None:
    assert str(create_explainer("brightness:power=2")) == "brightness:power=2.0"
    with pytest.raises(UsageError, match="power"):
        create_explainer("brightness:power=0")
