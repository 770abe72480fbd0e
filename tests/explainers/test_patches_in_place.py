"""AIDE's four patches: where their maps lie, by a search of the image for the very pixels that the network got."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.explainers.base import create_explainer
from tests.explainers.tiny import pixels, settled

SIZE = (80, 96)


@pytest.fixture
def detector() -> Detector:
    input = {"resize": None, "crop": None}
    made = create_detector("aide", options={"size": "tiny", "view": 64}, input=input, seed=1)
    return settled(made)


def pictures() -> Tensor:
    """Two of smooth ramps, each with a patch of loud and one of soft noise, elsewhere in each."""
    slope = 60 + 0.37 * torch.arange(SIZE[0])[:, None] + torch.arange(SIZE[1])  # no two windows are alike
    ramp = slope.expand(2, 3, *SIZE).round().to(torch.uint8).clone()
    ramp[0, :, 48:80, 64:96], ramp[0, :, 0:32, 0:32] = pixels(3, 32, 32), pixels(3, 32, 32, seed=1) // 4
    ramp[1, :, 16:48, 32:64], ramp[1, :, 48:80, 0:32] = pixels(3, 32, 32, seed=2), pixels(3, 32, 32, seed=3) // 4
    return ramp


def seen_patches(detector: Detector, images: Tensor) -> list[list[tuple[int, int]]]:
    """Corners of the four patches of each image: what reaches the network, found again in the image."""
    given: list[Any] = []
    handle = detector.net.register_forward_pre_hook(lambda module, args: given.append(args[0]))  # type: ignore[operator,union-attr]
    with torch.no_grad():
        detector(images)
    handle.remove()
    found = []
    for number, image in enumerate(images.float()):
        corners = []
        for view in given[0]:
            distance = {}
            for top, left in np.ndindex(SIZE[0] - 31, SIZE[1] - 31):
                if top % 16 == left % 16 == 0:
                    part = image[None, :, top : top + 32, left : left + 32]
                    large = nn.functional.interpolate(detector.normalize(part), (64, 64), mode="bilinear")[0]
                    distance[top, left] = float((large - view[number]).abs().max())
            best = min(distance, key=lambda corner: distance[corner])
            assert distance[best] < 1e-4 < sorted(distance.values())[1]
            corners.append(best)
        found.append(corners)
    return found


def test_maps_lie_on_the_patches_that_the_network_saw(detector: Detector) -> None:
    """Grad-CAM of every patch by autograd, one patch at a time, pasted where its pixels were found."""
    images = pictures()
    corners = seen_patches(detector, images)
    assert corners[0][1] == (48, 64) and corners[1][1] == (16, 32)  # the loud noise is the richest patch
    net: Any = detector.net
    for trunk, places in ((net.model_min, (0, 2)), (net.model_max, (1, 3))):
        name = "model_min" if trunk is net.model_min else "model_max"
        expected = torch.zeros(2, *SIZE)
        for number in range(2):
            for place in places:
                heat = one_patch(detector, images[number : number + 1], trunk, place)
                top, left = corners[number][place]
                large = nn.functional.interpolate(heat[None, None], (32, 32), mode="bilinear")[0, 0]
                expected[number, top : top + 32, left : left + 32] += large
        found = create_explainer(f"gradcam:layer=net.{name}.layer4")(detector, images)
        assert expected.amax((1, 2)).min() > 0
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.max()))


def one_patch(detector: Detector, image: Tensor, trunk: Any, place: int) -> Tensor:
    """``(h, w)``: maps of one patch weighted by their mean gradients, the three other patches held fixed."""
    net: Any = detector.net
    given: list[Any] = []
    handle = net.register_forward_pre_hook(lambda module, args: given.append(args))
    with torch.no_grad():
        detector(image)
    handle.remove()
    noise, whole = given[0]
    features = []
    for number, view in enumerate(noise):
        tower = net.model_max if number % 2 else net.model_min
        with torch.no_grad():
            features.append(tower.forward_features(net.hpf["hpf"](view)))
    maps = features[place] = features[place].clone().requires_grad_()
    pooled = torch.stack([each.mean((2, 3)) for each in features]).mean(0)
    trunk_of_meaning = net.openclip_convnext_xxl  # norms every position, then takes the mean
    meaning = net.convnext_proj(trunk_of_meaning.head.norm(trunk_of_meaning.forward_features(whole)).mean((2, 3)))
    hidden = nn.functional.gelu(net.fc["fc1"](torch.cat([meaning, pooled], 1)))
    net.fc["fc2"](hidden).sum().backward()
    assert maps.grad is not None and trunk is (net.model_max if place % 2 else net.model_min)
    return (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1)[0].relu().detach()


def test_the_default_adds_up_what_the_whole_and_the_patches_say(detector: Detector) -> None:
    images = pictures()
    parts = ["net.openclip_convnext_xxl.head.norm", "net.model_min.layer4", "net.model_max.layer4"]
    single = [create_explainer(f"gradcam++:layer={part}")(detector, images) for part in parts]
    torch.testing.assert_close(create_explainer("gradcam++")(detector, images), torch.stack(single).sum(0))
    assert all(each.max() > 0 for each in single)


def test_an_image_of_one_patch_is_seen_four_times(detector: Detector) -> None:
    images = pictures()[:1, :, 48:80, 64:96]
    seen = [
        create_explainer(f"gradcam:layer=net.{name}.layer4")(detector, images) for name in ("model_min", "model_max")
    ]
    assert all(each.shape == (1, 32, 32) and each.max() > 0 for each in seen)


def test_training_shows_each_batch_norm_one_patch_of_an_image_at_a_time(detector: Detector) -> None:
    calls: list[int] = []
    net: Any = detector.net
    handle = net.model_max.bn1.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    with torch.no_grad():
        detector.train()(pictures())
    handle.remove()
    assert calls == [2, 2]
