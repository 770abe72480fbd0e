"""Sizes of networks that options don't reach."""

from __future__ import annotations

import pytest

from synthscope.detectors import DETECTORS, backbones, bfree, clip, cospy, drct


@pytest.fixture
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views, crops and backbones as small as those of `tests.explainers.recent`."""
    monkeypatch.setattr(cospy, "ARTIFACT_SIDE", 64)
    monkeypatch.setattr(bfree, "SIDE", 56)
    monkeypatch.setattr(drct.DrctConvNext, "model", "test_convnext")
    monkeypatch.setattr(backbones.DeitS, "model", "test_vit")
    for kind in ("cnnspot", "resnet50", "ssp"):
        monkeypatch.setattr(DETECTORS[kind], "model", "test_resnet")
    for kind in ("univfd", "drct_clip"):
        monkeypatch.setattr(DETECTORS[kind], "tower", clip.TINY)
