"""Geometry and value range of the input, against torchvision and Pillow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope import runtime
from synthscope.detectors.base import preprocess, resize
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import UnreadableImageError


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_centre_crop_is_torchvisions_with_its_padding_and_rounding(height: int, width: int, crop: int) -> None:
    runtime.import_torchvision()
    from torchvision.transforms.v2.functional import center_crop

    rgb = noise(height, width)
    ours = preprocess(rgb, InputConfig(resize=None, crop=crop, small="pad"))
    assert torch.equal(ours, center_crop(torch.from_numpy(rgb).permute(2, 0, 1), [crop, crop]))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_a_corner_rounded_down_is_where_albumentations_begins(height: int, width: int, crop: int) -> None:
    rgb = noise(height, width)
    rows, columns = (max(crop - side, 0) for side in (height, width))
    padded = np.pad(rgb, ((rows // 2, -(-rows // 2)), (columns // 2, -(-columns // 2)), (0, 0)))
    y, x = (padded.shape[0] - crop) // 2, (padded.shape[1] - crop) // 2
    ours = preprocess(rgb, InputConfig(resize=None, crop=crop, corner="floor", small="pad"))
    assert np.array_equal(ours.permute(1, 2, 0).numpy(), padded[y : y + crop, x : x + crop])


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (128, 128), (60, 90)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resize_and_crop_stay_within_a_grey_level_of_pillow(size: tuple[int, int], interpolation: str) -> None:
    rgb = noise(*size)
    height, width = size
    target = (int(64 * width / height), 64) if height <= width else (64, int(64 * height / width))
    theirs = np.asarray(Image.fromarray(rgb).resize(target, getattr(Image.Resampling, interpolation.upper())))
    top, left = round((theirs.shape[0] - 56) / 2), round((theirs.shape[1] - 56) / 2)
    theirs = theirs[top : top + 56, left : left + 56].astype(int)
    config = InputConfig(resize=64, crop=56, interpolation=interpolation)
    ours = preprocess(rgb, config).permute(1, 2, 0).numpy().astype(int)
    assert ours.shape == (56, 56, 3)
    assert np.abs(ours - theirs).max() <= 1


def test_small_images_are_enlarged_or_padded_and_square_mode_ignores_the_aspect() -> None:
    rgb = np.full((20, 40, 3), 200, np.uint8)
    assert preprocess(rgb, InputConfig(resize=None, crop=32, small="upscale")).min() == 200
    padded = preprocess(rgb, InputConfig(resize=None, crop=32, small="pad"))
    assert (padded[:, :6] == 0).all() and (padded[:, 6:26] == 200).all() and (padded[:, 26:] == 0).all()
    assert preprocess(rgb, InputConfig(resize=24, resize_mode="square", crop=None)).shape == (3, 24, 24)
    assert preprocess(rgb, InputConfig(resize=None, crop=None)).shape == (3, 20, 40)


def test_resize_keeps_uint8_and_returns_the_same_pixels_at_the_same_size() -> None:
    image = torch.from_numpy(noise(9, 7)).permute(2, 0, 1)
    assert torch.equal(resize(image, 9, 7, "bicubic"), image)
    assert resize(image, 5, 4, "bicubic").dtype == torch.uint8


def test_normalisation_is_torchvisions_and_takes_bytes_or_floats() -> None:
    runtime.import_torchvision()
    from torchvision.transforms.v2.functional import normalize

    detector = create_detector("cnn_small")
    images = torch.from_numpy(noise(8, 8)).permute(2, 0, 1)[None]
    expected = normalize(images / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(detector.normalize(images), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(detector.normalize(images), detector.normalize(images.float()))


def test_read_only_pixels_are_not_warned_about(recwarn: pytest.WarningsRecorder) -> None:
    rgb = noise(8, 8)
    rgb.flags.writeable = False
    preprocess(rgb, InputConfig(resize=None, crop=4))
    assert not recwarn.list


@pytest.mark.parametrize(
    "change",
    [
        {"resize": 255},
        {"crop": 223},
        {"corner": "floor"},
        {"small": "pad"},
        {"interpolation": "bicubic"},
        {"fill": 256},
        {"mean": (0.5, 0.5, 0.5)},
    ],
)
def test_every_field_changes_the_digest(change: dict[str, object]) -> None:
    assert InputConfig().model_copy(update=change).digest() != InputConfig().digest()
    assert len(InputConfig().digest()) == 12


def test_a_thin_strip_is_refused_before_it_grows() -> None:
    with pytest.raises(UnreadableImageError, match="25600000x256 from 100000x1"):
        preprocess(np.zeros((1, 100_000, 3), np.uint8), InputConfig(resize=256))


def test_published_resamplers_give_exactly_pillows_and_opencvs_pixels() -> None:
    rgb = noise(61, 47)
    for kernel in ("bilinear", "bicubic"):
        config = InputConfig(resize=32, resize_mode="square", crop=None, interpolation=f"pillow_{kernel}")
        theirs = np.asarray(Image.fromarray(rgb).resize((32, 32), Image.Resampling[kernel.upper()]))
        assert np.array_equal(preprocess(rgb, config).permute(1, 2, 0).numpy(), theirs)
    config = InputConfig(resize=96, resize_mode="square", crop=None, interpolation="opencv_bilinear")
    theirs = cv2.resize(rgb, (96, 96), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(preprocess(rgb, config).permute(1, 2, 0).numpy(), theirs)


def test_small_images_are_repeated_in_tile_mode() -> None:
    rgb = noise(5, 8)
    tiled = preprocess(rgb, InputConfig(resize=None, crop=10, small="tile"))
    assert torch.equal(tiled, torch.from_numpy(np.tile(rgb, (2, 2, 1))[:, 3:13]).permute(2, 0, 1))


def test_side_is_the_size_of_every_input() -> None:
    assert InputConfig(resize=256, crop=224).side == 224
    assert InputConfig(resize=256, resize_mode="square", crop=None).side == 256
    assert InputConfig(resize=256, crop=None).side is None
