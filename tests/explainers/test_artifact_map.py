"""The detector's own artifact map as an explainer: the probabilities by hand, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from scipy.special import expit, softmax

from synthscope.detectors.artifact_vit import ArtifactVit
from synthscope.detectors.hub import create_detector
from synthscope.errors import UsageError
from synthscope.explainers.artifact_map import artifact_probabilities
from synthscope.explainers.base import create_explainer
from synthscope.inference.heatmaps.explain import explain
from synthscope.inference.heatmaps.store import read_heatmap
from synthscope.schema import MANIFEST, conform
from tests.explainers.tiny import pixels


def artifact_vit(*, masks: str = "softmax", task: str = "both", side: int = 32) -> ArtifactVit:
    """A tiny one whose maps vary over the image."""
    options = {"masks": masks, "task": task, "patch": 8, "depth": 1, "width": 32}
    input = {"resize": None, "crop": side}
    detector = create_detector("artifact_vit", name=f"vit_{masks}", options=options, input=input)
    assert isinstance(detector, ArtifactVit)
    if detector.mask_head is not None:
        generator = torch.Generator().manual_seed(3)
        last = detector.mask_head[-2]
        last.weight.data = torch.randn(last.weight.shape, generator=generator) * 2  # type: ignore[union-attr,operator]
    return detector.eval()


@pytest.mark.parametrize("masks", ["softmax", "sigmoid"])
def test_the_map_is_the_probability_of_any_artifact(masks: str) -> None:
    detector = artifact_vit(masks=masks)
    images = pixels(3, 3, 32, 32)
    with torch.no_grad():
        maps = detector.artifact_logits(images).numpy().astype(np.float64)
    expected = 1 - softmax(maps, axis=1)[:, 0] if masks == "softmax" else expit(maps[:, 1:]).max(1)
    heat = create_explainer("artifact_map")(detector, images)
    np.testing.assert_allclose(heat, expected, rtol=1e-5, atol=1e-7)
    assert heat.min() >= 0 and heat.max() <= 1 and heat.std() > 0.01
    assert create_explainer("artifact_map").layer(detector) == "mask_head"
    alone = torch.cat([create_explainer("artifact_map")(detector, image[None]) for image in images])
    torch.testing.assert_close(alone, heat, rtol=1e-5, atol=1e-6)


def test_tiny_probabilities_keep_their_order() -> None:
    maps = torch.zeros(1, 8, 1, 3)
    maps[0, 0] = torch.tensor([40.0, 41.0, 42.0])  # 1 - p(background) would round to 0
    either = artifact_probabilities(maps, "softmax")[0, 0, 0]
    assert either[0] > either[1] > either[2] > 0
    assert artifact_probabilities(-maps, "softmax").max() == 1


def test_detectors_without_an_artifact_head_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict_only, other = artifact_vit(task="authenticity"), create_detector("cnn_small", input={"crop": 32}).eval()
    for detector in (verdict_only, other):
        with pytest.raises(UsageError, match="a detector of artifacts for artifact_map, got"):
            create_explainer("artifact_map").layer(detector)
        with pytest.raises(UsageError, match="a detector of artifacts"):
            create_explainer("artifact_map")(detector, pixels(1, 3, 32, 32))
    Image.fromarray(pixels(40, 48, 3).numpy()).save(tmp_path / "a.png")
    manifest = conform(pl.DataFrame({"path": [str(tmp_path / "a.png")], "label": [1]}), MANIFEST, "m")
    table = explain(manifest, [artifact_vit(), other], ["artifact_map"], out=tmp_path / "run")
    assert table.height == 1 and table["layer"].to_list() == ["mask_head"]
    assert "left out: artifact_map of cnn_small@" in capsys.readouterr().err
    assert read_heatmap(tmp_path / "run/heatmaps", table.row(0, named=True)).shape == (32, 32)
