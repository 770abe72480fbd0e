"""A detector with the reference set beside its weights."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from synthscope.data.degrade.recipe import Recipe, parse_recipe
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import detector_folder, load_detector, weights_sha256
from synthscope.inspection.reference import ReferenceSet, load_reference


class Calibrated(NamedTuple):
    """What an inspection asks."""

    detector: Detector  # in evaluation mode, on the CPU
    weights_sha256: str
    reference: ReferenceSet | None  # None = its answer is undecided

    @property
    def id(self) -> str:
        """``name@digest``, as in predictions."""
        return f"{self.detector.config.name}@{self.weights_sha256[:8]}"

    @property
    def view(self) -> Recipe:
        """What images are seen through, as the reference images were."""
        return parse_recipe(self.reference.view if self.reference else "none")


def load_calibrated(spec: str | Path | Detector) -> Calibrated:
    """A detector as :func:`synthscope.detectors.hub.load_detector` takes it, and ``reference.json`` of its folder.

    Raises:
        SynthscopeError: Absent, damaged or foreign files.
    """
    detector = spec.eval() if isinstance(spec, Detector) else load_detector(spec)
    folder = None if isinstance(spec, Detector) else detector_folder(spec)
    reference = None if folder is None else load_reference(folder, detector)
    return Calibrated(detector, reference.weights_sha256 if reference else weights_sha256(detector), reference)
