"""The third detector of the truth test: of the same kind, with nothing that anybody has learnt."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.studies.truth.study import untrained

INPUT = {"resize": None, "crop": 56}
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 56, 56), dtype=np.uint8))


def trained(architecture: str, **options: str | int | bool) -> Detector:
    """As from a folder, of weights that are no longer where its options say."""
    given = options | ({"weights": "random"} if "weights" in options else {})
    given = given | ({"pretrained": False} if "pretrained" in options else {})
    detector = create_detector(architecture, name="known", options=given, input=INPUT, seed=5)
    detector.config = detector.config.model_copy(update={"options": options})
    return detector.eval()


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("cnn_small", {"width": 4}),
        ("npr", {}),
        ("timm:test_resnet", {"pretrained": True}),
        ("linear_probe", {"backbone": "test_resnet", "weights": "/nowhere/resnet.safetensors"}),
        ("c2p_clip", {"tower": "tiny", "weights": "hf-hub:timm/vit_large_patch14_clip_224.openai"}),
        ("dda", {"size": "tiny", "weights": "/nowhere/dinov2.safetensors"}),
    ],
)
def test_the_kind_is_kept_and_every_weight_is_another(architecture: str, options: dict[str, str | int | bool]) -> None:
    detector = trained(architecture, **options)
    other, again, third = (untrained(detector, "other", seed).eval() for seed in (0, 0, 1))
    told, known = other.config, detector.config
    assert (told.name, told.architecture, told.input) == ("other", known.architecture, known.input)
    drop = {"weights", "pretrained"}
    left = [{key: value for key, value in config.options.items() if key not in drop} for config in (told, known)]
    assert left[1].items() <= left[0].items() and told.options.get("weights", "random") == "random"
    mine = dict(detector.named_parameters())
    assert mine.keys() == dict(other.named_parameters()).keys()
    drawn = {name for name, each in mine.items() if each.numel() > 2 and each.std() > 0}  # no norms' ones and zeros
    changed = {name for name, each in other.named_parameters() if not torch.equal(each, mine[name])}
    assert drawn and drawn <= changed, drawn - changed
    with torch.no_grad():
        assert torch.equal(other(IMAGES), again(IMAGES)) and not torch.equal(other(IMAGES), third(IMAGES))
