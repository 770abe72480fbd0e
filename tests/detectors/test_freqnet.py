"""FreqNet against the published order of transforms, literally, and against slow numpy transforms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.fft import fft, fft2, fftshift, ifft, ifft2, ifftshift
from torch.nn import functional

from synthscope import runtime
from synthscope.detectors.base import Detector
from synthscope.detectors.freqnet import CHANNELS, SPACE, high_pass
from synthscope.detectors.hub import create_detector

MEAN, STD = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def images(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture(scope="module")
def freqnet() -> Detector:
    detector = create_detector("freqnet", seed=1)
    with torch.no_grad():
        for name, parameter in detector.named_parameters():
            if name.startswith("net.bias"):  # zero in a new network, which would hide a missing one
                parameter.copy_(torch.linspace(-0.3, 0.5, parameter.numel()))
        for module in detector.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0  # the statistics of one batch, not those of a new network
        detector.train()(images(8, 3, 48, 48))
    return detector.eval()


class Published:
    """The network as it was published: every transform, shift and mask; ``layer1`` and ``layer2`` by torchvision."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        runtime.import_torchvision()
        from torchvision.models import resnet50

        self.state = state
        with torch.device("meta"):
            self.net = resnet50()
        blocks = {key: value for key, value in state.items() if key.startswith("layer")}
        missing, unexpected = self.net.load_state_dict(blocks, strict=False, assign=True)
        assert not unexpected and not {"layer1", "layer2"} & {key.split(".")[0] for key in missing}
        self.net.eval()

    def space(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        x = fftshift(fft2(x, norm="ortho"), dim=[-2, -1])
        x[..., h // 2 - h // 4 : h // 2 + h // 4, w // 2 - w // 4 : w // 2 + w // 4] = 0.0
        return functional.relu(torch.real(ifft2(ifftshift(x, dim=[-2, -1]), norm="ortho")))

    def channels(self, x: Tensor) -> Tensor:
        c = x.shape[1]
        x = fftshift(fft(x, dim=1, norm="ortho"), dim=1)
        x[:, c // 2 - c // 4 : c // 2 + c // 4] = 0.0
        return functional.relu(torch.real(ifft(ifftshift(x, dim=1), dim=1, norm="ortho")))

    def project(self, x: Tensor, n: int, stride: int = 1) -> Tensor:
        return functional.relu(functional.conv2d(x, self.state[f"weight{n}"], self.state[f"bias{n}"], stride))

    def spectrum(self, x: Tensor, n: int) -> Tensor:
        x = fftshift(fft2(x, norm="ortho"), dim=[-2, -1])
        real = functional.conv2d(x.real, self.state[f"realconv{n}.weight"])
        x = torch.complex(real, functional.conv2d(x.imag, self.state[f"imagconv{n}.weight"]))
        return functional.relu(torch.real(ifft2(ifftshift(x, dim=[-2, -1]), norm="ortho")))

    def __call__(self, x: Tensor) -> Tensor:
        x = self.spectrum(self.channels(self.project(self.space(x), 1)), 1)
        x = self.spectrum(self.channels(self.project(self.space(x), 2, 2)), 2)
        x = self.net.layer1(functional.max_pool2d(x, 3, 2, 1))
        x = self.spectrum(self.project(self.space(x), 3), 3)
        x = self.net.layer2(self.spectrum(self.project(self.space(x), 4, 2), 4))
        return functional.linear(x.mean((2, 3)), self.state["fc1.weight"], self.state["fc1.bias"])[:, 0]


def test_keys_and_sizes_are_the_published_ones(freqnet: Detector) -> None:
    state = freqnet.net.state_dict()
    assert len(state) == 156 and sum(parameter.numel() for parameter in freqnet.parameters()) == 1_850_433
    for n, inputs, outputs in ((1, 3, 64), (2, 64, 64), (3, 256, 256), (4, 256, 256)):
        assert state[f"weight{n}"].shape == (outputs, inputs, 1, 1) and state[f"bias{n}"].shape == (outputs,)
        assert state[f"realconv{n}.weight"].shape == state[f"imagconv{n}.weight"].shape == (outputs, outputs, 1, 1)
    assert state["fc1.weight"].shape == (1, 512) and state["layer2.0.conv1.weight"].shape == (128, 256, 1, 1)
    assert sum(key.startswith("layer") for key in state) == 138
    assert {key.removeprefix("net.") for key in freqnet.state_dict()} == set(state)


@pytest.mark.parametrize("size", [(32, 48), (33, 37), (50, 31)])
@torch.no_grad()
def test_logits_are_those_of_the_published_network(freqnet: Detector, size: tuple[int, int]) -> None:
    pixels = images(2, 3, *size)
    pixels[1] //= 4  # noise of another strength, whose logit is another
    expected = Published(freqnet.net.state_dict())((pixels / 255 - MEAN) / STD)
    assert expected.std() > 1e-2
    torch.testing.assert_close(freqnet(pixels), expected, rtol=1e-4, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 11), st.integers(1, 11), st.integers(1, 11), st.integers(0, 1000))
def test_high_pass_is_the_transform_without_low_frequencies(channels: int, height: int, width: int, seed: int) -> None:
    maps = np.random.default_rng(seed).normal(size=(channels, height, width)).astype(np.float32)

    def low(n: int) -> set[int]:  # positions on the unshifted axis
        return {(position - n // 2) % n for position in range(n // 2 - n // 4, n // 2 + n // 4)}

    spectrum = np.fft.fft2(maps)
    for i, j in product(low(height), low(width)):
        spectrum[:, i, j] = 0
    expected = np.maximum(np.fft.ifft2(spectrum).real, 0)
    np.testing.assert_allclose(high_pass(torch.from_numpy(maps)[None], SPACE)[0], expected, atol=1e-5)
    spectrum = np.fft.fft(maps, axis=0)
    spectrum[list(low(channels))] = 0
    expected = np.maximum(np.fft.ifft(spectrum, axis=0).real, 0)
    np.testing.assert_allclose(high_pass(torch.from_numpy(maps)[None], CHANNELS)[0], expected, atol=1e-5)


def test_transforms_stay_in_float32_under_autocast() -> None:
    maps = torch.randn(1, 8, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        passed = high_pass(maps.bfloat16(), SPACE)
    assert passed.dtype == torch.float32
    assert torch.equal(passed, high_pass(maps.bfloat16().float(), SPACE))


@torch.no_grad()
def test_a_batch_is_its_images_and_memory_order_does_not_count(freqnet: Detector) -> None:
    pixels = images(5, 3, 40, 24)
    together = freqnet(pixels)
    torch.testing.assert_close(
        torch.cat([freqnet(pixels[i : i + 1]) for i in range(5)]), together, rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(freqnet(pixels.to(memory_format=torch.channels_last)), together, rtol=1e-5, atol=1e-5)
    assert freqnet(images(1, 3, 1, 1)).shape == (1,)


def test_the_gradient_reaches_the_input_and_is_that_of_the_published_network(freqnet: Detector) -> None:
    pixels = images(1, 3, 24, 30).float().requires_grad_()
    (ours,) = torch.autograd.grad(freqnet(pixels).sum(), pixels)
    (theirs,) = torch.autograd.grad(Published(freqnet.net.state_dict())((pixels / 255 - MEAN) / STD).sum(), pixels)
    assert torch.isfinite(ours).all() and ours.abs().max() > 0
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * theirs.abs().max().item())


def test_the_input_is_that_of_the_published_evaluation() -> None:
    detector = create_detector("freqnet")
    assert detector.preprocess(images(90, 61, 3).numpy()).shape == (3, 256, 256)
    assert create_detector("freqnet", input={"resize": None}).preprocess(images(9, 6, 3).numpy()).shape == (3, 9, 6)
