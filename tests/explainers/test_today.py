"""Every explainer on every architecture of the list, small, and what the targets of recent detectors must show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from synthscope.detectors import DETECTORS
from synthscope.errors import UsageError
from synthscope.explainers import EXPLAINERS
from synthscope.explainers.base import create_explainer
from synthscope.explainers.targets import target_layers
from tests.explainers.recent import SEES_TOKENS, TODAY, images_for, small
from tests.explainers.tiny import pixels

pytestmark = pytest.mark.usefixtures("small_networks")
CHEAP = {
    "occlusion": "occlusion:window=24,stride=24",
    "rise": "rise:masks=4",
    "integrated_gradients": "integrated_gradients:steps=2,max_steps=2",
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
    noise = ("net.model_min.layer4", "net.model_max.layer4")
    assert chosen["aide"] == ("net.openclip_convnext_xxl.head.norm", *noise)
    assert chosen["effort"] == chosen["c2p_clip"] == ("net.model.blocks.2.norm1",)
    assert chosen["rine"] == tuple(f"net.model.blocks.{number}.norm1" for number in range(3))
    assert chosen["commfor"] == ("net.vit.blocks.11.norm1",)
    assert chosen["dda"] == ("net.model.blocks.1.norm1",) and chosen["bfree"] == ("net.blocks.1.norm1",)
    assert chosen["cospy"] == ("net.semantic.model.blocks.1.norm1", "net.artifact.artifact_encoder.layer2")
    assert chosen["cospy_progan"] == ("net.semantic.model.blocks.2.norm1", "net.artifact.artifact_encoder.layer2")


def test_the_page_says_which_explainers_work() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/detectors_2025.md").read_text(encoding="utf-8")
    table = page.partition("## Which explainers work on which")[2]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (yes|no)[^|]* \|$", table, re.MULTILINE)
    assert {name for name, *_ in rows} == set(TODAY)
    for name, layers, attention in rows:
        detector = small(name)
        looked_at = {re.sub(r"blocks\.\d+", "blocks.N", layer) for layer in target_layers(detector)}
        assert set(re.findall(r"`([^`]+)`", layers)) == looked_at, name
        assert ("every block" in layers) == (len(target_layers(detector)) > len(looked_at)), name
        assert (attention == "yes") == (name in SEES_TOKENS), name  # which the test of all pairs tries out


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
