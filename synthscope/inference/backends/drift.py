"""How far a backend's logits lie from those of eager float32, on the first images of a run and on noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.inference.backends import Model

# A float32 backend only sums in another order: measured 1e-8 to 2e-5 over all architectures here. 1e-3 of a logit moves
# p(AI) by at most 0.00025, far below any interval; a wrong graph, or one that silently runs in 16 bits, lies far above.
# Logits above 1 may differ by as much of themselves, since rounding grows with them.
TOLERANCE = 1e-3
NOISE = 7  # images, one less than a batch on a CPU, so that a second size of batch is tried


class Drift(NamedTuple):
    """What :func:`drift` found."""

    difference: float  # the largest of |logit - eager float32 logit|
    changed: int  # verdicts
    images: int  # of the run
    noise: int
    within: bool  # every difference is at most ``TOLERANCE`` times the logit, or times 1


def noise(shape: Sequence[int]) -> Tensor:
    """``NOISE`` uint8 images of one ``(3, h, w)``, always the same."""
    return torch.randint(0, 256, (NOISE, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def drift(model: Model, detector: Detector, images: Tensor, *, batch_size: int) -> Drift:
    """Compare ``model`` with the detector itself in float32.

    Args:
        model: Of a backend.
        detector: In evaluation mode.
        images: uint8 ``(N, 3, h, w)``, of which the last ``NOISE`` are noise; scored in batches, the first also alone.
        batch_size: Of a batch.

    Raises:
        RuntimeError: The model returns other than one finite logit an image where the detector does.
    """
    batches = [*images.to(detector.mean.device).split(batch_size), images[:1].to(detector.mean.device)]
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        expected = torch.cat([detector(batch).float() for batch in batches])
    answers = [model(batch) for batch in batches]
    for batch, logits in zip(batches, answers, strict=True):
        if logits.shape != (len(batch),):
            raise RuntimeError(f"it returns logits of shape {tuple(logits.shape)} of {len(batch)} images")
    found = torch.cat(answers)
    usable = expected.isfinite()
    if not found[usable].isfinite().all():
        raise RuntimeError("it returns logits that are not finite")
    difference = (found - expected)[usable].abs()
    threshold = detector.config.threshold
    changed = ((found > threshold) != (expected > threshold))[: len(images)]
    return Drift(
        difference=float(difference.max()) if len(difference) else 0.0,
        changed=int(changed.sum()),
        images=len(images) - NOISE,
        noise=NOISE,
        within=bool((difference <= TOLERANCE * expected[usable].abs().clamp(min=1)).all()),
    )
