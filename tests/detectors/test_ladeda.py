"""LaDeDa and Tiny-LaDeDa against a plain program over the published keys, and against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import Tensor, nn
from torch.nn import functional

from synthscope.detectors.hub import create_detector
from synthscope.detectors.ladeda import GRADIENTS, LaDeDa
from synthscope.errors import UnreadableImageError, UsageError

MEAN, STD = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
MODES = ["NPR", "x_grad", "y_grad", "left_diag", "right_diag", "raw"]


def images(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8))


def make(name: str, mode: str = "NPR") -> LaDeDa:
    detector = create_detector(name, options={"preprocessing": mode}, seed=1)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of one batch, not those of a new network
    with torch.no_grad():
        detector.train()(images(6, 3, 34, 34))
    assert isinstance(detector, LaDeDa)
    return detector.eval()


@pytest.fixture(scope="module")
def ladeda() -> LaDeDa:
    return make("ladeda")


@pytest.fixture(scope="module")
def tiny() -> LaDeDa:
    return make("tiny_ladeda")


def run(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The published network, read off its keys: maps before the mean."""

    def conv(x: Tensor, key: str, stride: int = 1) -> Tensor:
        return functional.conv2d(x, state[f"{key}.weight"], stride=stride)

    def norm(x: Tensor, key: str) -> Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(state[f"{key}.{name}"] for name in names))

    x = functional.relu(norm(conv(conv(x, "conv1"), "conv2"), "bn1"))
    if "layer2.0.conv1.weight" not in state:
        x = functional.relu(norm(conv(x, "layer1.0.conv1"), "layer1.0.bn1"))
        return functional.relu(norm(conv(x, "layer1.0.conv2", 2), "layer1.0.bn2"))
    for layer, (blocks, stride) in enumerate(((3, 2), (4, 2), (6, 2), (3, 1)), start=1):
        for block in range(blocks):
            key, step = f"layer{layer}.{block}", stride if block == 0 else 1
            out = functional.relu(norm(conv(x, f"{key}.conv1"), f"{key}.bn1"))
            out = functional.relu(norm(conv(out, f"{key}.conv2", step), f"{key}.bn2"))
            out = norm(conv(out, f"{key}.conv3"), f"{key}.bn3")
            if block == 0:
                x = norm(conv(x, f"{key}.downsample.0", step), f"{key}.downsample.1")
            cut = x.shape[-1] - out.shape[-1]
            x = functional.relu(out + (x[:, :, :-cut, :-cut] if cut else x))
    return x


def contrast(pixels: Tensor, mode: str) -> Tensor:
    x = ((pixels / 255 - MEAN) / STD).double()
    if mode == "raw":
        return x.float()
    if mode == "NPR":
        halved = functional.interpolate(x, scale_factor=0.5, mode="nearest")
        return (x - functional.interpolate(halved, scale_factor=2, mode="nearest")).float()
    out = [[correlate(plane, np.array(GRADIENTS[mode]), mode="constant") for plane in image] for image in x.numpy()]
    return torch.from_numpy(np.array(out)).float()


def test_keys_and_sizes_of_ladeda_are_the_published_ones(ladeda: LaDeDa) -> None:
    state = ladeda.net.state_dict()
    assert len(state) == 321 and sum(parameter.numel() for parameter in ladeda.parameters()) == 13_641_793
    assert state["conv1.weight"].shape == (64, 3, 1, 1) and state["conv2.weight"].shape == (64, 64, 3, 3)
    large = [key for key, value in state.items() if key.startswith("layer") and value.shape[2:] == (3, 3)]
    assert large == ["layer1.0.conv2.weight", "layer2.0.conv2.weight"]
    assert sum(key.endswith("downsample.0.weight") for key in state) == 4
    assert state["fc.weight"].shape == (1, 2048) and state["fc.bias"].shape == (1,)
    assert {key.removeprefix("net.") for key in ladeda.state_dict()} == set(state)


def test_keys_and_sizes_of_tiny_ladeda_are_those_of_both_published_files(tiny: LaDeDa) -> None:
    norm = {"weight": (8,), "bias": (8,), "running_mean": (8,), "running_var": (8,), "num_batches_tracked": ()}
    expected: dict[str, tuple[int, ...]] = {
        "conv1.weight": (8, 3, 1, 1),
        "conv2.weight": (8, 8, 3, 3),
        "layer1.0.conv1.weight": (8, 8, 1, 1),
        "layer1.0.conv2.weight": (8, 8, 3, 3),
        "fc.weight": (1, 8),
        "fc.bias": (1,),
    }
    for layer in ("bn1", "layer1.0.bn1", "layer1.0.bn2"):
        expected |= {f"{layer}.{key}": shape for key, shape in norm.items()}
    assert {key: tuple(value.shape) for key, value in tiny.net.state_dict().items()} == expected
    assert sum(parameter.numel() for parameter in tiny.parameters()) == 1297
    assert {key.removeprefix("net.") for key in make("tiny_ladeda", "x_grad").state_dict()} == set(expected)


@pytest.mark.parametrize(
    ("name", "mode"), [("ladeda", "NPR"), ("ladeda", "left_diag"), *(("tiny_ladeda", mode) for mode in MODES)]
)
@torch.no_grad()
def test_logits_and_patches_are_those_of_the_published_network(name: str, mode: str) -> None:
    detector, pixels = make(name, mode), images(2, 3, 36, 36)
    pixels[1] //= 4  # noise of another strength, whose logit is another
    state = detector.net.state_dict()
    maps = run(state, contrast(pixels, mode))
    expected = functional.linear(maps.mean((2, 3)), state["fc.weight"], state["fc.bias"])[:, 0]
    assert expected.std() > 1e-3
    torch.testing.assert_close(detector(pixels), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(detector.patch_logits(pixels).mean((1, 2)), expected, rtol=1e-4, atol=1e-5)
    assert detector.patch_logits(pixels).std() > 1e-3


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("tiny_ladeda", (256, 256), (126, 126)),
        ("tiny_ladeda", (6, 31), (1, 13)),
        ("ladeda", (10, 10), (1, 1)),
        ("ladeda", (33, 61), (3, 7)),
        ("ladeda", (256, 10), (31, 1)),
    ],
)
@torch.no_grad()
def test_any_size_gives_the_published_map(
    name: str, size: tuple[int, int], shape: tuple[int, int], ladeda: LaDeDa, tiny: LaDeDa
) -> None:
    detector, pixels = {"ladeda": ladeda, "tiny_ladeda": tiny}[name], images(1, 3, *size)
    assert detector.patch_logits(pixels).shape == (1, *shape)
    even = pixels[..., : size[0] // 2 * 2, : size[1] // 2 * 2]
    torch.testing.assert_close(detector(pixels), detector(even))


@pytest.mark.parametrize(
    ("name", "mode", "step", "field"),
    [("ladeda", "NPR", 8, 9), ("ladeda", "raw", 8, 9), ("tiny_ladeda", "NPR", 2, 5), ("tiny_ladeda", "x_grad", 2, 5)],
)
def test_a_patch_sees_its_pixels_only(name: str, mode: str, step: int, field: int) -> None:
    detector = make(name, mode)
    pixels = images(1, 3, 42, 50).float().requires_grad_()
    row, column = 2, 3
    (gradient,) = torch.autograd.grad(detector.patch_logits(pixels)[0, row, column], pixels)
    seen = gradient[0].abs().sum(0) > 0
    top, left, margin = row * step, column * step, int(mode == "x_grad")
    inside = torch.zeros_like(seen)
    inside[top - margin : top + field + margin, left - margin : left + field + margin] = True
    assert seen.any() and not (seen & ~inside).any()
    assert seen[:, left - margin].any() and seen[top - margin].any()  # the corner is where the docstring says


@torch.no_grad()
def test_a_batch_is_its_images(ladeda: LaDeDa, tiny: LaDeDa) -> None:
    for detector in (ladeda, tiny):
        pixels = images(4, 3, 28, 44)
        alone = torch.cat([detector(pixels[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(alone, detector(pixels), rtol=1e-5, atol=1e-5)


def test_the_gradient_reaches_the_input(ladeda: LaDeDa, tiny: LaDeDa) -> None:
    for detector in (ladeda, tiny):
        pixels = images(2, 3, 28, 28).float().requires_grad_()
        detector(pixels).sum().backward()
        assert pixels.grad is not None and torch.isfinite(pixels.grad).all() and pixels.grad.abs().max() > 0


def test_images_smaller_than_a_patch_are_refused_by_name() -> None:
    small = images(9, 40, 3).numpy()
    assert create_detector("tiny_ladeda").preprocess(small).shape == (3, 256, 256)
    with pytest.raises(UnreadableImageError, match=r"Expected 10 x 10 pixels or more, one patch of ladeda, got 40 x 9"):
        create_detector("ladeda", input={"resize": None}).preprocess(small)
    raw = create_detector("ladeda", input={"resize": None}, options={"preprocessing": "raw"}).eval()
    assert raw(raw.preprocess(small)[None]).shape == (1,)


def test_an_unknown_preprocessing_is_refused() -> None:
    with pytest.raises(UsageError, match="preprocessing"):
        create_detector("tiny_ladeda", options={"preprocessing": "sobel"})
