"""Ask detectors about one file: answer, stability under re-delivery, heatmaps, beside what the file itself says."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor

from synthscope import runtime
from synthscope.config import Config, validate
from synthscope.data.degrade.recipe import encoder_versions
from synthscope.data.images import read_file
from synthscope.data.in_work import image_task
from synthscope.detectors.base import Detector
from synthscope.explainers.base import create_explainer
from synthscope.inspection.ask import Said, ask
from synthscope.inspection.calibrated import Calibrated, load_calibrated
from synthscope.inspection.evidence import Evidence, FileFacts, ScopeCheck
from synthscope.inspection.examine import Examined, examine
from synthscope.inspection.looks import Look, looks
from synthscope.inspection.pictured import Inspection
from synthscope.inspection.redelivery import Redelivery, delivered, redeliveries
from synthscope.inspection.verdict import Levels, combine
from synthscope.runtime.files import reason
from synthscope.runtime.threads import in_threads

_ONE_AT_A_TIME = Lock()  # explainers hang hooks into detectors, which any other forward pass would run into


class Settings(Config):
    """What an inspection does; stored with the evidence."""

    level: float = Field(default=0.01, gt=0, lt=0.5)  # p-values up to this are evidence
    stability: bool = True  # look at the image under re-delivery, too
    explainers: tuple[str, ...] = ("gradcam",)
    provenance: bool = True  # tell what the file says of its origin
    twin: bool = False  # also heatmaps of the same networks with random weights
    private: bool = False  # tell prompts, places and serial numbers
    seed: int = Field(default=0, ge=0, lt=2**63)

    @property
    def levels(self) -> Levels:
        """Where answers begin."""
        return Levels(evidence=self.level, common=max(Levels().common, 2 * self.level))


def inspect(
    file: str | Path | bytes,
    detectors: Sequence[str | Path | Detector | Calibrated] = ("bundled",),
    settings: Settings | None = None,
    **changes: Any,
) -> Evidence:
    """What can be said of one file: :func:`inspect_image` without its pictures, which only notebooks show.

    Args:
        file: A path, or the bytes of a file.
        detectors: As :func:`synthscope.load_detector` takes them; their answer is undecided unless
            ``synthscope calibrate`` put reference photographs beside their weights.
        settings: What to do.
        changes: Of single settings, by name: ``level=0.05, explainers=("rise",), stability=False``.

    Raises:
        SynthscopeError: A detector that cannot be loaded.
        UsageError: An unknown setting or explainer, or a value that it cannot have.
        UnreadableImageError: A path without a file. What is wrong inside a file is in the evidence.
    """
    settings = validate(Settings, {**(settings or Settings()).model_dump(), **changes}, "the settings")
    asked = [one if isinstance(one, Calibrated) else load_calibrated(one) for one in detectors]
    name, data = ("image", file) if isinstance(file, bytes) else (Path(file).name, read_file(file)[0])
    return inspect_image(
        examine(data, name, private=settings.private, provenance=settings.provenance), asked, settings
    ).shown()


def unreadable(name: str, error: Exception) -> Inspection:
    """Of a file that could not even be read."""
    check = ScopeCheck(rule="readable", applies=True, sentence=reason(error))
    return inspect_image(Examined(FileFacts(name=name), None, (), (check,)), [], Settings())


@image_task()
def inspect_image(
    examined: Examined, detectors: Sequence[Calibrated], settings: Settings, *, workers: int | None = None
) -> Inspection:
    """Ask detectors about a file that was examined. Out of scope, none is asked.

    Args:
        examined: The file.
        detectors: What to ask.
        settings: What to do.
        workers: Threads that make the image as it arrives by other ways; None = one a core.

    Raises:
        SynthscopeError: A detector that does not return one finite logit an image.
        UsageError: An unknown explainer.
    """
    explainers = [create_explainer(text) for text in settings.explainers]
    rgb, key = examined.rgb, examined.file.sha256 or ""
    said: list[Said] = []
    seen: list[Look] = []
    if rgb is not None and not any(check.applies for check in examined.scope):
        ways = redeliveries(*rgb.shape[:2]) if settings.stability else None
        prepare = partial(_inputs, rgb, detectors, key, settings.seed)
        prepared = list(in_threads(prepare, [None, *(ways or ())], workers))
        for one, *inputs in zip(detectors, *prepared, strict=True):
            shape = one.view.shape_after(*rgb.shape[:2])
            with _ONE_AT_A_TIME if explainers else nullcontext():
                said.append(ask(one, inputs, ways, settings.levels, shape))
                if shape == rgb.shape[:2]:  # a view that crops moves heatmaps away from the picture
                    seen += looks(one, inputs[0], rgb.shape, explainers, twin=settings.twin)
    answers = [one.evidence for one in said]
    verdict = combine(answers, examined.scope)
    evidence = Evidence(
        file=examined.file,
        answer=verdict.answer,
        sentence=verdict.sentence,
        reasons=verdict.reasons,
        detectors=tuple(answers),
        stability=tuple(delivery for one in said for delivery in one.deliveries),
        heatmaps=tuple(look.heatmap for look in seen),
        regions=tuple(region for look in seen for region in look.regions),
        provenance=examined.provenance,
        scope=examined.scope,
        settings=settings.model_dump() | {"explainers": " ".join(settings.explainers)},
        versions=versions(),
    )
    return Inspection(evidence, rgb, tuple(seen))


def _inputs(
    rgb: np.ndarray, detectors: Sequence[Calibrated], key: str, seed: int, way: Redelivery | None
) -> list[Tensor]:
    """What every detector gets of an image, as it is or as it arrives."""
    arrived = rgb if way is None else delivered(rgb, way)
    return [one.detector.preprocess(one.view.apply(arrived, key=key, seed=seed)) for one in detectors]


@cache
def versions() -> dict[str, str]:
    """Of everything that decides evidence."""
    return {"python": platform.python_version(), **runtime.versions("torch", "timm"), **encoder_versions()}
