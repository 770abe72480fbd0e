"""Rollouts against loops in numpy, and the taps that read attention out of timm's transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthscope.errors import UsageError
from synthscope.explainers.attention import (
    attention_rollout,
    attention_taps,
    chefer_relevance,
    gradient_rollout,
    published_gradient_rollout,
)
from synthscope.explainers.base import create_explainer
from synthscope.explainers.forward import Taps, forward
from tests.explainers.tiny import pixels, vit


def matrices(seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    attentions = [torch.randn(2, 3, 5, 5, generator=generator).softmax(-1) for _ in range(4)]
    return attentions, [torch.randn(2, 3, 5, 5, generator=generator) for _ in range(4)]


def looped(attentions: list[Tensor], gradients: list[Tensor] | None) -> NDArray[np.float64]:
    """One image, head, row at a time; (B, T, T)."""
    count, heads, size, _ = attentions[0].shape
    results = []
    for b in range(count):
        result = np.eye(size)
        for layer in range(len(attentions)):
            fused = np.zeros((size, size))
            for head in range(heads):
                a = attentions[layer][b, head].double().numpy()
                fused += (a if gradients is None else a * gradients[layer][b, head].double().numpy()) / heads
            fused = np.maximum(fused, 0) + np.eye(size)
            for row in range(size):
                fused[row] /= fused[row].sum()
            result = fused @ result
        results.append(result)
    return np.stack(results)


def test_rollouts_equal_loops() -> None:
    attentions, gradients = matrices()
    expected = looped(attentions, gradients)
    np.testing.assert_allclose(gradient_rollout(attentions, gradients), expected[:, 0, 1:], rtol=1e-4, atol=1e-7)
    pooled = gradient_rollout(attentions, gradients, class_token=False)
    np.testing.assert_allclose(pooled, expected.mean(1), rtol=1e-4, atol=1e-7)
    plain = looped(attentions, None)
    np.testing.assert_allclose(attention_rollout(attentions), plain[:, 0, 1:], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(attention_rollout(attentions, class_token=False).sum(1), 1, rtol=1e-5)


def test_chefer_equals_a_loop() -> None:
    attentions, gradients = matrices()
    for b in range(2):
        relevance = np.eye(5)
        for a, g in zip(attentions, gradients, strict=True):
            relevance = relevance + np.maximum((a[b] * g[b]).double().numpy(), 0).mean(0) @ relevance
        np.testing.assert_allclose(chefer_relevance(attentions, gradients)[b], relevance[0, 1:], rtol=1e-4)


def vit_explain(attentions: list[Tensor], gradients: list[Tensor], discard: float = 0.9) -> Tensor:
    """The steps of the published code, for one image; gradients in the order of its backward hooks."""
    result = torch.eye(attentions[0].shape[-1])
    for attention, gradient in zip(attentions, gradients, strict=True):
        fused = (attention * gradient).mean(1)
        fused[fused < 0] = 0
        flat = fused.view(1, -1)
        _, lowest = flat.topk(int(flat.shape[-1] * discard), -1, False)
        flat[0, lowest] = 0
        layer = (fused + torch.eye(fused.shape[-1])) / 2
        result = torch.matmul(layer / layer.sum(dim=-1), result)
    return result[0, 0, 1:]


def test_the_published_variant_is_that_of_vit_explain() -> None:
    attentions, gradients = matrices()
    ours = published_gradient_rollout(attentions, gradients)
    for b in range(2):
        one = [[matrix[b : b + 1].clone() for matrix in group] for group in (attentions, gradients)]
        torch.testing.assert_close(ours[b], vit_explain(one[0], one[1][::-1]))
    assert not torch.allclose(ours, gradient_rollout(attentions, gradients))


def test_the_core_is_differentiable() -> None:
    attentions, gradients = matrices()
    arguments = [matrix[:1].double().requires_grad_() for matrix in (*attentions[:2], *gradients[:2])]
    assert torch.autograd.gradcheck(lambda *m: gradient_rollout(list(m[:2]), list(m[2:])), arguments)


@pytest.mark.parametrize("class_token", [True, False])
def test_the_explainer_reads_true_attention_and_gradients(class_token: bool) -> None:
    """Attention recomputed from queries and keys, its gradient by finite differences of the logit."""
    detector = vit(side=32) if class_token else vit(side=32, class_token=False, global_pool="avg")
    images = pixels(1, 3, 32, 32)
    blocks = detector.net.blocks
    queries: list[Tensor] = []
    handles = [b.attn.qkv.register_forward_hook(lambda m, a, o: queries.append(o.detach())) for b in blocks]
    names = create_explainer("grad_rollout").taps(detector).gradients  # type: ignore[attr-defined]
    seen = forward(detector, images, [Taps(gradients=names)])
    taps = [seen.outputs[name] for name in names]
    for handle in handles:
        handle.remove()
    for block, qkv, tap in zip(blocks, queries, taps, strict=True):
        attention = block.attn
        q, k, _ = qkv.reshape(1, qkv.shape[1], 3, attention.num_heads, attention.head_dim).permute(2, 0, 3, 1, 4)
        torch.testing.assert_close(tap, (q @ k.mT * attention.scale).softmax(-1))
    gradients = [seen.gradients[name] for name in names]
    layer, step = 2, 1e-2

    def shifted(sign: int) -> float:
        def shift(module: object, args: object, output: Tensor) -> Tensor:
            moved = output.clone()
            moved[0, 0, 0, 1] += sign * step
            return moved

        handle = blocks[layer].attn.attn_drop.register_forward_hook(shift)
        with attention_taps(detector.net), torch.no_grad():
            logit = float(detector(images))
        handle.remove()
        return logit

    difference = (shifted(1) - shifted(-1)) / (2 * step)
    assert float(gradients[layer][0, 0, 0, 1]) == pytest.approx(difference, rel=0.05, abs=1e-3)
    expected = gradient_rollout(taps, gradients, class_token=class_token)
    heat = create_explainer("grad_rollout")(detector, images)[0]
    small = torch.nn.functional.interpolate(expected.view(1, 1, 2, 2), (32, 32), mode="bilinear")[0, 0]
    torch.testing.assert_close(heat, small, rtol=1e-4, atol=1e-7)


def test_taps_leave_nothing_behind_even_after_an_error() -> None:
    detector = vit(side=32)
    before = [block.attn.fused_attn for block in detector.net.blocks]
    with pytest.raises(RuntimeError), attention_taps(detector.net):
        detector(torch.zeros(1, 7, 5, 5))
    assert [block.attn.fused_attn for block in detector.net.blocks] == before
    assert not any(block.attn.attn_drop._forward_hooks for block in detector.net.blocks)
    assert torch.is_grad_enabled()


def test_the_published_variant_needs_a_class_token() -> None:
    explainer = create_explainer("grad_rollout:variant=published")
    assert explainer(vit(side=32), pixels(1, 3, 32, 32)).shape == (1, 32, 32)
    with pytest.raises(UsageError, match="class token"):
        explainer(vit(side=32, class_token=False, global_pool="avg"), pixels(1, 3, 32, 32))
