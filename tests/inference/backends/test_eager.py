from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig
from synthscope.inference.backends.eager import blocked


def with_running_statistics(detector: Detector) -> Detector:
    """Batch norms that do something, as after training."""
    generator = torch.Generator().manual_seed(1)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator) * 0.1
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
    return detector.eval()


@pytest.mark.parametrize("architecture", ["timm:resnet18", "cnnspot"])
def test_blocked_detectors_give_the_same_logits_for_any_batch(architecture: str) -> None:
    detector = with_running_statistics(create_detector(architecture, input={"crop": 64}))
    model = blocked(detector)
    assert model is not detector and not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    images = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        expected = detector(images)
        assert expected.std() > 0
        torch.testing.assert_close(model(images), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(torch.cat([model(images[:2]), model(images[2:])]), expected, rtol=1e-5, atol=1e-5)


def test_detectors_without_batch_norms_are_left_alone() -> None:
    detector = create_detector("timm:vit_tiny_patch16_224").eval()
    assert blocked(detector) is detector


class Untraceable(Detector):
    """Its path depends on values, which no symbolic trace can follow."""

    def __init__(self) -> None:
        super().__init__(DetectorConfig(name="u", architecture="u", input=InputConfig(crop=32)))
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def forward(self, images: Tensor) -> Tensor:
        features = self.net(self.normalize(images))
        return features.mean((1, 2, 3)) if features.sum() > 0 else features.amax((1, 2, 3))


def test_untraceable_detectors_are_left_alone() -> None:
    detector = Untraceable().eval()
    assert blocked(detector) is detector
