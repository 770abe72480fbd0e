"""A detector's input laid back over the image, against torch's antialiased resize."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from synthscope.detectors import DETECTORS
from synthscope.detectors.base import DetectorConfig, preprocess
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig, place
from synthscope.errors import UsageError

BEFORE = {  # digests of input, and of input and options, from before there was a corner: stores and folders hold them
    "artifact_vit": ("cd3a28a296c1", "f2c63c36f977"),
    "cnn_small": ("547fd6d24a11", "aaa15b7812fc"),
    "cnnspot": ("496e3441ebe9", "3847eae70703"),
    "deit_s": ("f94ec784ab60", "58da7eb867dc"),
    "drct_clip": ("30a02caca290", "15801840960a"),
    "drct_convnext": ("30a02caca290", "d232c0a69851"),
    "f3net": ("92784584e4d9", "80cf6f520c43"),
    "gramnet": ("46aef5368283", "b865a0f01f42"),
    "npr": ("d497f7e7e5d7", "7c6242d92757"),
    "resnet50": ("4e0df32735ec", "1a5efe7b012d"),
    "spec": ("b6b36537fb78", "d5795049c603"),
    "ssp": ("3089c520066e", "a184e1592f87"),
    "univfd": ("61f531e02415", "650157134c0a"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_digests_of_old_inputs_stay(name: str) -> None:
    with torch.device("meta"):
        config = create_detector(name, input={"corner": "round"}).config
    assert (config.input.digest(), config.digest()) == BEFORE[name]
    assert config.input == InputConfig.model_validate_json(config.input.model_dump_json())
    assert (DETECTORS[name].input_for(name).digest() == BEFORE[name][0]) == (not name.startswith("drct"))


def test_a_corner_that_is_not_the_default_is_written_down() -> None:
    config = DetectorConfig(name="a", architecture="npr", input=InputConfig(corner="floor"))
    assert DetectorConfig.model_validate_json(config.model_dump_json()) == config
    assert "corner" not in InputConfig().model_dump_json()


@pytest.mark.parametrize("corner", ["round", "floor"])
@pytest.mark.parametrize("small", ["upscale", "pad", "tile"])
@settings(max_examples=40, deadline=None)
@given(st.integers(3, 40), st.integers(3, 40), st.integers(3, 40), st.sampled_from([None, 50]))
def test_a_placed_pixel_lies_where_the_input_was_cut(corner, small, height, width, crop, fill) -> None:
    """Images of native size, whose pixels say where they are."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = np.arange(height)[:, None], np.arange(width), 255
    config = InputConfig(resize=None, crop=crop, corner=corner, small=small, fill=fill)
    if small == "upscale" and min(height, width) < crop:
        return
    rows, columns, inside = preprocess(rgb, config).numpy().astype(int)
    seen = np.zeros((height, width), bool)
    seen[rows[inside > 0], columns[inside > 0]] = True
    placed = place(rows * 100 + columns, config, rgb.shape)
    np.testing.assert_array_equal(placed.seen, seen)
    where = np.arange(height)[:, None] * 100 + np.arange(width)
    np.testing.assert_allclose(placed.heat[seen], where[seen], rtol=1e-6)


@pytest.mark.parametrize("size", [(40, 50), (64, 64), (97, 131), (300, 500), (20, 700)])
def test_a_whole_input_is_resized_as_torch_resizes_it(size: tuple[int, int]) -> None:
    heatmap = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    placed = place(heatmap, InputConfig(resize=64, resize_mode="square", crop=None), size)
    expected = functional.interpolate(
        torch.from_numpy(heatmap)[None, None], size, mode="bilinear", antialias=True, align_corners=False
    )[0, 0]
    assert placed.seen.all() and placed.heat.dtype == np.float32
    np.testing.assert_allclose(placed.heat, expected.numpy(), atol=5e-5)  # torch computes places in float32


def test_equal_neighbours_stay_equal() -> None:
    heatmap = np.kron(np.arange(16, dtype=np.float32).reshape(4, 4), np.ones((16, 16), np.float32))
    heat = place(heatmap, InputConfig(resize=64, resize_mode="square", crop=None), (192, 192)).heat
    inner = heat.reshape(4, 48, 4, 48)[:, 3:-3, :, 3:-3]
    assert np.ptp(inner, axis=(1, 3)).max() == 0


def test_a_heatmap_of_another_size_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Expected a heatmap of \(64, 64\), the detector's input, got \(32, 64\)"):
        place(np.zeros((32, 64)), InputConfig(crop=64), (100, 100))
