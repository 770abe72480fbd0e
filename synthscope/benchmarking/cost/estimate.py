"""Hours of a benchmark, from its counts and the rates of a short probe on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from joblib import cpu_count

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.cost.probe import (
    augment_rate,
    forward_rate,
    preprocess_rate,
    read_rate,
    recipe_rate,
    step_rate,
)
from synthscope.benchmarking.cost.workload import PassWork, TrainingWork, Work
from synthscope.data.align.views import PROTOCOLS
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.errors import SynthscopeError
from synthscope.runtime import best_device, track

FILES, RECIPES, DETECTORS = 0.1, 0.2, 0.7  # shares of the probe


@dataclass(frozen=True)
class Rates:
    """Seconds an image of one detector; ``augment`` and ``step`` are 0 where it is not trained."""

    input: str  # digest: detectors that share it share the preprocessing
    preprocess: float
    forward: float
    augment: float = 0.0
    step: float = 0.0


@dataclass(frozen=True)
class Measured:
    """What a probe found, in seconds an image on one thread, training steps on all."""

    device: torch.device
    images: int
    seconds: float  # that it took
    decode: float
    applied: dict[str, float]  # views and degradations
    detectors: dict[str, Rates | str]  # by name or spec; a text says why there are none

    @property
    def rates(self) -> dict[str, Rates]:
        """Those of the detectors that could be measured."""
        return {name: rates for name, rates in self.detectors.items() if isinstance(rates, Rates)}


def measure(config: BenchmarkConfig, work: Work, paths: Sequence[str], *, seconds: float) -> Measured:
    """Probe this machine for about ``seconds`` on the images ``paths``.

    Raises:
        UnreadableImageError: One of the images cannot be read.
    """
    start, device = time.perf_counter(), best_device()
    decode, images = read_rate(paths, seconds=FILES * seconds)
    recipes = {one.view for one in work.passes} | {name for one in work.passes for name in one.conditions}
    share = RECIPES * seconds / max(len(recipes), 1)
    like = {name: PROTOCOLS[name].costs if name in PROTOCOLS else name for name in sorted(recipes - {"none"})}
    applied = {name: recipe_rate(recipe, images, seconds=share) for name, recipe in like.items()}
    alike = {_key(one): one for one in work.trainings}
    share = DETECTORS * seconds / max(len(alike) + len(config.detectors), 1)
    found = {
        key: _trained_rates(one, images, config.precision, device, share)
        for key, one in track(alike.items(), "probing", total=len(alike), unit="recipes")
    }
    detectors = {one.run.name: found[_key(one)] for one in work.trainings}
    detectors |= {spec: _loaded_rates(spec, images, config.precision, device, share) for spec in config.detectors}
    return Measured(device, len(images), time.perf_counter() - start, decode, applied, detectors)


def estimate(work: Work, measured: Measured) -> str:
    """The time that ``work`` would take at the ``measured`` rates, in words."""
    known = measured.rates
    train = sum(
        _training_seconds(one, known[one.run.name], measured) for one in work.trainings if one.run.name in known
    )
    test = sum(_pass_seconds(one, measured) for one in work.passes)
    applied = "".join(f", {name} {1 / rate:,.0f}" for name, rate in measured.applied.items())
    names = {one.run.name: one.run.kind for one in work.trainings}
    shown = {names.get(name, name): rates for name, rates in measured.detectors.items()}
    return "\n".join([
        f"Estimate for this machine ({measured.device.type}, {cpu_count()} cores): training {_time(train)}, prediction "
        f"{_time(test)}, together {_time(train + test)}.",
        f"It extrapolates a probe of {measured.seconds:.0f} s on {measured.images} images and may be wrong twofold. "
        "Not included: indexing, the audit and file attributes, scoring, further test sets, looks at regions, "
        "the report.",
        "What the run folder already holds is not subtracted.",
        f"Images a second on one thread: decoding {1 / measured.decode:,.0f}{applied}.",
        *(f"  {name}: {_words(rates)}" for name, rates in shown.items()),
    ])  # fmt: skip


def _words(rates: Rates | str) -> str:
    if isinstance(rates, str):
        return f"not included: {rates}"
    step = f", {1 / rates.step:,.1f} images/s in training steps" if rates.step else ""
    return f"{1 / rates.forward:,.1f} forward passes/s{step}"


def _key(one: TrainingWork) -> str:
    """Equal for trainings that cost the same an image."""
    return one.run.recipe.model_copy(update={"name": one.run.kind, "seed": 0}).model_dump_json()


def _trained_rates(
    one: TrainingWork, images: Sequence[np.ndarray], precision: str, device: torch.device, seconds: float
) -> Rates | str:
    """Rates of a detector to train, or why there are none."""
    config, part = one.run.recipe, seconds / 8
    options = config.detector.options | ({"pretrained": False} if "pretrained" in config.detector.options else {})
    try:
        detector = create_detector(config.detector.architecture, options=options, input=config.detector.input)
        batch = 8 if device.type == "cpu" else 64  # as prediction does by default
        return Rates(
            detector.config.input.digest(),
            preprocess_rate(detector, images, seconds=part),
            forward_rate(detector, batch, device=device, precision=precision, seconds=2 * part),
            augment_rate(config, detector, images, seconds=part),
            0.0 if one.run.floor else step_rate(config, detector, device=device, seconds=4 * part),
        )
    except (SynthscopeError, RuntimeError) as error:  # such as weights that must be fetched first, or no memory
        return str(error).splitlines()[0]


def _loaded_rates(
    spec: str, images: Sequence[np.ndarray], precision: str, device: torch.device, seconds: float
) -> Rates | str:
    """Rates of a detector that was trained before, or why there are none."""
    try:
        detector = load_detector(spec)
        batch = 8 if device.type == "cpu" else 64
        return Rates(
            detector.config.input.digest(),
            preprocess_rate(detector, images, seconds=seconds / 4),
            forward_rate(detector, batch, device=device, precision=precision, seconds=seconds / 2),
        )
    except (SynthscopeError, RuntimeError) as error:
        return str(error).splitlines()[0]


def _training_seconds(one: TrainingWork, rates: Rates, measured: Measured) -> float:
    """Loading and steps, one after the other, or side by side where processes load."""
    workers = min(one.run.recipe.data.workers, cpu_count())
    load = one.decodes * (measured.decode + measured.applied.get(one.run.view, 0.0)) + one.seen * rates.augment
    judged = (one.epochs + 1) * one.held_out * (rates.preprocess + rates.forward)
    steps = one.seen * (rates.step or rates.forward)
    return judged + (max(steps, load / workers) if workers else steps + load)


def _pass_seconds(one: PassWork, measured: Measured) -> float:
    """Threads prepare the images; they run the detectors too on a CPU, an accelerator does so beside them."""
    own = [measured.rates[name] for name in one.detectors if name in measured.rates]
    inputs = sum({rates.input: rates.preprocess for rates in own}.values())
    degraded = sum(measured.applied.get(condition, 0.0) + inputs for condition in one.conditions)
    prepare = one.images * (measured.decode + measured.applied.get(one.view, 0.0) + degraded)
    forward = one.images * len(one.conditions) * sum(rates.forward for rates in own)
    workers = min(cpu_count(), 16)
    return (prepare + forward) / workers if measured.device.type == "cpu" else max(prepare / workers, forward)


def _time(seconds: float) -> str:
    """Hours, or smaller units where these say more.

    >>> _time(45), _time(600), _time(9000), _time(1e6)
    ('45 s', '10 min', '2.5 h', '278 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.{1 if seconds < 360_000 else 0}f} h"
