"""Recent detectors with small networks of random weights, whose heads speak."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from tests.explainers.tiny import pixels, settled

TOWER = {"tower": "tiny", "weights": "random"}
SIZE = {"size": "tiny", "weights": "random"}
# side of the input and options of the detectors of 2024 and 2025
TODAY: dict[str, tuple[int | None, dict[str, str | int]]] = {
    "safe": (64, {}),
    "rine": (56, {**TOWER, "width": 32}),
    "effort": (56, TOWER),
    "aide": (None, {"size": "tiny", "view": 64}),
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
SEES_TOKENS = {"rine", "effort", "commfor", "cospy", "cospy_progan", "dda", "bfree", "c2p_clip"} | {
    "artifact_vit", "deit_s", "drct_clip", "univfd",
}  # fmt: skip


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
