"""B-Free against five crops of tokens in a plain transformer."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from synthscope.data.images import read_rgb
from synthscope.detectors.bfree import BFree
from synthscope.detectors.hub import create_detector
from synthscope.errors import UnreadableImageError
from synthscope.explainers.base import create_explainer, to_image
from tests.detectors import today
from tests.reference.published import vit

TINY = {"size": "tiny"}


def shapes(width: int = 768, depth: int = 12) -> vit.Shapes:
    ends = {"cls_token": (1, 1, width), "reg_token": (1, 4, width), "head.weight": (1, width), "head.bias": (1,)}
    return vit.tower_shapes(width, depth, 4 * width, 14, 36 * 36, scale=True) | ends


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return vit.random_weights(shapes(64, 2))


def test_logits_are_those_of_five_crops_of_tokens(state: dict[str, Tensor], tmp_path: Path) -> None:
    detector = today.imported({"model": state}, "bfree", tmp_path, options=TINY)
    sizes = [(531, 700), (97, 130), (300, 1100)]  # larger, tiny, short and wide
    today.same_logits(detector, vit.bfree(state, 4), today.image_files(tmp_path, sizes))
    card = (tmp_path / "detector" / "README.md").read_text()
    assert "Test rule: the mean of five logits" in card and "crops=five" in card and "non-profit" in card


def test_heatmaps_lay_the_crops_over_the_image(state: dict[str, Tensor], tmp_path: Path) -> None:
    detector = today.imported({"model": state}, "bfree", tmp_path, options=TINY)
    assert isinstance(detector, BFree)
    file = today.image_files(tmp_path, [(520, 690)])[0]
    images = detector.preprocess(read_rgb(file))[None]
    heat = create_explainer("gradcam")(detector, images)
    assert heat.shape == (1, 520, 690) and heat.std() > 0
    assert (heat[:, 14 * 37 :] == 0).all()  # no crop sees the last rows
    assert create_explainer("chefer")(detector, images[:1, :, :100]).std() > 0  # which is seen once, repeated
    assert to_image(heat[0], detector, (520, 690)).heat.shape == (520, 690)
    ones = detector.over_input(torch.ones(5, 36, 36), torch.zeros(1, 3, 1100, 1100), "net")  # views of every pixel
    assert ones.max() == 2 and ones[0, 0, 0] == 1 and ones[0, 300, 300] == 2 and ones[0, 550, 100] == 0
    small = detector.over_input(torch.ones(1, 36, 36), torch.zeros(1, 3, 60, 1000), "net")  # 56 rows, nine times
    assert small[0, 0, 0] == 9 and small[0, 57, 0] == 0 and small[0, 0, 600] == 0


def test_one_crop_is_an_option(state: dict[str, Tensor]) -> None:
    detector = create_detector("bfree", options={**TINY, "crops": "centre"}).eval()
    images = today.noise(1, 3, 700, 700)
    with torch.no_grad():
        crop = detector(images[..., 98 : 98 + 504, 98 : 98 + 504])
        torch.testing.assert_close(detector(images), crop, rtol=1e-5, atol=1e-6)


def test_keys_are_those_of_the_published_file() -> None:
    assert today.layout("bfree") == shapes()
    assert len(shapes()) == 177 and sum(map(math.prod, shapes().values())) == 86_526_721


def test_other_files_and_images_below_a_patch_are_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    today.refused(state, "bfree", tmp_path, options=TINY)
    today.refused({**state, "pos_embed": torch.zeros(1, 1369, 64)}, "bfree", tmp_path, options=TINY)
    with pytest.raises(UnreadableImageError, match=r"^Expected 14 x 14 pixels or more.*, got 90 x 13\. Leave"):
        create_detector("bfree", options=TINY).preprocess(np.zeros((13, 90, 3), np.uint8))
