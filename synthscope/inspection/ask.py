"""What one detector says of an image as it is, and as it arrives by other ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synthscope.detectors.sight import seen_share, sees
from synthscope.errors import SynthscopeError
from synthscope.inspection.calibrated import Calibrated
from synthscope.inspection.evidence import Delivery, DetectorEvidence
from synthscope.inspection.redelivery import Redelivery
from synthscope.inspection.reference import DIGITS
from synthscope.inspection.verdict import Levels, judge, settle
from synthscope.metrics.conformal import attainable_level

AS_IT_IS = Redelivery("none", "as it is")


class Said(NamedTuple):
    """Of one detector."""

    evidence: DetectorEvidence
    deliveries: tuple[Delivery, ...]


def ask(
    asked: Calibrated,
    inputs: Sequence[Tensor],
    ways: Sequence[Redelivery] | None,
    levels: Levels,
    shape: tuple[int, int],
) -> Said:
    """Score an image, and judge it against the reference set.

    Args:
        asked: The detector.
        inputs: uint8 ``(3, h, w)`` of its ``preprocess``: of the image as it is, then as it arrives by all ways.
        ways: What the others are; None = nobody looks at stability.
        levels: Where answers begin.
        shape: Height and width of the image as it is, seen through the view.

    Raises:
        SynthscopeError: Not one finite logit an image.
    """
    reference, config = asked.reference, asked.detector.config
    logits = _logits(asked, inputs)
    verdicts = [judge(logit, reference, levels) for logit in logits]
    p_values = [reference.p_value(logit) if reference else None for logit in logits]
    deliveries = [
        Delivery(
            detector=asked.id,
            condition=way.condition,
            label=way.label,
            logit=logit,
            p_value=p,
            answer=verdict.answer,
        )
        for way, logit, p, verdict in zip((AS_IT_IS, *(ways or ())), logits, p_values, verdicts, strict=True)
    ]
    verdict = settle(verdicts[0], None if ways is None else deliveries[1:])
    level = attainable_level(levels.evidence, len(reference.photographs)) if reference else None
    evidence = DetectorEvidence(
        id=asked.id,
        weights_sha256=asked.weights_sha256,
        architecture=config.architecture,
        answer=verdict.answer,
        sentence=verdict.sentence,
        reasons=verdict.reasons,
        logit=logits[0],
        p_value=p_values[0],
        level=level,
        miss_rate=reference.miss_rate(level) if reference and level is not None else None,
        common=levels.common if reference else None,
        common_miss_rate=reference.miss_rate(levels.common) if reference else None,
        likelihood_ratio=reference.likelihood_ratio(logits[0]) if reference else None,
        reference=reference.shown() if reference else None,
        preprocessing=config.digest(),
        sees=sees(config.input),
        seen_share=round(seen_share(*shape, config.input), 4),
    )
    return Said(evidence, () if ways is None else tuple(deliveries))


def _logits(asked: Calibrated, inputs: Sequence[Tensor]) -> list[float]:
    """Of every input, in batches of equal size; ``DIGITS`` decimals."""
    by_shape: dict[torch.Size, list[int]] = {}
    for place, input in enumerate(inputs):
        by_shape.setdefault(input.shape, []).append(place)
    logits = [0.0] * len(inputs)
    for places in by_shape.values():
        with torch.inference_mode():
            values = asked.detector(torch.stack([inputs[place] for place in places])).float()
        if values.shape != (len(places),) or not values.isfinite().all():
            raise SynthscopeError(
                f"Expected one finite logit an image from {asked.id}, got {values.tolist()}. Leave this detector out."
            )
        for place, value in zip(places, values.tolist(), strict=True):
            logits[place] = round(value, DIGITS)
    return logits
