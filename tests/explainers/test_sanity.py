"""Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018: other weights must give other heatmaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.explainers.base import Explainer, create_explainer
from tests.explainers.recent import SEES_TOKENS, TODAY, images_for, small

pytestmark = pytest.mark.usefixtures("small_networks")
# networks behind the last weights that see the image: what a random draw of the head replaces
HEADS = {
    "safe": ["net.fc1"],
    "aide": ["net.fc"],
    "rine": ["net.alpha", "net.proj1", "net.proj2", "net.head"],
    "commfor": ["net.vit.head"],
    "bfree": ["net.head"],
    "cospy": ["net.semantic.fc", "net.artifact.fc", "net.fusion"],
    "cospy_progan": ["net.semantic.fc", "net.artifact.fc", "net.fusion"],
    "effort": ["net.fc"],
    "dda": ["net.fc"],
    "c2p_clip": ["net.fc"],
}


class Edges(Explainer):
    """What the check is there to find: a picture of the image, whatever the weights."""

    name = "edges"

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        grey = images.float().mean(1)
        return nn.functional.pad((grey[:, 1:, 1:] - grey[:, :-1, :-1]).abs(), (1, 0, 1, 0))


def drawn(detector: Detector, parts: Sequence[str], seed: int) -> None:
    """Replace the weights of ``parts``, all weights for ``[""]``, by random ones of the same mean and spread."""
    generator = torch.Generator().manual_seed(seed)
    for part in parts:
        owner, _, leaf = part.rpartition(".")
        found = getattr(detector.get_submodule(owner), leaf) if part else detector
        for parameter in [found] if isinstance(found, nn.Parameter) else found.parameters():
            many = parameter.numel() > 2
            spread, mean = (parameter.data.std(), parameter.data.mean()) if many else (0.3, 0)
            parameter.data = torch.randn(parameter.shape, generator=generator) * spread + mean


def kept(detector: Detector, methods: Sequence[Explainer], parts: Sequence[str]) -> NDArray[np.float64]:
    """Mean absolute rank correlation of each method's heatmaps, image by image, with those of two draws."""
    images = images_for(detector, 2)
    if detector.config.architecture == "bfree":
        images = images[..., :56, :56]  # whole patches, of which it sees all
    before = [method(detector, images).flatten(1).numpy() for method in methods]
    rows = []
    for seed in range(2):
        drawn(detector, parts, seed)
        after = [method(detector, images).flatten(1).numpy() for method in methods]
        rows.append([ranks(old, new) for old, new in zip(before, after, strict=True)])
    return np.mean(rows, axis=0)


def ranks(old: NDArray[np.float32], new: NDArray[np.float32]) -> float:
    pairs = zip(old, new, strict=True)
    return float(np.mean([abs(np.nan_to_num(spearmanr(a, b).statistic)) for a, b in pairs]))  # NaN: one is all zero


def methods_for(name: str) -> list[Explainer]:
    """Those that promise it: Grad-CAM++ and LayerCAM keep much of what any weights show (results/xaigd)."""
    tokens = ["grad_rollout", "chefer"] if name in SEES_TOKENS else []
    return [create_explainer(method) for method in ["gradcam", "input_x_grad", *tokens]]


@pytest.mark.parametrize("name", HEADS)
def test_heatmaps_are_lost_with_all_weights(name: str) -> None:
    assert HEADS.keys() == TODAY.keys()
    methods = methods_for(name)
    found = kept(small(name), methods, [""])
    assert found.max() < 0.5, dict(zip(map(str, methods), found.round(2), strict=True))


@pytest.mark.parametrize("name", HEADS)
def test_heatmaps_depend_on_what_the_head_learnt(name: str) -> None:
    methods = [create_explainer(method) for method in ("gradcam", "input_x_grad")]
    found = kept(small(name), methods, HEADS[name])
    assert found.max() < 0.65, found


def test_the_check_finds_a_map_that_knows_no_weights() -> None:
    assert kept(small("safe"), [Edges()], [""]) == pytest.approx([1])
    assert kept(small("safe"), [Edges()], HEADS["safe"]) == pytest.approx([1])


def test_the_check_finds_that_plain_rollout_knows_nothing_of_the_head() -> None:
    rollout = [create_explainer("attn_rollout")]
    assert kept(small("c2p_clip"), rollout, HEADS["c2p_clip"]) == pytest.approx([1])
    assert kept(small("c2p_clip"), rollout, [""]).max() < 0.5
