"""What a prediction run computes: detectors x conditions for every image, checked before the first one is read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from joblib import cpu_count
from torch import nn

from synthscope.data.degrade.recipe import Recipe, expand, parse_recipe
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import detector_id, load_detector
from synthscope.errors import UsageError, suggest
from synthscope.inference.crops import Crops
from synthscope.runtime import best_device

OWN_CROP = Crops()
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Done = dict[tuple[str, str], int]  # (sha256, view) to a number whose bit u says that unit u is finished


@dataclass(frozen=True)
class Plan:
    """What to compute for every image. Unit ``d * len(conditions) + c`` is detector d under condition c."""

    detectors: tuple[Detector, ...]  # on ``device``, in evaluation mode
    models: tuple[nn.Module, ...]  # what is run for each of them: images to logits
    conditions: tuple[Recipe, ...]
    precision: str
    batch_size: int
    workers: int
    seed: int
    device: torch.device
    crops: Crops = OWN_CROP

    @property
    def chunk(self) -> int:
        """Images whose inputs are batched together: some batches for every worker, few images of many crops."""
        inputs = len(self.conditions) * {"1": 1, "5": 5, "grid": 16}[self.crops.places]
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
) -> tuple[Plan, pl.DataFrame]:
    """What to compute for so many ``images``, and the same as a table with one row a unit (see ``store.assemble``).

    The default batch has 8 inputs on a CPU, where large ones lose to page faults, or fewer, so that all threads get a
    share of a small run; 64 on an accelerator.

    Raises:
        UsageError: Nothing to do, the same detector twice, a bad recipe or number.
        SynthscopeError: A detector that cannot be loaded.
    """
    for name, items in {"detector": detectors, "condition": conditions}.items():
        if not items:
            raise UsageError(f"Expected at least one {name}, got none. Name one.")
    if precision not in DTYPES:
        raise UsageError(f"Expected a precision, got {precision!r}. {suggest(precision, DTYPES)}")
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
    exact = device.type == "cpu" and precision == "fp32"
    plan = Plan(
        detectors=ready,
        models=tuple(blocked(detector) if exact else detector for detector in ready),
        conditions=recipes,
        precision=precision,
        batch_size=batch_size or (max(1, min(8, share)) if device.type == "cpu" else 64),
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
            "precision": plan.precision,
            "seed": plan.seed,
            "threshold": detector.config.threshold,
            "temperature": detector.config.calibration.temperature,
            "bias": detector.config.calibration.bias,
        }
        for name, detector in zip(ids, plan.detectors, strict=True)
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


def blocked(detector: Detector) -> nn.Module:
    """A convolutional detector rewritten for a CPU: 1.2 x as fast, with the same logits to float32 rounding.

    Batch norms are folded into convolutions, whose weights and activations stay in oneDNN's blocked layout. Detectors
    without batch norms, those that torch cannot trace or rewrite, and those whose logits on noise change by more than
    rounding are returned as they are.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in detector.modules()):
        return detector
    side = detector.config.input.side or 64
    noise = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what torch's own pass is written with
            from torch.fx.experimental.optimization import optimize_for_inference, use_mkl_length

            model = optimize_for_inference(detector, {"mkldnn_layout_optimize": {"heuristic": use_mkl_length}})
            same = torch.allclose(model(noise), detector(noise), rtol=1e-5, atol=1e-5)
    except Exception:  # tracing runs the detector's own code on stand-ins for tensors: anything may happen
        return detector
    return model if same else detector
