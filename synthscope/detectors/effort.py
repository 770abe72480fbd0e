"""Effort: CLIP ViT-L/14 whose attention learns in the direction that it uses least (Yan et al., ICML 2025).

``W = W_main + U diag(S) V``: every projection of attention is its own weight without the smallest singular component,
which stays frozen, and a residual of rank 1, which starts as that component and is trained.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.clip import CLIP_MEAN, CLIP_STD, AnyClipOptions, ClipProbe
from synthscope.detectors.input import InputConfig


class Effort(ClipProbe):
    """The class token behind the last norm, 1024 numbers before CLIP's projection, and one linear layer.

    The published training of DeepfakeBench has two outputs and squashes images to a square with OpenCV; that of the
    UniversalFakeDetect benchmark has one and crops. Files of one are never to be judged with the input of the other.
    """

    class Options(AnyClipOptions):
        """Of the tower."""

    options: Options
    default_input = InputConfig(
        resize=224, resize_mode="square", interpolation="opencv_bilinear", crop=None, mean=CLIP_MEAN, std=CLIP_STD
    )
    paper = (
        "Yan et al., Orthogonal Subspace Decomposition for Generalizable AI-Generated Image Detection, ICML 2025, "
        "arXiv 2411.15633"
    )
    licence = "Apache-2.0 (this code); the published weights: CC BY-NC 4.0 by a badge, research only; CLIP's are MIT"
    weights = (
        "trained by you: synthscope train, from CLIP's own in options.weights; published: links in the read-me of "
        "YZY-stack/Effort-AIGI-Detection"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        tower = self._tower()
        width = int(tower.embed_dim)  # type: ignore[arg-type]
        tower.head = nn.Identity()
        for block in tower.blocks:  # type: ignore[union-attr]
            block.attn.qkv = Residual(width, 3 * width, parts=3)
            block.attn.proj = Residual(width, width)
        head = nn.Linear(width, 1)
        nn.init.normal_(head.weight, 0.0, 0.02)  # as in the training on UniversalFakeDetect's benchmark
        self.net = nn.ModuleDict({"model": tower, "fc": head})
        self._freeze()
        for module in tower.modules():
            if isinstance(module, Residual):
                for parameter in (module.U, module.S, module.V):
                    parameter.requires_grad_()

    def backbone_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """CLIP's image tower, its projections of attention split into main weight and residual."""
        state = {key: value for key, value in super().backbone_state(state).items() if not key.startswith("head.")}
        for name, module in self.backbone.named_modules():
            if isinstance(module, Residual) and f"{name}.weight" in state:
                split = module.split(state[f"{name}.weight"].float())
                state |= {f"{name}.{key}": value for key, value in split.items()}
        return state


class Residual(nn.Linear):
    """A linear layer of ``parts`` stacked ones, each a frozen weight and a trained residual of rank 1."""

    def __init__(self, inputs: int, outputs: int, *, parts: int = 1) -> None:
        super().__init__(inputs, outputs)
        self.parts = parts
        self.U = nn.Parameter(torch.randn(parts, outputs // parts, 1) * (parts / outputs) ** 0.5)
        self.S = nn.Parameter(torch.zeros(parts, 1))
        self.V = nn.Parameter(torch.randn(parts, 1, inputs) * inputs**-0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(..., inputs)`` to ``(..., outputs)``."""
        residual = (self.U * self.S[:, None]) @ self.V
        return functional.linear(inputs, self.weight + residual.flatten(0, 1), self.bias)

    def split(self, weight: Tensor) -> dict[str, Tensor]:
        """The state that equals a plain ``weight``, whose smallest singular component becomes the residual."""
        whole = weight.unflatten(0, (self.parts, -1))
        left, values, right = torch.linalg.svd(whole, full_matrices=False)
        state = {"U": left[..., -1:], "S": values[:, -1:], "V": right[:, -1:]}
        main = whole - (state["U"] * state["S"][:, None]) @ state["V"]
        return {"weight": main.flatten(0, 1), **{key: value.contiguous() for key, value in state.items()}}
