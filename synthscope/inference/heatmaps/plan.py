"""What a run of heatmaps makes for every image, and the images as detectors get them."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthscope.data.degrade.recipe import Recipe, expand, parse_recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.data.in_work import image_task
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import detector_id, load_detector
from synthscope.errors import UsageError
from synthscope.explainers.base import Explainer, create_explainer
from synthscope.inference.heatmaps.store import KEY
from synthscope.inference.preparation import transform_key
from synthscope.runtime import best_device
from synthscope.runtime.told import printable


@dataclass(frozen=True)
class Unit:
    """One detector explained by one explainer under one condition."""

    detector: Detector
    explainer: Explainer
    condition: Recipe
    row: dict[str, Any]  # its columns of ``KEY``

    def key(self, sha256: str, view: str) -> tuple[Any, ...]:
        """Values of ``KEY`` for one image."""
        return tuple((self.row | {"sha256": sha256, "view": view})[name] for name in KEY)


@dataclass
class Shown:
    """One image as the detectors get it."""

    path: str
    view: str
    sha256: str | None
    inputs: dict[int, tuple[Tensor, tuple[int, ...]]]  # unit -> input and shape of the image that it was made from
    error: str | None = None


def plan_units(
    detectors: Sequence[str | Path | Detector], explainers: Sequence[str], conditions: list[str], seed: int
) -> list[Unit]:
    """All units that fit, detectors loaded and on the best device; the others are told on stderr.

    Raises:
        UsageError: Nothing named, one thing twice, unknown names, no explainer that fits a detector.
        SynthscopeError: A detector that cannot be loaded.
    """
    for name, items in {"detector": detectors, "explainer": explainers, "condition": conditions}.items():
        if not items:
            raise UsageError(f"Expected at least one {name}, got none. Name one.")
    methods = [create_explainer(text) for text in explainers]
    recipes = [parse_recipe(text) for text in expand(conditions)]
    loaded = [spec if isinstance(spec, Detector) else load_detector(spec) for spec in detectors]
    ids = [detector_id(detector) for detector in loaded]
    for names in (ids, [str(method) for method in methods]):
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"Expected different detectors and explainers, got {twice[0]} twice. Name each once.")
    units = []
    for name, detector in zip(ids, loaded, strict=True):
        detector.eval().to(best_device())
        detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for method in methods:
            try:
                layer = method.layer(detector)
            except UsageError as error:
                print(printable(f"left out: {method} of {name}: {error}"), file=sys.stderr)
                continue
            row = {"detector": name, "preprocessing": detector.config.digest(), "explainer": str(method)}
            row |= {"options": method.options.model_dump_json(), "layer": layer}
            units += [Unit(detector, method, c, row | {"condition": str(c), "seed": seed}) for c in recipes]
    if not units:
        raise UsageError("Expected an explainer that fits a detector, got none. Choose others: see the lines above.")
    return units


@image_task()
def show(
    row: tuple[str, str | None, str, str | None], units: list[Unit], done: set[tuple[Any, ...]], seed: int
) -> Shown:
    """Read, degrade and transform one image, as far as heatmaps are missing."""
    path, sha256, view, error = row
    if error is not None:
        return Shown(path, view, sha256, {}, error)
    view = str(parse_recipe(view))
    try:
        if sha256 is not None and not _missing(units, done, sha256, view):
            return Shown(path, view, sha256, {})
        data, found = read_file(path, sha256)
        missing = _missing(units, done, found, view)
        rgb = parse_recipe(view).apply(read_rgb(data, name=path), key=found, seed=seed) if missing else None
        degraded: dict[str, NDArray[np.uint8]] = {}
        shared: dict[Hashable, Tensor] = {}
        inputs = {}
        for number in missing:
            unit, name = units[number], str(units[number].condition)
            if name not in degraded:
                assert rgb is not None
                degraded[name] = unit.condition.apply(rgb, key=found, seed=seed)
            if (key := (transform_key(unit.detector), name)) not in shared:
                shared[key] = unit.detector.preprocess(degraded[name])
            inputs[number] = shared[key], degraded[name].shape
        return Shown(path, view, found, inputs)
    except (OSError, RuntimeError, ValueError) as problem:  # such as a size that a transform cannot handle
        return Shown(path, view, sha256, {}, str(problem))


def _missing(units: list[Unit], done: set[tuple[Any, ...]], sha256: str, view: str) -> list[int]:
    return [number for number, unit in enumerate(units) if unit.key(sha256, view) not in done]
