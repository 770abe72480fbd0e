"""SAFE against a plain copy of the published program, and its wavelet against PyWavelets."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from synthscope.detectors.safe import diagonal_details
from synthscope.explainers.base import create_explainer
from tests.detectors import today
from tests.reference.published import safe
from tests.reference.published.plain import randomize, settle


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> safe.Safe:
    network, folder = safe.Safe(), tmp_path_factory.mktemp("settle")
    randomize(network, 7, head=0.5)
    with torch.no_grad():
        settle(network, safe.program(network), today.image_files(folder)[0])
    return network


def test_logits_are_those_of_the_published_program(network: safe.Safe, tmp_path: Path) -> None:
    content = {"model": network.state_dict(), "optimizer": {"state": {}}, "epoch": "best", "scaler": {}}
    detector = today.imported(content, "safe", tmp_path)
    same = [*today.SIZES, (255, 403)]
    today.same_logits(detector, safe.program(network), today.image_files(tmp_path, same))
    heat = create_explainer("gradcam")(detector, today.noise(2, 3, 256, 256))
    assert heat.isfinite().all() and create_explainer("gradcam").layer(detector) == "net.layer2"


def test_the_file_has_146_keys(network: safe.Safe) -> None:
    wanted = today.layout("safe")
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == wanted
    counted = [s for k, s in wanted.items() if not k.endswith(("mean", "var", "tracked"))]
    assert len(wanted) == 146 and sum(map(math.prod, counted)) == 1_438_274


def test_other_files_are_refused(network: safe.Safe, tmp_path: Path) -> None:
    today.refused(network.state_dict(), "safe", tmp_path)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 10), (256, 255)])
def test_the_details_are_those_of_bior13(size: tuple[int, int]) -> None:
    pywt = pytest.importorskip("pywt", reason="PyWavelets is not installed")
    images = np.random.default_rng(0).random((2, 3, *size))
    _, (_, _, expected) = pywt.dwt2(images, "bior1.3", mode="symmetric", axes=(2, 3))
    np.testing.assert_allclose(diagonal_details(torch.from_numpy(images)), expected, atol=1e-12)
    assert size != (256, 255) or expected.shape[-2:] == (130, 130)
