"""What a prediction run computes: detectors x conditions for every image, checked before the first one is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import torch
from joblib import cpu_count

from synthscope.data.degrade.recipe import Recipe, expand, parse_recipe
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import detector_id, load_detector
from synthscope.errors import UsageError
from synthscope.inference.backends.choose import First, Loaded, check_names, load_models, no_images
from synthscope.inference.crops import Crops
from synthscope.runtime import best_device

OWN_CROP = Crops()
Done = dict[tuple[str, str], int]  # (sha256, view) to a number whose bit u says that unit u is finished


@dataclass(frozen=True)
class Plan:
    """What to compute for every image. Unit ``d * len(conditions) + c`` is detector d under condition c."""

    detectors: tuple[Detector, ...]  # on ``device``, in evaluation mode
    models: tuple[Loaded, ...]  # what is run for each of them: images to logits
    conditions: tuple[Recipe, ...]
    backend: str  # as asked for; what each detector got is in ``models``
    precision: str
    batch_size: int
    workers: int
    seed: int
    device: torch.device
    crops: Crops = OWN_CROP
    largest: dict[tuple[int, torch.Size], int] = field(default_factory=dict)  # batches for which there was memory

    @property
    def chunk(self) -> int:
        """Images whose inputs are batched together: some batches for every worker, few images of many crops."""
        inputs = len(self.conditions) * {"1": 1, "5": 5, "10": 10, "grid": 16}[self.crops.places]
        return max(1, 4 * self.workers * self.batch_size // inputs)

    @property
    def everything(self) -> int:
        """All units, as :data:`Done` writes them."""
        return (1 << len(self.detectors) * len(self.conditions)) - 1

    def missing(self, done: Done, sha256: str, view: Recipe) -> list[int]:
        """Units that an image still needs."""
        finished = done.get((sha256, str(view)), 0)
        return [unit for unit in range(len(self.detectors) * len(self.conditions)) if not finished >> unit & 1]


def make_plan(
    detectors: Sequence[str | Path | Detector],
    conditions: list[str],
    *,
    images: int,
    precision: str,
    batch_size: int | None,
    workers: int | None,
    seed: int,
    crops: Crops = OWN_CROP,
    backend: str = "eager",
    first: First = no_images,
    earlier: Mapping[str, Any] | None = None,
) -> tuple[Plan, pl.DataFrame]:
    """What to compute for so many ``images``, and the same as a table with one row a unit (see ``store.assemble``).

    The default batch has 8 inputs on a CPU, where large ones lose to page faults, or fewer, so that all threads get a
    share of a small run; 64 on an accelerator. ``backend``, ``first`` and ``earlier`` are those of
    :func:`synthscope.inference.backends.choose.load_models`.

    Raises:
        UsageError: Nothing to do, the same detector twice, a bad recipe or number, a precision that a backend has not.
        SynthscopeError: A detector that cannot be loaded, a backend that is not installed.
    """
    for name, items in {"detector": detectors, "condition": conditions}.items():
        if not items:
            raise UsageError(f"Expected at least one {name}, got none. Name one.")
    check_names(backend, precision)
    for name, number in {"batch_size": batch_size, "workers": workers}.items():
        if number is not None and number < 1:
            raise UsageError(f"Expected {name} of at least 1, got {number}. Leave it out for the default.")
    recipes = tuple(map(parse_recipe, expand(conditions)))
    loaded = [spec if isinstance(spec, Detector) else load_detector(spec) for spec in detectors]
    ids = [detector_id(detector) for detector in loaded]
    if twice := [name for name in ids if ids.count(name) > 1]:
        raise UsageError(f"Expected different detectors, got {twice[0]} twice. Name each once.")
    crops.check(loaded)
    device = best_device()
    workers = workers or min(cpu_count(), 16)
    share = math.ceil(images * len(recipes) / workers)
    ready = tuple(_ready(detector, device) for detector in loaded)
    batch_size = batch_size or (max(1, min(8, share)) if device.type == "cpu" else 64)
    models = load_models(
        dict(zip(ids, ready, strict=True)),
        backend,
        precision,
        batch_size=batch_size,
        workers=workers,
        first=first,
        earlier=earlier,
    )
    plan = Plan(
        detectors=ready,
        models=tuple(models),
        conditions=recipes,
        backend=backend,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        seed=seed,
        device=device,
        crops=crops,
    )
    return plan, _units(plan, ids)


def _units(plan: Plan, ids: list[str]) -> pl.DataFrame:
    rows = [
        {
            "detector": with_crops(name, plan.crops),
            "architecture": detector.config.architecture,
            "train_set": "+".join(detector.config.trained_on.subsets) or None,
            "train_view": detector.config.trained_on.view,
            "preprocessing": f"{detector.config.digest()}{plan.crops}",
            "condition": str(condition),
            "precision": model.precision,
            "backend": model.backend,
            "seed": plan.seed,
            "threshold": detector.config.threshold,
            "temperature": detector.config.calibration.temperature,
            "bias": detector.config.calibration.bias,
        }
        for name, detector, model in zip(ids, plan.detectors, plan.models, strict=True)
        for condition in plan.conditions
    ]
    return pl.DataFrame(rows, schema_overrides={"train_set": pl.String}, infer_schema_length=None).with_row_index(
        "unit"
    )


def with_crops(identity: str, crops: Crops) -> str:
    """The id under which a detector's logits of several crops are kept: another one than that of its own crop.

    >>> with_crops("cnnspot@01234567", Crops("5", "max"))
    'cnnspot+5crops.max@01234567'
    """
    name, at, weights = identity.rpartition("@")
    return f"{name}{crops}{at}{weights}"


def _ready(detector: Detector, device: torch.device) -> Detector:
    detector.eval().to(device)
    return detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
