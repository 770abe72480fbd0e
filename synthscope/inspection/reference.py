"""Logits of images of which it is known what they are: what a logit is compared with. Stored beside the weights."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from synthscope.config import Config, validate
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import weights_sha256
from synthscope.errors import SynthscopeError
from synthscope.inspection.evidence import Reference
from synthscope.metrics.conformal import attainable_level, conformal_p, missed
from synthscope.metrics.intervals import wilson
from synthscope.metrics.likelihood_ratio import LogRatios, cllr_min, crossfitted_cllr, fit_log_ratios
from synthscope.runtime.files import read_json, write_text

FILE = "reference.json"
DIGITS = 4  # of a logit: what is left of rounding with other batches and threads
LEAST = 10  # images of a class, for likelihood ratios
QUANTILES = (0.5, 0.9, 0.95, 0.99)


class Source(Config):
    """Where reference images come from."""

    name: str
    label: int = Field(ge=0, le=1)  # 1 = AI
    n: int = Field(gt=0)
    licence: str | None = None


class ReferenceSet(Config):
    """Logits of photographs, and perhaps of AI images, of one detector, each independent of the others."""

    schema_version: str = "1"
    name: str
    date: str  # of the day on which they were scored, YYYY-MM-DD
    weights_sha256: str
    preprocessing: str  # digest of the detector's input and options
    view: str = "none"  # recipe that images are seen through
    photographs: tuple[float, ...] = Field(min_length=1)  # logits, sorted
    ai: tuple[float, ...] = ()
    sources: tuple[Source, ...] = ()
    demo_only: bool = False  # the detector is not proven on generators and sources that it has not seen

    @model_validator(mode="after")
    def _finite(self) -> ReferenceSet:
        if not np.isfinite((*self.photographs, *self.ai)).all():
            raise ValueError("logits must be finite")
        return self

    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of everything in it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def p_value(self, logit: float) -> float:
        """:func:`synthscope.metrics.conformal.conformal_p` among the photographs."""
        return float(conformal_p(self.photographs, logit))

    def miss_rate(self, level: float) -> float | None:
        """Share of the AI images whose p-value is above ``level``; None where there are none."""
        return float(missed(self.photographs, self.ai, level).mean()) if self.ai else None

    def tells_apart(self, level: float) -> bool:
        """Whether fewer AI images than photographs are above ``level``, beyond chance (Wilson, 95 %)."""
        if not self.ai:
            return False
        count = int(missed(self.photographs, self.ai, level).sum())
        return wilson(count, len(self.ai))[1] < 1 - attainable_level(level, len(self.photographs))

    def likelihood_ratio(self, logit: float) -> float | None:
        """How much more likely the logit is among the AI images; None with fewer than ten of a class."""
        ratios = _log_ratios(self)
        return None if ratios is None else float(np.exp(ratios.of(logit)))

    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels and logits of all images."""
        labels = np.repeat([0, 1], [len(self.photographs), len(self.ai)])
        return labels, np.array((*self.photographs, *self.ai))

    def shown(self) -> Reference:
        """What evidence says of it."""
        return _shown(self)


@lru_cache(maxsize=16)
def _log_ratios(reference: ReferenceSet) -> LogRatios | None:
    few = min(len(reference.photographs), len(reference.ai)) < LEAST
    return None if few else fit_log_ratios(*reference.labelled())


@lru_cache(maxsize=16)
def _shown(reference: ReferenceSet) -> Reference:
    few = _log_ratios(reference) is None
    kinds = ("photographs", "AI images")
    return Reference(
        name=reference.name,
        date=reference.date,
        n=len(reference.photographs),
        n_ai=len(reference.ai),
        sources=tuple(f"{source.name} ({source.n:,} {kinds[source.label]})" for source in reference.sources),
        digest=reference.digest(),
        view=reference.view,
        demo_only=reference.demo_only,
        cllr=None if few else crossfitted_cllr(*reference.labelled()),
        cllr_min=None if few else cllr_min(*reference.labelled()),
        quantiles={f"q{100 * q:g}": float(np.quantile(reference.photographs, q)) for q in QUANTILES},
    )


def save_reference(reference: ReferenceSet, folder: str | Path) -> None:
    """Write ``reference.json`` beside the weights, whole or not at all."""
    write_text(Path(folder) / FILE, reference.model_dump_json(indent=1) + "\n")


def load_reference(folder: str | Path, detector: Detector) -> ReferenceSet | None:
    """The reference set in a detector's folder; None where there is none.

    Raises:
        SynthscopeError: A damaged file, or one of other weights or another input.
    """
    file = Path(folder) / FILE
    if not file.is_file():
        return None
    reference = validate(ReferenceSet, read_json(file, dict), str(file))
    for what, found, wanted in (
        ("weights", reference.weights_sha256, weights_sha256(detector)),
        ("input", reference.preprocessing, detector.config.digest()),
    ):
        if found != wanted:
            raise SynthscopeError(
                f"Expected logits of the {what} {wanted[:12]} in {file}, got those of {found[:12]}. "
                f"Make it again: synthscope calibrate."
            )
    return reference
