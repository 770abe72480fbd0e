"""The detector's own map, where it has one: the logits of its patches."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.errors import UsageError
from synthscope.explainers.base import FromForward
from synthscope.explainers.forward import Forward, Taps
from synthscope.explainers.targets import ANY


class PatchLogits(FromForward):
    """Mean logit of all patches that see a pixel (LaDeDa, Tiny-LaDeDa); 0 at the border that none sees.

    For detectors with ``patch_logits(images) -> (B, h', w')`` and ``patch``, the side of what a patch sees. Patches lie
    a power of two of pixels apart, from the top left corner on. Where a detector also has ``patch_layer``, the name of
    a module, and ``verdicts``, from its output to ``patch_logits``, it need not run again.
    """

    name = "patch_logits"
    signed = True

    def layer(self, detector: Detector) -> str:
        """``patch_logits``."""
        self._check(detector)
        return "patch_logits"

    def taps(self, detector: Detector) -> Taps:
        """The module that the patches' logits are made from, if it is known."""
        self._check(detector)
        return Taps(outputs=(str(detector.patch_layer),) if hasattr(detector, "patch_layer") else ())

    def maps(self, detector: Detector, images: Tensor, seen: Forward) -> list[Tensor]:
        """The signed heatmaps."""
        asked, (read, _) = cast(Any, detector), self.taps(detector)
        logits = (asked.verdicts(seen.outputs[read[0]]) if read else asked.patch_logits(images)).float()
        patch = int(asked.patch)
        rows, columns = (
            _coverage(positions, patch, side).to(logits)
            for positions, side in zip(logits.shape[1:], images.shape[-2:], strict=True)
        )
        cover = rows.sum(1)[:, None] * columns.sum(1)
        return [torch.where(cover > 0, rows @ logits @ columns.T / cover.clamp(min=1), 0)]

    def _check(self, detector: Detector) -> None:
        if not (hasattr(detector, "patch_logits") and hasattr(detector, "patch")):
            raise UsageError(
                f"Expected a detector with logits of patches for {self.name}, got {detector.config.name}. {ANY}"
            )


def _coverage(positions: int, patch: int, side: int) -> Tensor:
    """1 where a pixel of ``side`` is seen by a position: float32 ``(side, positions)``.

    >>> _coverage(2, 3, 6).T.tolist()  # patches of 3 pixels, 2 apart
    [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]]
    """
    strides = [1 << power for power in range(12) if (side - patch) // (1 << power) + 1 == positions]
    if not strides:
        raise UsageError(f"Expected patches a power of two apart, got {positions} of {patch} in {side} pixels.")
    pixel, start = torch.arange(side)[:, None], strides[0] * torch.arange(positions)
    return ((start <= pixel) & (pixel < start + patch)).float()
