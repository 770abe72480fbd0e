"""Load a backend for every detector of a run, and say on stderr how it compares with eager float32.

A detector that a backend cannot take, or whose float32 logits it changes by more than rounding, stays with eager.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.inference.backends import BACKENDS, PRECISIONS, Model, Setting
from synthscope.inference.backends.drift import NOISE, TOLERANCE, Drift, drift, noise
from synthscope.inference.backends.eager import eager
from synthscope.runtime.told import printable

AUTO = "auto"
PROBED = ("eager", "openvino", "onnx")  # compile takes up to a minute for one shape, so it is taken by name alone
PROBE_SECONDS = 1.0  # for each of them
GAIN = 1.1  # what auto leaves eager for
FIRST, CALIBRATED = 8, 32  # images of a run that are compared, and that come before them to calibrate int8

First = Callable[[int], Iterable[np.ndarray]]  # so many of a run's first images, decoded one by one


class Loaded(NamedTuple):
    """A detector as it is run."""

    model: Model
    backend: str  # of ``BACKENDS``
    precision: str  # int8 with a hash of the images that it was calibrated on, since they decide its logits
    told: dict[str, Any] = {}  # noqa: RUF012  (never written to) what run.json says of it


def no_images(count: int) -> list[np.ndarray]:
    """Where no image is at hand, noise alone is compared."""
    return []


def check_names(backend: str, precision: str) -> None:
    """Raises ``UsageError`` for an unknown backend or precision."""
    if precision not in PRECISIONS:
        raise UsageError(f"Expected a precision, got {precision!r}. {suggest(precision, PRECISIONS)}")
    if backend != AUTO and backend not in BACKENDS:
        raise UsageError(f"Expected a backend, got {backend!r}. {suggest(backend, [AUTO, *BACKENDS])}")


def load_models(
    detectors: Mapping[str, Detector],
    backend: str,
    precision: str,
    *,
    batch_size: int,
    workers: int,
    first: First = no_images,
    earlier: Mapping[str, Any] | None = None,
) -> list[Loaded]:
    """The detectors, each as a backend runs it.

    Args:
        detectors: By id, in evaluation mode, on their device.
        backend: A name in ``BACKENDS``, or ``auto``: the fastest of ``PROBED`` on batches of this size.
        precision: One of ``PRECISIONS``.
        batch_size: Of nearly all batches.
        workers: Threads that will call the models.
        first: Reads the run's first images, if any model is to be compared.
        earlier: ``told`` of earlier runs into the same folder, by :func:`asked_of`; ``auto`` stays with what it says.

    Raises:
        UsageError: An unknown name, or a precision that the backend does not have.
        SynthscopeError: Packages of the backend are not installed.
    """
    check_names(backend, precision)
    if (backend, precision) == ("eager", "fp32"):
        return [Loaded(eager(detector, precision), backend, precision) for detector in detectors.values()]
    inputs = _inputs(detectors.values(), first, FIRST + (CALIBRATED if precision == "int8" else 0))
    loaded = []
    with _one_core():
        for (name, detector), images in zip(detectors.items(), inputs, strict=True):
            before = (earlier or {}).get(asked_of(name, backend, precision), {}).get("backend", backend)
            one = _load(detector, before, precision, images, batch_size, workers)
            print(printable(f"backend: {name}: {_sentence(one)}"), file=sys.stderr)
            loaded.append(one)
    return loaded


def asked_of(name: str, backend: str, precision: str) -> str:
    """Under what ``run.json`` keeps what was found about a detector."""
    return f"{name} {backend} {precision}"


def _load(
    detector: Detector, backend: str, precision: str, images: Tensor | str, batch_size: int, workers: int
) -> Loaded:
    if isinstance(images, str):
        if backend == "eager":
            told = {"backend": backend, "precision": precision, "reason": f"not compared, since {images}"}
            return Loaded(eager(detector, precision), backend, precision, told)
        return _fallen_back(detector, backend, precision, images)
    examples = images[:-NOISE] if precision == "int8" and len(images) > NOISE else images
    if precision == "int8" and len(images) > NOISE + FIRST:
        examples, images = images[: -NOISE - FIRST], images[-NOISE - FIRST :]
    with TemporaryDirectory() as folder:
        setting = Setting(examples, batch_size, workers, Path(folder))
        if backend == AUTO:
            return _fastest(detector, precision, images, setting)
        return _checked(detector, backend, precision, images, setting)


def _checked(detector: Detector, backend: str, precision: str, images: Tensor, setting: Setting) -> Loaded:
    """One backend, compared with eager float32; eager where that does not work out."""
    try:
        model = BACKENDS[backend](detector, precision, setting)
        found = drift(model, detector, images, batch_size=setting.batch_size)
    except SynthscopeError:
        raise
    except Exception as error:  # a converter runs the detector's code on stand-ins for tensors: anything may happen
        return _fallen_back(detector, backend, precision, why(error))
    if precision == "fp32" and not found.within:
        return _fallen_back(detector, backend, precision, f"more than rounding ({TOLERANCE:g})", found)
    key = precision
    if precision == "int8":
        key += f"@{hashlib.sha256(setting.images.contiguous().numpy().tobytes()).hexdigest()[:8]}"
    return Loaded(model, backend, key, {"backend": backend, "precision": key, **_told(found)})


def _fallen_back(detector: Detector, backend: str, precision: str, reason: str, found: Drift | None = None) -> Loaded:
    """Eager in the same precision, or in float32 where it has not that one."""
    own = "fp32" if precision == "int8" else precision
    told = {"backend": "eager", "precision": own, "instead_of": backend, "reason": reason}
    return Loaded(eager(detector, own), "eager", own, told | (_told(found) if found else {}))


def _fastest(detector: Detector, precision: str, images: Tensor, setting: Setting) -> Loaded:
    """The fastest of those that are installed, have the precision and take the detector."""
    candidates: dict[str, Loaded] = {}
    for name in PROBED:
        try:
            one = _checked(detector, name, precision, images, setting)
        except SynthscopeError:  # not installed, or without this precision
            continue
        if one.backend == name:
            candidates[name] = one
    if not candidates:
        return _fallen_back(detector, AUTO, precision, "no other backend takes it in this precision")
    batch = noise(images.shape[1:]).repeat(-(-setting.batch_size // NOISE), 1, 1, 1)[: setting.batch_size]
    rates = _rates({name: one.model for name, one in candidates.items()}, batch.to(detector.mean.device))
    slowest = rates.get("eager") or min(rates.values())
    ratios = {name: round(rate / slowest, 2) for name, rate in rates.items()}
    best = max(ratios, key=lambda name: ratios[name])
    if "eager" in ratios and ratios[best] < GAIN:
        best = "eager"
    return candidates[best]._replace(told=candidates[best].told | {"ratios": ratios})


def _rates(models: Mapping[str, Model], batch: Tensor) -> dict[str, float]:
    """Batches a second of each, measured in turns, by the fastest call: other programs only make calls slower."""
    best = dict.fromkeys(models, float("inf"))
    end = time.perf_counter() + PROBE_SECONDS * len(models)
    while time.perf_counter() < end or float("inf") in best.values():
        for name, model in models.items():
            start = time.perf_counter()
            model(batch).cpu()
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: 1 / seconds for name, seconds in best.items()}


def _inputs(detectors: Iterable[Detector], first: First, count: int) -> list[Tensor | str]:
    """For each detector its inputs of the first images, then noise, ``(N, 3, h, w)``; or why there is no such batch."""
    own = list(detectors)
    found: list[list[Tensor]] = [[] for _ in own]
    for rgb in first(count):
        for inputs, detector in zip(found, own, strict=True):
            try:
                inputs.append(detector.preprocess(rgb))
            except (OSError, RuntimeError, ValueError):  # an error row of the run
                continue
    return [_with_noise(inputs, detector) for inputs, detector in zip(found, own, strict=True)]


def _with_noise(inputs: Sequence[Tensor], detector: Detector) -> Tensor | str:
    side = detector.config.input.side
    if side is None or any(input.shape != inputs[0].shape for input in inputs):
        return "its inputs have the sizes of the images, and every size would be a graph of its own"
    shape = tuple(inputs[0].shape) if inputs else (3, side, side)
    return torch.cat([torch.stack([*inputs]), noise(shape)]) if inputs else noise(shape)


def _told(found: Drift) -> dict[str, Any]:
    return {
        "max_difference": found.difference,
        "changed_verdicts": found.changed,
        "compared": f"{found.images} images, {found.noise} of noise",
    }


def _sentence(one: Loaded) -> str:
    told, parts = one.told, [f"{one.backend} {one.precision}"]
    if "instead_of" in told:
        parts[0] += f" instead of {told['instead_of']}"
    if "ratios" in told:
        speeds = ", ".join(f"{name} {ratio:g}" for name, ratio in told["ratios"].items())
        parts.append(f"chosen by auto (relative speed on one core: {speeds})")
    if "max_difference" in told:
        parts.append(
            f"max |Δlogit| {told['max_difference']:.2g} against eager float32, "
            f"{told['changed_verdicts']} verdicts changed ({told['compared']})"
        )
    if "reason" in told:
        parts.append(told["reason"])
    return ", ".join(parts)


def why(error: BaseException) -> str:
    """What was wrong at the bottom of an error of a converter, whose own sentences are pages."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first.strip()[:200]}"


@contextmanager
def _one_core() -> Iterator[None]:
    """As the threads that will call the models: torch.compile also asks how many cores a call may take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
