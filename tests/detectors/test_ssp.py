"""SSP against loops over its definitions: texture, choice of the patch, filters, and the network around ResNet-50."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import correlate
from torch import nn
from torch.nn import functional

from synthscope import runtime
from synthscope.detectors.hub import create_detector
from synthscope.detectors.ssp import SpatialRichModel, Ssp, simplest_patch, texture
from synthscope.errors import UsageError

MEAN, STD = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def slow_texture(patch: np.ndarray) -> int:
    height, width, _ = patch.shape
    total = 0
    for i in range(height):
        for j in range(width):
            for di, dj in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if i + di < height and 0 <= j + dj < width:
                    total += int(np.abs(patch[i, j].astype(int) - patch[i + di, j + dj].astype(int)).sum())
    return total


@pytest.fixture(scope="module")
def ssp() -> Ssp:
    detector = create_detector("ssp", options={"side": 64}, seed=1)
    patches = torch.from_numpy(np.stack([noise(32, 32, seed) for seed in range(6)])).permute(0, 3, 1, 2)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of one batch, not those of a new network
    with torch.no_grad():
        detector.train()(patches)
    assert isinstance(detector, Ssp)
    return detector.eval()


def test_keys_and_sizes_are_the_published_ones(ssp: Ssp) -> None:
    runtime.import_torchvision()
    from torchvision.models import resnet50

    with torch.device("meta"):
        shapes = {f"disc.{key}": value.shape for key, value in resnet50(num_classes=1).state_dict().items()}
    state = ssp.net.state_dict()
    assert {key: value.shape for key, value in state.items()} == {**shapes, "srm.kernel": (3, 3, 5, 5)}
    assert len(state) == 321
    # the published file counts the frozen kernel among the parameters
    assert sum(parameter.numel() for parameter in ssp.parameters()) + state["srm.kernel"].numel() == 23_510_306
    assert {key.removeprefix("net.") for key in ssp.state_dict()} == set(state)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 1000))
def test_texture_is_the_sum_over_neighbours(height: int, width: int, seed: int) -> None:
    patches = [noise(height, width, seed), noise(height, width, seed + 1)]
    ours = texture(torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2))
    assert ours.dtype == torch.int64 and ours.tolist() == [slow_texture(patch) for patch in patches]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 255), st.integers(0, 1000))
def test_texture_ignores_orientation_and_brightness_signs(value: int, seed: int) -> None:
    patch = torch.from_numpy(noise(6, 6, seed)).permute(2, 0, 1)[None]
    copies = torch.cat([patch, patch.flip(-1), patch.flip(-2), patch.transpose(-1, -2), 255 - patch])
    assert len(set(texture(copies).tolist())) == 1
    assert texture(torch.full((1, 3, 5, 5), value, dtype=torch.uint8)).item() == 0


@pytest.mark.parametrize(("height", "width", "seed"), [(40, 33, 0), (32, 32, 1), (9, 70, 2)])
def test_the_patch_is_the_first_of_the_least_textured_draws(height: int, width: int, seed: int) -> None:
    side, rgb = 8, noise(height, width, seed)
    rgb[: height // 2] = rgb[: height // 2] // 8  # smoother above
    chosen = simplest_patch(torch.from_numpy(rgb).permute(2, 0, 1), side, rng=np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    tops, lefts = rng.integers(height - side + 1, size=64), rng.integers(width - side + 1, size=64)
    draws = [rgb[top : top + side, left : left + side] for top, left in zip(tops, lefts, strict=True)]
    best = min(range(64), key=lambda draw: slow_texture(draws[draw]))
    np.testing.assert_array_equal(chosen.permute(1, 2, 0), draws[best])


@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 2), (3, 0), (3, 2)])
def test_corners_of_the_image_are_drawn_too(top: int, left: int) -> None:
    rgb = noise(11, 10)
    rgb[top : top + 8, left : left + 8] = 5
    patch = simplest_patch(torch.from_numpy(rgb).permute(2, 0, 1), 8, rng=np.random.default_rng(0))
    assert (patch == 5).all()


def test_the_patch_is_deterministic_and_follows_seed_and_size(ssp: Ssp) -> None:
    rgb = noise(90, 120)
    patch = ssp.preprocess(rgb)
    assert patch.shape == (3, 32, 32) and patch.dtype == torch.uint8
    torch.manual_seed(0)
    np.random.seed(1)
    assert torch.equal(ssp.preprocess(rgb), patch)
    assert torch.equal(create_detector("ssp", seed=9).preprocess(rgb), patch)
    assert not torch.equal(create_detector("ssp", options={"seed": 1}).preprocess(rgb), patch)


def test_the_plain_corner_of_an_image_is_found_and_small_images_become_a_square(ssp: Ssp) -> None:
    rgb = noise(200, 200)
    rgb[:100, :100] = 77
    assert (ssp.preprocess(rgb) == 77).all()  # (1 - (69 / 169) ** 2) ** 64 of all seeds would miss it
    small = noise(31, 500)
    square = np.array(Image.fromarray(small).resize((256, 256), Image.Resampling.BILINEAR))
    patches = [
        simplest_patch(torch.from_numpy(rgb).permute(2, 0, 1), 32, rng=np.random.default_rng(0))
        for rgb in (small, square)
    ]
    assert torch.equal(*patches) and ssp.preprocess(small).shape == (3, 32, 32)
    assert torch.equal(ssp.preprocess(noise(32, 32)), torch.from_numpy(noise(32, 32)).permute(2, 0, 1))


def test_the_filters_are_the_published_ones() -> None:
    srm = SpatialRichModel()
    square3 = np.pad([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], 1) / 4
    rows = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2]]
    square5 = np.array([*rows, rows[1], rows[0]]) / 12
    second = np.pad([[1, -2, 1]], ((2, 2), (1, 1))) / 2
    image = np.random.default_rng(0).normal(size=(3, 20, 17))
    expected = [
        np.clip(sum(correlate(colour, kernel, mode="constant") for colour in image), -3, 3)
        for kernel in (square3, square5, second)
    ]
    ours = srm(torch.from_numpy(image).float()[None])[0]
    np.testing.assert_allclose(ours, np.array(expected), atol=1e-5)
    assert ours.abs().max() == 3
    flat = srm(torch.full((1, 3, 12, 12), 0.4))[..., 2:-2, 2:-2]
    assert flat.abs().max() < 1e-5
    assert not list(srm.parameters())


@torch.no_grad()
def test_logits_are_those_of_filters_and_torchvisions_resnet(ssp: Ssp) -> None:
    from torchvision.models import resnet50

    with torch.device("meta"):
        disc = resnet50(num_classes=1)
    state = ssp.net.state_dict()
    disc.load_state_dict({key[5:]: value for key, value in state.items() if key.startswith("disc.")}, assign=True)
    patches = torch.stack([ssp.preprocess(noise(50, 60, seed)) for seed in range(3)])
    enlarged = functional.interpolate((patches / 255 - MEAN) / STD, (64, 64), mode="bilinear")
    filtered = functional.hardtanh(functional.conv2d(enlarged, state["srm.kernel"], padding=2), -3, 3)
    expected = disc.eval()(filtered)[:, 0]
    assert expected.std() > 1e-2
    torch.testing.assert_close(ssp(patches), expected, rtol=1e-4, atol=1e-5)
    alone = torch.cat([ssp(patch[None]) for patch in patches])
    torch.testing.assert_close(alone, ssp(patches), rtol=1e-4, atol=1e-5)


def test_the_gradient_reaches_the_patch(ssp: Ssp) -> None:
    patches = torch.from_numpy(noise(32, 32)).permute(2, 0, 1)[None].float().requires_grad_()
    ssp(patches).sum().backward()
    assert patches.grad is not None and torch.isfinite(patches.grad).all() and patches.grad.abs().max() > 0


def test_patches_are_enlarged_to_256_pixels_by_default() -> None:
    assert create_detector("ssp").net.side == 256


def test_inputs_without_a_patch_are_refused() -> None:
    for input in ({"crop": None}, {"crop": 300}, {"small": "tile"}):
        with pytest.raises(UsageError, match=r"patch of at most 256 pixels in input\.crop and input\.small=upscale"):
            create_detector("ssp", input=input)


def test_patches_of_real_files_are_plain(ssp: Ssp) -> None:
    folder = Path(__file__).parents[3] / "shared/images"
    files = sorted(folder.glob("*/val/*/*"))[::60]
    if not files:
        pytest.skip("no ../shared/images beside the repository")
    for file in files:
        rgb = np.array(Image.open(file).convert("RGB"))
        centre = torch.from_numpy(rgb).permute(2, 0, 1)[None, :, 64:96, 64:96]
        assert texture(ssp.preprocess(rgb)[None]) <= texture(centre)
