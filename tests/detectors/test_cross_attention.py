"""F3Net's cross-attention against loops, one channel at a time, and how it starts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthscope.detectors.cross_attention import MixBlock

NAMES = "FAD_query", "FAD_key", "LFS_query", "LFS_key"


def loops(block: MixBlock, fad: Tensor, lfs: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The specification's cross-attention, one channel at a time, in float64."""
    state = {key: value.double().numpy() for key, value in block.state_dict().items()}
    f, l = fad.double().numpy(), lfs.double().numpy()  # noqa: E741

    def one_by_one(name: str, maps: np.ndarray) -> np.ndarray:
        mixed = np.einsum("oc,bcij->boij", state[f"{name}.weight"][:, :, 0, 0], maps)
        return mixed + state[f"{name}.bias"][:, None, None]

    def norm(name: str, values: np.ndarray, channel: int) -> np.ndarray:
        w, b, m, v = (state[f"{name}.{key}"][channel] for key in ("weight", "bias", "running_mean", "running_var"))
        return (values - m) / np.sqrt(v + 1e-5) * w + b

    projected = {name: one_by_one(name, f if "FAD" in name else l) for name in NAMES}
    gate = {key: 2 / (1 + np.exp(-state[f"{key}_gamma"][0])) - 1 for key in ("FAD", "LFS")}
    outputs = np.empty_like(f), np.empty_like(l)
    for image in range(f.shape[0]):
        for c in range(f.shape[1]):
            query = np.concatenate([projected["FAD_query"][image, c], projected["LFS_query"][image, c]], axis=1)
            key = np.concatenate([projected["FAD_key"][image, c].T, projected["LFS_key"][image, c].T], axis=0)
            weights = np.exp(query @ key)
            attention = weights / weights.sum(1, keepdims=True)
            from_lfs = l[image, c] * attention * gate["LFS"] * state["FAD_conv.weight"][c, 0, 0, 0]
            from_fad = f[image, c] * attention * gate["FAD"] * state["LFS_conv.weight"][c, 0, 0, 0]
            outputs[0][image, c] = f[image, c] + norm("FAD_bn", from_lfs + state["FAD_conv.bias"][c], c)
            outputs[1][image, c] = l[image, c] + norm("LFS_bn", from_fad + state["LFS_conv.bias"][c], c)
    return outputs


def test_cross_attention_is_that_of_the_specification() -> None:
    torch.manual_seed(4)
    block = MixBlock(5).eval()
    for norm in (block.FAD_bn, block.LFS_bn):  # statistics and scales of their own, so that forgetting one shows
        for values in (norm.running_mean, norm.bias):
            nn.init.normal_(values, std=0.2)
        for values in (norm.running_var, norm.weight):
            nn.init.uniform_(values, 0.5, 1.5)
    nn.init.constant_(block.FAD_gamma, 0.7)
    nn.init.constant_(block.LFS_gamma, -1.3)
    nn.init.normal_(block.FAD_conv.bias)
    nn.init.normal_(block.LFS_conv.bias)
    fad, lfs = torch.randn(2, 2, 5, 4, 4)
    with torch.no_grad():
        ours = block(fad, lfs)
    for stream, wanted in zip(ours, loops(block, fad, lfs), strict=True):
        np.testing.assert_allclose(stream.numpy(), wanted, atol=1e-5)
        assert np.abs(wanted - (fad, lfs)[stream is ours[1]].numpy()).max() > 0.1


@pytest.mark.parametrize("training", [True, False])
def test_cross_attention_starts_as_the_identity_and_can_leave_it(training: bool) -> None:
    torch.manual_seed(5)
    block = MixBlock(6).train(training)
    fad, lfs = torch.randn(2, 3, 6, 4, 4)
    out = block(fad, lfs)
    assert torch.equal(out[0], fad) and torch.equal(out[1], lfs)
    (out[0] * lfs).sum().backward()
    assert block.LFS_gamma.grad is not None and block.LFS_gamma.grad.abs() > 1e-6
