"""Plain copies of both CO-SPY programs: an autoencoder and SigLIP's pooling in functions over the weights, and NPR."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import transforms

from tests.reference.published import vit
from tests.reference.published.clip import CLIP, Tower
from tests.reference.published.npr import stage
from tests.reference.published.plain import IMAGENET, Logit, rgb

Weights = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]


def vae_shapes(widths: tuple[int, ...] = (128, 256, 512, 512)) -> Shapes:
    """As the specification lists them."""
    found: Shapes = {}

    def layer(name: str, *shape: int) -> None:
        found[f"{name}.weight"] = shape
        found[f"{name}.bias"] = shape[:1]

    def resnet(name: str, inputs: int, outputs: int) -> None:
        layer(f"{name}.norm1", inputs)
        layer(f"{name}.conv1", outputs, inputs, 3, 3)
        layer(f"{name}.norm2", outputs)
        layer(f"{name}.conv2", outputs, outputs, 3, 3)
        if inputs != outputs:
            layer(f"{name}.conv_shortcut", outputs, inputs, 1, 1)

    def middle(name: str, width: int) -> None:
        resnet(f"{name}.resnets.0", width, width)
        resnet(f"{name}.resnets.1", width, width)
        layer(f"{name}.attentions.0.group_norm", width)
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            layer(f"{name}.attentions.0.{part}", width, width)

    layer("encoder.conv_in", widths[0], 3, 3, 3)
    before = widths[0]
    for i, width in enumerate(widths):
        for j in range(2):
            resnet(f"encoder.down_blocks.{i}.resnets.{j}", before, width)
            before = width
        if i < 3:
            layer(f"encoder.down_blocks.{i}.downsamplers.0.conv", width, width, 3, 3)
    layer("decoder.conv_in", before, 4, 3, 3)
    for side in ("encoder", "decoder"):
        middle(f"{side}.mid_block", before)
    layer("encoder.conv_norm_out", before)
    layer("encoder.conv_out", 8, before, 3, 3)
    for i, width in enumerate(reversed(widths)):
        for j in range(3):
            resnet(f"decoder.up_blocks.{i}.resnets.{j}", before, width)
            before = width
        if i < 3:
            layer(f"decoder.up_blocks.{i}.upsamplers.0.conv", width, width, 3, 3)
    layer("decoder.conv_norm_out", before)
    layer("decoder.conv_out", 3, before, 3, 3)
    layer("quant_conv", 8, 8, 1, 1)
    layer("post_quant_conv", 4, 4, 1, 1)
    return found


def conv(x: Tensor, w: Weights, name: str, stride: int = 1, pad: int = 1) -> Tensor:
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, pad)


def group(x: Tensor, w: Weights, name: str) -> Tensor:
    return F.group_norm(x, 32, w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)


def resnet(x: Tensor, w: Weights, name: str) -> Tensor:
    y = conv(F.silu(group(x, w, f"{name}.norm1")), w, f"{name}.conv1")
    y = conv(F.silu(group(y, w, f"{name}.norm2")), w, f"{name}.conv2")
    return y + (conv(x, w, f"{name}.conv_shortcut", pad=0) if f"{name}.conv_shortcut.weight" in w else x)


def middle(x: Tensor, w: Weights, name: str) -> Tensor:
    x = resnet(x, w, f"{name}.resnets.0")
    tokens = group(x, w, f"{name}.attentions.0.group_norm").flatten(2).mT
    q, k, v = (vit.linear(tokens, w, f"{name}.attentions.0.{part}") for part in ("to_q", "to_k", "to_v"))
    mixed = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v
    mixed = vit.linear(mixed, w, f"{name}.attentions.0.to_out.0").mT.reshape(x.shape)
    return resnet(x + mixed, w, f"{name}.resnets.1")


def rebuilt(x: Tensor, w: Weights) -> Tensor:
    """Decoded mean of the posterior."""
    x = conv(x, w, "encoder.conv_in")
    for i in range(4):
        for j in range(2):
            x = resnet(x, w, f"encoder.down_blocks.{i}.resnets.{j}")
        if i < 3:
            x = conv(F.pad(x, (0, 1, 0, 1)), w, f"encoder.down_blocks.{i}.downsamplers.0.conv", 2, 0)
    x = F.silu(group(middle(x, w, "encoder.mid_block"), w, "encoder.conv_norm_out"))
    mean, _ = conv(conv(x, w, "encoder.conv_out"), w, "quant_conv", pad=0).chunk(2, 1)
    x = middle(conv(conv(mean, w, "post_quant_conv", pad=0), w, "decoder.conv_in"), w, "decoder.mid_block")
    for i in range(4):
        for j in range(3):
            x = resnet(x, w, f"decoder.up_blocks.{i}.resnets.{j}")
        if i < 3:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            x = conv(x, w, f"decoder.up_blocks.{i}.upsamplers.0.conv")
    return conv(F.silu(group(x, w, "decoder.conv_norm_out")), w, "decoder.conv_out")


class Trunk(nn.Module):
    """``artifact_encoder`` without autoencoder; ``fc1`` of progan's is never used."""

    def __init__(self, *, unused: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = stage(64, 64, 3, 1)
        self.layer2 = stage(256, 128, 4, 2)
        if unused:
            self.fc1 = nn.Linear(512, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer2(self.layer1(x)).mean((2, 3))


def siglip_shapes(width: int = 1152, depth: int = 27, mlp: int = 4304) -> Shapes:
    """timm's names."""
    ends: Shapes = {"attn_pool.latent": (1, 1, width)}
    layers = {"q": (width, width), "kv": (2 * width, width), "proj": (width, width), "norm": (width,)}
    layers |= {"mlp.fc1": (mlp, width), "mlp.fc2": (width, mlp)}
    for name, shape in layers.items():
        ends |= {f"attn_pool.{name}.weight": shape, f"attn_pool.{name}.bias": shape[:1]}
    return vit.tower_shapes(width, depth, mlp, 14, 27 * 27) | ends


def siglip(images: Tensor, w: Weights, heads: int) -> Tensor:
    x = vit.blocks(vit.patches(images, w).flatten(2).mT + w["pos_embed"], w, heads)
    q = vit.linear(w["attn_pool.latent"].expand(len(x), -1, -1), w, "attn_pool.q")
    k, v = vit.linear(x, w, "attn_pool.kv").chunk(2, -1)
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
    pooled = ((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v).transpose(1, 2).flatten(2)
    pooled = vit.linear(pooled, w, "attn_pool.proj")
    hidden = F.gelu(vit.linear(vit.norm(pooled, w, "attn_pool.norm"), w, "attn_pool.mlp.fc1"))
    return (pooled + vit.linear(hidden, w, "attn_pool.mlp.fc2"))[:, 0]


def fused(fusion: nn.Linear, semantic: Tensor, artifact: Tensor) -> float:
    return float(fusion(torch.cat([semantic, artifact], 1)))


def sd14(w: Weights, vae: Weights, trunk: Trunk, heads: list[nn.Linear]) -> Logit:
    """``heads``: of the semantic branch, of the artifact branch, of both."""
    prepare = transforms.Compose([transforms.Resize(384), transforms.CenterCrop(384), transforms.ToTensor()])
    semantic, artifact, fusion = heads

    def logit(file: str) -> float:
        image = prepare(rgb(file))[None]
        small = F.interpolate(image, size=(224, 224), mode="bilinear", align_corners=False)
        difference = (small - rebuilt(small, vae)) / 7 * 100
        return fused(fusion, semantic(siglip((image - 0.5) / 0.5, w, 4)), artifact(trunk(difference)))

    return logit


def progan(tower: Tower, trunk: Trunk, heads: list[nn.Linear]) -> Logit:
    prepare = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()])
    semantic, artifact, fusion = heads

    def logit(file: str) -> float:
        image = prepare(rgb(file))
        x = IMAGENET(image)[None]
        halved = F.interpolate(x, scale_factor=0.5, mode="nearest")
        residual = x - F.interpolate(halved, scale_factor=2, mode="nearest")
        return fused(fusion, semantic(tower(CLIP(image)[None])), artifact(trunk(residual * 2 / 3)))

    return logit
