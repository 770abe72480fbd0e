"""Relevance mass and rank against Quantus, where it is installed: non-negative maps without ties, masks with pixels.

Elsewhere the two differ by intent: Quantus divides signed maps by their signed sum, and orders equal pixels by place.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthscope.metrics.localization.maps import relevance_mass, relevance_rank

quantus = pytest.importorskip("quantus", reason="Quantus is not installed: pip install 'synthscope[crosscheck]'")


class Blind(torch.nn.Module):
    """A model for Quantus to hold; with heatmaps given it is never asked."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the heatmaps are given")


@pytest.mark.parametrize(
    ("name", "ours"), [("RelevanceMassAccuracy", relevance_mass), ("RelevanceRankAccuracy", relevance_rank)]
)
def test_equal_to_quantus(name: str, ours) -> None:  # type: ignore[no-untyped-def]
    rng, n, shape = np.random.default_rng(0), 40, (24, 32)
    heat = np.stack([rng.permutation(24 * 32).reshape(shape) + 0.5 for _ in range(n)])  # no ties
    masks = rng.random((n, *shape)) < rng.uniform(0.01, 0.9, (n, 1, 1))
    masks[:, 0, 0] = True  # Quantus has no score for an empty mask
    metric = getattr(quantus, name)(abs=False, normalise=False, disable_warnings=True)
    theirs = metric(
        model=Blind(),
        x_batch=np.zeros((n, 3, *shape), np.float32),
        y_batch=np.zeros(n, int),
        a_batch=heat[:, None],
        s_batch=masks[:, None],
        device="cpu",
    )
    np.testing.assert_allclose([ours(a, m) for a, m in zip(heat, masks, strict=True)], theirs, rtol=1e-12)
