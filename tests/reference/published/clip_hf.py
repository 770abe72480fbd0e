"""Plain copies of the programs on Hugging Face's CLIP: OpenAI's tower under other names, Effort and C2P-CLIP on it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from tests.reference.published.clip import CLIP, Tower
from tests.reference.published.plain import Logit, rgb

PARTS = "q", "k", "v", "out"


def weights_of_attention(tower: Tower) -> dict[str, Tensor]:
    """Every matrix and bias of the attention, by its name in transformers."""
    found = {}
    for number, block in enumerate(tower.transformer.resblocks):
        name, attn = f"encoder.layers.{number}.self_attn.", block.attn
        matrices = [*attn.in_proj_weight.chunk(3), attn.out_proj.weight]
        biases = [*attn.in_proj_bias.chunk(3), attn.out_proj.bias]
        for part, matrix, bias in zip(PARTS, matrices, biases, strict=True):
            found |= {f"{name}{part}_proj.weight": matrix.detach(), f"{name}{part}_proj.bias": bias.detach()}
    return found


def vision_state(tower: Tower) -> dict[str, Tensor]:
    """``CLIPVisionModel.state_dict()`` of transformers."""
    state = {
        "embeddings.class_embedding": tower.class_embedding,
        "embeddings.patch_embedding.weight": tower.conv1.weight,
        "embeddings.position_embedding.weight": tower.positional_embedding,
    }
    for theirs, norm in (("pre_layrnorm", tower.ln_pre), ("post_layernorm", tower.ln_post)):
        state |= {f"{theirs}.weight": norm.weight, f"{theirs}.bias": norm.bias}
    for number, block in enumerate(tower.transformer.resblocks):
        layers = {
            "layer_norm1": block.ln_1, "layer_norm2": block.ln_2, "mlp.fc1": block.mlp.c_fc, "mlp.fc2": block.mlp.c_proj
        }  # fmt: skip
        for theirs, layer in layers.items():
            name = f"encoder.layers.{number}.{theirs}"
            state |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    return {key: value.detach() for key, value in state.items()} | weights_of_attention(tower)


def with_residuals(state: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """The same weights as a sum of two: ``weight = weight_main + U diag(S) V`` with any residual."""
    generator, split = torch.Generator().manual_seed(seed), {}
    for key, value in state.items():
        stem, _, leaf = key.rpartition(".")
        if not stem.endswith("_proj") or leaf != "weight":
            split[key] = value
            continue
        rows, columns = value.shape
        left, scale = torch.randn(rows, 1, generator=generator), torch.rand(1, generator=generator)
        right = torch.randn(1, columns, generator=generator)
        split |= {f"{stem}.S_residual": scale, f"{stem}.U_residual": left, f"{stem}.V_residual": right}
        split[f"{stem}.weight_main"] = value - left @ torch.diag(scale) @ right
    return split


def pooler_output(tower: Tower, images: Tensor) -> Tensor:
    """``post_layernorm`` of the class token, before the projection."""
    seen: list[Tensor] = []
    handle = tower.ln_post.register_forward_hook(lambda module, args, output: seen.append(output))
    tower(images)
    handle.remove()
    return seen[0]


def effort(tower: Tower, head: nn.Linear) -> Logit:
    """DeepfakeBench's demo: OpenCV's bilinear square, two outputs, 1 = fake."""
    prepare = transforms.Compose([transforms.ToTensor(), CLIP])

    def logit(file: str) -> float:
        bgr = cv2.imread(file, cv2.IMREAD_COLOR)
        pixels = cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), (224, 224), interpolation=cv2.INTER_LINEAR)
        real, fake = head(pooler_output(tower, prepare(pixels)[None]))[0]
        return float(fake - real)

    return logit


def effort_ufd(tower: Tower, fc: nn.Linear) -> Logit:
    """The benchmark: tiles below 256, centre crop, one output."""
    prepare = transforms.Compose([transforms.CenterCrop(224), transforms.ToTensor(), CLIP])

    def logit(file: str) -> float:
        image = rgb(file)
        width, height = image.size
        if min(width, height) < 256:
            tiled = np.tile(np.asarray(image), (-(-256 // height), -(-256 // width), 1))
            image = Image.fromarray(tiled)
        return float(fc(pooler_output(tower, prepare(image)[None])))

    return logit


def c2p_clip(tower: Tower, fc: nn.Linear) -> Logit:
    """The released script: bilinear short side, crop, normalised embedding."""
    prepare = transforms.Compose([transforms.Resize(224), transforms.CenterCrop(224), transforms.ToTensor(), CLIP])

    def logit(file: str) -> float:
        embedding = tower(prepare(rgb(file))[None])
        unit = embedding / embedding.norm(p=2, dim=-1, keepdim=True)
        assert abs(float(unit.square().sum()) - 1) < 1e-5
        return float(fc(unit))

    return logit
