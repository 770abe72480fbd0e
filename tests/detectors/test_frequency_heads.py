"""What F3Net reads: bands, decomposition and local statistics against scipy in loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft
from torch import Tensor, nn

from synthscope.detectors.frequency_heads import FadHead, LfsHead, band, dct_matrix, fad_bands
from tests.reference.published import f3net


@pytest.mark.parametrize("size", [10, 96, 299])
def test_the_matrix_is_scipys_transform(size: int) -> None:
    np.testing.assert_allclose(dct_matrix(size), fft.dct(np.eye(size), axis=0, norm="ortho"), atol=1e-6)


@given(size=st.integers(10, 400))
@settings(max_examples=30, deadline=None)
def test_the_papers_bands_share_out_the_spectrum(size: int) -> None:
    low, middle, high, whole = (band(size, *bounds) for bounds in fad_bands(size, "paper"))
    assert torch.equal(low + middle + high, whole) and whole.min() == 1
    assert low[0, 0] == 1
    one_diagonal = 0.75 / size  # the diagonal at 1/8 holds size / 2 coefficients; the nearest cut misses half of it
    assert low.mean().item() == pytest.approx(1 / 16, abs=one_diagonal)
    assert (low + middle).mean().item() == pytest.approx(1 / 8, abs=one_diagonal)


def test_the_published_bands_at_299() -> None:
    low, middle, high, whole = (band(299, *bounds) for bounds in fad_bands(299, "published"))
    shares = [round(100 * mask.mean().item(), 2) for mask in (low, middle, high)]
    assert shares == [0.21, 0.62, 49.67]
    assert not any(mask[0, 0] for mask in (low, middle, high, whole))
    assert (low + middle + high)[299 - 1, 2] == 0 and (low + middle + high)[299 - 1, 1] == 1
    assert whole.sum() == 299**2 - 1


def by_loops(size: int, start: float, end: float) -> np.ndarray:
    return np.array([[float(start < i + j <= end) for j in range(size)] for i in range(size)])


def gate(learnable: Tensor) -> np.ndarray:
    return 2 / (1 + np.exp(-learnable.detach().double().numpy())) - 1


@pytest.mark.parametrize("heads", ["paper", "published"])
def test_fad_is_a_band_pass_of_the_dct(heads: str) -> None:
    torch.manual_seed(0)
    head = FadHead(24, heads)  # type: ignore[arg-type]
    images = torch.randn(2, 3, 24, 24)
    # of 576 coefficients 36 = 1/16 have i + j <= 7; 66 have i + j <= 10 and 78 have <= 11, both 6 from 72 = 1/8
    bounds = {"paper": [(-1, 7), (7, 10), (10, 48), (-1, 48)], "published": [(0, 1), (1, 3), (3, 24), (0, 48)]}[heads]
    with torch.no_grad():
        ours = head(images).numpy()
    for image in range(2):
        for number, (start, end) in enumerate(bounds):
            mask = by_loops(24, start, end) + gate(head.filters[number].learnable)
            for colour in range(3):
                spectrum = fft.dctn(images[image, colour].double().numpy(), norm="ortho")
                wanted = fft.idctn(spectrum * mask, norm="ortho")
                np.testing.assert_allclose(ours[image, 3 * number + colour], wanted, atol=1e-5)


def test_the_papers_bands_add_up_to_the_whole_image() -> None:
    head = FadHead(48, "paper")
    for mask in head.filters:
        nn.init.zeros_(mask.learnable)
    images = torch.rand(1, 3, 48, 48)
    low, middle, high, whole = head(images).detach().split(3, 1)
    torch.testing.assert_close(low + middle + high, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(whole, images, atol=1e-5, rtol=0)
    brightness = torch.full((1, 3, 48, 48), 0.4)
    torch.testing.assert_close(head(brightness)[:, :3].detach(), brightness, atol=1e-5, rtol=0)  # DC is in the low band


@pytest.mark.parametrize("side", [20, 27])
@pytest.mark.parametrize("heads", ["paper", "published"])
def test_lfs_counts_frequencies_of_windows(heads: str, side: int) -> None:
    torch.manual_seed(1)
    head = LfsHead(heads)  # type: ignore[arg-type]
    images = torch.rand(1, 3, side, side) * 2 - 1
    with torch.no_grad():
        ours = head(images)[0].numpy()
    red, green, blue = images[0].double().numpy()
    grey = (0.299 * red + 0.587 * green + 0.114 * blue + 1) * (122.5 if heads == "published" else 127.5)
    padded = np.pad(grey, 4)
    edges = [20 / 6 * number for number in range(7)]
    edges[0] = 0 if heads == "published" else -1
    positions = range(0, padded.shape[0] - 9, 2)
    assert ours.shape == (6, len(positions), len(positions))
    for number in range(6):
        base = by_loops(10, edges[number], edges[number + 1])
        mask = (base + gate(head.filters[number].learnable)) / base.sum()
        for row, top in enumerate(positions):
            for column, left in enumerate(positions):
                spectrum = fft.dctn(padded[top : top + 10, left : left + 10], norm="ortho")
                if heads == "published":
                    wanted = (np.log10(np.abs(spectrum) + 1e-15) * mask).sum()
                else:
                    wanted = np.log10(np.abs(spectrum * mask).sum() + 1e-3)
                assert ours[number, row, column] == pytest.approx(wanted, abs=2e-3)


def test_coefficients_a_band() -> None:
    def counts(heads: str) -> list[int]:
        return [int(mask.ft_num) for mask in LfsHead(heads).filters]  # type: ignore[arg-type]

    assert counts("published") == [9, 18, 36, 21, 12, 3]
    assert counts("paper") == [10, 18, 36, 21, 12, 3]


@pytest.mark.parametrize("kind", ["flat", "half flat", "stripes", "texture"])
def test_published_statistics_round_as_the_original(kind: str) -> None:
    """Where coefficients cancel, the logarithm is that of the last bit, which depends on the order of the sums."""
    side = np.arange(299)
    texture = np.random.default_rng(2).integers(0, 256, (2, 3, 299, 299))
    pixels = {
        "flat": np.full((2, 3, 299, 299), 77),
        "half flat": np.where(side < 150, 200, texture),
        "stripes": np.broadcast_to(side // 16 % 2 * 180 + 20, (2, 3, 299, 299)),
        "texture": texture,
    }[kind]
    images = torch.from_numpy(pixels.astype(np.float32)) / 255 * 2 - 1
    original, head = f3net.Lfs(), LfsHead("published")
    state = original.state_dict()
    for key, learnable in state.items():
        if key.endswith("learnable"):
            learnable.normal_(0, 0.1, generator=torch.Generator().manual_seed(3))
    original.load_state_dict(state)
    head.load_state_dict(state)
    with torch.no_grad():
        theirs = original(images)
        torch.testing.assert_close(head(images), theirs, rtol=0, atol=1e-4)  # another order: up to 6
