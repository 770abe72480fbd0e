"""Every explainer on every architecture of the list, small, and what the targets of recent detectors must show."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from synthscope.detectors import DETECTORS, aide, backbones, bfree, clip, cospy, drct
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.errors import UsageError
from synthscope.explainers import EXPLAINERS
from synthscope.explainers.base import create_explainer
from synthscope.explainers.targets import target_layers
from tests.explainers.tiny import pixels, settled

CHEAP = {
    "occlusion": "occlusion:window=24,stride=24",
    "rise": "rise:masks=4",
    "integrated_gradients": "integrated_gradients:steps=2,max_steps=2",
}
TOWER = {"tower": "tiny", "weights": "random"}
SIZE = {"size": "tiny", "weights": "random"}
# side of the input and options of the detectors of 2024 and 2025
TODAY: dict[str, tuple[int | None, dict[str, str | int]]] = {
    "safe": (64, {}),
    "rine": (56, {**TOWER, "width": 32}),
    "effort": (56, TOWER),
    "aide": (None, {"size": "tiny"}),
    "commfor": (64, {"size": "tiny"}),
    "cospy": (56, SIZE),
    "cospy_progan": (56, TOWER),
    "dda": (56, SIZE),
    "bfree": (None, {"size": "tiny"}),
    "c2p_clip": (56, TOWER),
}
OLDER: dict[str, tuple[int | None, dict[str, str | int]]] = {
    "ssp": (32, {"side": 32}),
    "drct_clip": (56, {"weights": "random"}),
    "univfd": (56, {"weights": "random"}),
    "tiny_ladeda": (40, {}),
}
ELSEWHERE = {
    "cnn_small",
    "f3net",
    "freqnet",
    "gramnet",
    "ladeda",
    "linear_probe",
    "npr",
    "spec",
    "spectrum_lr",
    "swin_t",
    "timm",
}
ATTENTION = {"attn_rollout", "grad_rollout", "chefer"}
CAMS = {"gradcam", "gradcam++", "layercam"}
SEES_TOKENS = {"rine", "effort", "commfor", "cospy", "cospy_progan", "dda", "bfree", "c2p_clip"} | {
    "artifact_vit", "deit_s", "drct_clip", "univfd",
}  # fmt: skip
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


@pytest.fixture(autouse=True)
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that options don't reach."""
    monkeypatch.setattr(aide, "VIEW", 64)
    monkeypatch.setattr(cospy, "ARTIFACT_SIDE", 64)
    monkeypatch.setattr(bfree, "SIDE", 56)
    monkeypatch.setattr(drct.DrctConvNext, "model", "test_convnext")
    monkeypatch.setattr(backbones.DeitS, "model", "test_vit")
    for kind in ("cnnspot", "resnet50", "ssp"):
        monkeypatch.setattr(DETECTORS[kind], "model", "test_resnet")
    for kind in ("univfd", "drct_clip"):
        monkeypatch.setattr(DETECTORS[kind], "tower", clip.TINY)


@cache
def built(name: str) -> Detector:
    side, options = (TODAY | OLDER).get(name, (64, {}))
    detector = create_detector(
        name, options=options, input={"resize": None, "resize_mode": "short", "crop": side}, seed=1
    )
    generator = torch.Generator().manual_seed(2)
    for module in detector.modules():
        if isinstance(module, nn.Linear) and module.out_features == 1:  # timm starts heads near zero
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * 0.2
    return settled(detector)


def small(name: str) -> Detector:
    return deepcopy(built(name))


def images_for(detector: Detector, n: int = 1) -> Tensor:
    side = detector.config.input.side or 64
    return pixels(n, 3, side, side)


def suits(explainer: str, detector: str) -> bool:
    if explainer in ATTENTION:
        return detector in SEES_TOKENS
    if explainer in CAMS:
        return True
    if explainer == "artifact_map":
        return detector == "artifact_vit"
    return explainer != "patch_logits" or detector == "tiny_ladeda"


@pytest.mark.parametrize("name", sorted(set(DETECTORS) - ELSEWHERE))
def test_every_pair_gives_a_heatmap_or_names_those_that_do(name: str) -> None:
    detector = small(name)
    images = images_for(detector)
    works, advice = set(), set()
    for method in EXPLAINERS:
        explainer = create_explainer(CHEAP.get(method, method))
        if not suits(method, name):
            with pytest.raises(UsageError, match=r"^Expected [^.]*, got [^.]*\. Use [^.]*\.$") as refusal:
                explainer(detector, images)
            advice |= set(re.findall(r"[\w+]+", str(refusal.value).partition("Use ")[2])) & set(EXPLAINERS)
            assert advice
            continue
        heat = explainer(detector, images)
        assert heat.shape == (1, *images.shape[-2:]) and heat.isfinite().all() and heat.std() > 0, method
        assert explainer.layer(detector)
        works.add(method)
    assert advice <= works


def test_the_targets_of_recent_detectors() -> None:
    chosen = {name: target_layers(small(name)) for name in TODAY}
    assert chosen["safe"] == ("net.layer2",)
    assert chosen["aide"] == ("net.openclip_convnext_xxl.head.norm",)
    assert chosen["effort"] == chosen["c2p_clip"] == ("net.model.blocks.2.norm1",)
    assert chosen["rine"] == tuple(f"net.model.blocks.{number}.norm1" for number in range(3))
    assert chosen["commfor"] == ("net.vit.blocks.11.norm1",)
    assert chosen["dda"] == ("net.model.blocks.1.norm1",) and chosen["bfree"] == ("net.blocks.1.norm1",)
    assert chosen["cospy"] == ("net.semantic.model.blocks.1.norm1", "net.artifact.artifact_encoder.layer2")
    assert chosen["cospy_progan"] == ("net.semantic.model.blocks.2.norm1", "net.artifact.artifact_encoder.layer2")


def test_rine_is_explained_where_it_reads() -> None:
    """All weight on the first block: the last one's heatmap is zero, the sum over blocks is the first one's."""
    detector = small("rine")
    detector.net.alpha.data[:, 0] = 100
    images = images_for(detector)
    first, last, default = (
        create_explainer(text)(detector, images)
        for text in ("gradcam:layer=net.model.blocks.0.norm1", "gradcam:layer=net.model.blocks.2.norm1", "gradcam")
    )
    assert first.max() > 0 and last.abs().max() < 1e-6 * first.max()
    torch.testing.assert_close(default, first)


def test_registers_and_class_token_are_left_out_and_crops_laid_back() -> None:
    """Where one patch of the image changes, there the heatmap changes most: not in a crop, not some tokens beside."""
    detector = small("bfree")
    assert detector.net.num_prefix_tokens == 5
    plain = torch.full((1, 3, 98, 98), 120, dtype=torch.uint8)
    changed = plain.clone()
    changed[:, :, 70:84, 28:42] = pixels(1, 3, 14, 14)
    for method in ("attn_rollout", "chefer", "gradcam++"):
        explainer = create_explainer(method)
        change = (explainer(detector, changed) - explainer(detector, plain)).abs()
        patches = nn.functional.avg_pool2d(change[:, None], 14)[0, 0]
        assert divmod(int(patches.argmax()), 7) == (5, 2), method


def drawn(detector: Detector, parts: list[str], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for part in parts:
        owner, _, leaf = part.rpartition(".")
        found = getattr(detector.get_submodule(owner), leaf)
        for parameter in [found] if isinstance(found, nn.Parameter) else found.parameters():
            scale = parameter.data.std() if parameter.numel() > 2 else 0.3
            parameter.data = torch.randn(parameter.shape, generator=generator) * scale


@pytest.mark.parametrize("name", HEADS)
def test_heatmaps_depend_on_what_the_head_learnt(name: str) -> None:
    """Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, the head alone: ranks are not kept."""
    assert HEADS.keys() == TODAY.keys()
    detector = small(name)
    images = images_for(detector, 2)
    methods = [create_explainer(method) for method in ("gradcam", "input_x_grad")]
    before = [method(detector, images).flatten() for method in methods]
    kept = []
    for seed in range(3):
        drawn(detector, HEADS[name], seed)
        after = [method(detector, images).flatten() for method in methods]
        kept.append([spearmanr(old, new).statistic for old, new in zip(before, after, strict=True)])
    assert np.abs(kept).mean(0).min() < 0.6, kept


def test_plain_rollout_knows_nothing_of_the_head() -> None:
    detector = small("c2p_clip")
    images = images_for(detector)
    before = create_explainer("attn_rollout")(detector, images)
    drawn(detector, HEADS["c2p_clip"], 0)
    torch.testing.assert_close(create_explainer("attn_rollout")(detector, images), before)
