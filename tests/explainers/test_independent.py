"""Recent detectors under Grad-CAM written out, and attention by hand where projections are not plain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from synthscope.detectors import clip, cospy, dda
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.explainers.base import create_explainer
from synthscope.explainers.targets import target_layers
from tests.explainers.tiny import named, pixels

Array = NDArray[np.float64]


def patches(tokens: Array, prefix: int) -> Array:
    side = round((tokens.shape[0] - prefix) ** 0.5)
    return tokens[prefix:].T.reshape(-1, side, side)


@pytest.mark.parametrize("name", ["safe", "c2p_clip", "effort", "dda", "commfor", "rine", "cospy"])
def test_gradcam_from_retained_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Selvaraju et al., ICCV 2017, eq. 1 and 2, image by image from one backward pass each; layers are added up."""
    monkeypatch.setattr(cospy, "ARTIFACT_SIDE", 64)
    tower, tiny = {"tower": "tiny", "weights": "random"}, {"size": "tiny", "weights": "random"}
    options = {"safe": {}, "dda": tiny, "cospy": tiny, "commfor": {"size": "tiny"}, "rine": {**tower, "width": 32}}
    detector = named(name, side=64 if name == "commfor" else 56, **options.get(name, tower))
    for module in detector.modules():
        if isinstance(module, nn.Linear) and module.out_features == 1:
            module.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    side = detector.config.input.side
    images = pixels(2, 3, side, side)
    found = create_explainer("gradcam")(detector, images)
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: object, output: Tensor) -> None:
        output.requires_grad_() if output.is_leaf else None
        output.retain_grad()
        seen.append(output)

    handles = [detector.get_submodule(layer).register_forward_hook(keep) for layer in target_layers(detector)]
    for image, heat in zip(images, found, strict=True):
        seen.clear()
        detector(image[None].float().requires_grad_()).sum().backward()
        expected = torch.zeros(side, side)
        for output in seen:
            assert output.grad is not None
            maps, gradients = (each.detach().double().numpy()[0] for each in (output, output.grad))
            if maps.ndim == 2:
                prefix = 0 if name == "cospy" else 1
                maps, gradients = patches(maps, prefix), patches(gradients, prefix)
            weights = gradients.mean((1, 2))
            small = np.maximum((weights[:, None, None] * maps).sum(0), 0)
            expected += nn.functional.interpolate(
                torch.tensor(small)[None, None].float(), (side, side), mode="bilinear"
            )[0, 0]
        assert expected.max() > 0
        torch.testing.assert_close(heat, expected, rtol=1e-3, atol=1e-4 * float(expected.max()))
    for handle in handles:
        handle.remove()


def normed(x: Array, layer: Any) -> Array:
    weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + layer.eps) * weight + bias


def by_hand(detector: Detector, tower: Any, qkv: Array, images: Tensor, clips: bool) -> Array:
    """Rollout of the only block, patch by patch: half attention, half identity, the class token's row."""
    pixels = detector.normalize(images)[0].double().numpy()
    kernel = tower.patch_embed.proj.weight.detach().double().numpy()
    side = pixels.shape[1] // 14
    tokens = [tower.cls_token.detach().double().numpy()[0, 0]]
    for row, column in np.ndindex(side, side):
        part = pixels[:, 14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
        bias = 0 if tower.patch_embed.proj.bias is None else tower.patch_embed.proj.bias.detach().double().numpy()
        tokens.append((kernel * part).sum((1, 2, 3)) + bias)
    x = np.stack(tokens) + tower.pos_embed.detach().double().numpy()[0]
    block = tower.blocks[0]
    x = normed(normed(x, tower.norm_pre) if clips else x, block.norm1) @ qkv.T
    heads, width = block.attn.num_heads, qkv.shape[1]
    size = width // heads
    mean = np.zeros((len(x), len(x)))
    for head in range(heads):
        q, k = (x[:, start + head * size : start + (head + 1) * size] for start in (0, width))
        mean += softmax(q @ k.T / np.sqrt(size), axis=1) / heads
    return ((mean + np.eye(len(x))) / 2)[0, 1:].reshape(side, side)


@pytest.mark.parametrize("name", ["c2p_clip", "effort", "dda"])
def test_rollout_of_one_block_by_hand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain tower with QuickGELU, Effort's residual and DDA's low-rank update of queries and keys."""
    monkeypatch.setitem(clip.TINY, "depth", 1)
    monkeypatch.setitem(dda.TINY, "depth", 1)
    options = {"size": "tiny"} if name == "dda" else {"tower": "tiny"}
    detector = named(name, side=56, weights="random", **options)
    tower: Any = detector.get_submodule("net.model")
    layer = tower.blocks[0].attn.qkv
    if name == "effort":
        layer.S.data.fill_(3)
        weight = layer.weight + ((layer.U * layer.S[:, None]) @ layer.V).flatten(0, 1)
    elif name == "dda":
        layer.lora["lora_B"].data.normal_(generator=torch.Generator().manual_seed(0))
        weight = layer.original_layer.weight + layer.lora["lora_B"] @ layer.lora["lora_A"] / 8
        tower.pos_embed.data = tower.pos_embed.data[:, :17]  # of the input's side: nothing to interpolate
    else:
        layer.weight.data *= 20  # else attention is flat
        weight = layer.weight
    if name != "effort":
        layer = layer.original_layer if name == "dda" else layer
    (layer.bias.data if layer.bias is not None else torch.zeros(1)).zero_()
    images = pixels(1, 3, 56, 56)
    expected = by_hand(detector, tower, weight.detach().double().numpy(), images, clips=name != "dda")
    assert np.ptp(expected) > 0.02 * expected.mean()
    found = create_explainer("attn_rollout")(detector, images)
    large = nn.functional.interpolate(torch.tensor(expected)[None, None], (56, 56), mode="bilinear")[0, 0]
    np.testing.assert_allclose(found[0], large, rtol=1e-4)


def test_a_pooling_by_attention_reads_the_patches_by_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """SigLIP's matrix and its gradient, from a pooling written out with the matrix in the graph."""
    monkeypatch.setattr(cospy, "ARTIFACT_SIDE", 32)
    monkeypatch.setitem(cospy.TINY_SIGLIP, "depth", 1)
    input = {"resize": None, "crop": 56}
    detector = create_detector("cospy", options={"size": "tiny", "weights": "random"}, input=input).eval()
    detector.net.get_submodule("semantic.fc").weight.data.normal_()  # type: ignore[operator,union-attr]
    tower: Any = detector.get_submodule("net.semantic.model")
    tower.attn_pool.latent.data *= 100  # else attention is flat
    images, pool = pixels(1, 3, 56, 56), tower.attn_pool
    seen: dict[str, Tensor] = {}

    def written_out(x: Tensor) -> Tensor:
        k, v = (part.reshape(1, 16, pool.num_heads, -1).transpose(1, 2) for part in pool.kv(x).chunk(2, -1))
        q = pool.q(pool.latent).reshape(1, 1, pool.num_heads, -1).transpose(1, 2)
        seen["pool"] = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        seen["pool"].retain_grad()
        x = pool.proj((seen["pool"] @ v).transpose(1, 2).reshape(1, 1, -1))
        return (x + pool.mlp(pool.norm(x)))[:, 0]

    def keep(module: nn.Module, args: object, output: Tensor) -> None:
        output.retain_grad()
        seen["block"] = output

    found = {
        method: create_explainer(method)(detector, images)[0] for method in ("attn_rollout", "grad_rollout", "chefer")
    }
    fused, tower.blocks[0].attn.fused_attn = tower.blocks[0].attn.fused_attn, False
    assert fused
    handle = tower.blocks[0].attn.attn_drop.register_forward_hook(keep)
    monkeypatch.setattr(pool, "forward", written_out)
    detector(images.float().requires_grad_()).sum().backward()
    handle.remove()
    a, p = seen["block"].detach()[0], seen["pool"].detach()[0]
    ga, gp = seen["block"].grad[0], seen["pool"].grad[0]  # type: ignore[index]
    eye = torch.eye(16)
    plain = p.mean(0) @ (a.mean(0) + eye) / 2
    weighed = (a * ga).mean(0).relu() + eye
    read = (p * gp).mean(0).relu()
    expected = {
        "attn_rollout": plain,
        "grad_rollout": read / read.sum() @ (weighed / weighed.sum(-1, keepdim=True)),
        "chefer": (p * gp).relu().mean(0) @ ((a * ga).relu().mean(0) + eye),
    }
    for method, row in expected.items():
        large = nn.functional.interpolate(row.view(1, 1, 4, 4), (56, 56), mode="bilinear")[0, 0]
        torch.testing.assert_close(found[method], large, rtol=1e-3, atol=1e-7)
        assert row.std() > 0.02 * row.mean(), method
