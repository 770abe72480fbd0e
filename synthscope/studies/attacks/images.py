"""One image under its attacks, before and after recompression: logits, and how far it is from what it was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor

from synthscope.data.degrade.recipe import Recipe, parse_recipe, read_viewed
from synthscope.errors import SynthscopeError
from synthscope.generation.saving import png
from synthscope.inference.engines.local import forward_or_reason
from synthscope.inference.plan import Plan
from synthscope.metrics.distance import WINDOW, psnr, ssim
from synthscope.runtime.files import whole_file
from synthscope.schema import PREDICTIONS
from synthscope.studies.attacks.kinds import Attack

Image = NDArray[np.uint8]
Row = dict[str, Any]
KEY = ["sha256", "recipe", "detector", "preprocessing", "attack", "by", "budget", "steps", "condition", "seed"]
VALUES = pl.Schema(
    dict.fromkeys(["sha256", "recipe", "detector", "preprocessing", "attack", "by"], pl.String)
    | {"budget": pl.Int64, "steps": pl.Int64, "condition": pl.String, "seed": pl.Int64}
    | {
        "logit": PREDICTIONS["logit"],
        "psnr": pl.Float64,  # decibels; null = the same pixels, or they show things at other places
        "ssim": pl.Float64,  # null = they show things at other places, or are too small
    }
)


@dataclass(frozen=True)
class Job:
    """What one detector is asked of one image."""

    image: Row  # a row of clean predictions, with ``recipe``: its view
    unit: int  # number of the detector in the plan
    part: str  # search | report | photographs
    attacks: tuple[Attack, ...]


@dataclass(frozen=True)
class Setting:
    """What all images have in common."""

    plan: Plan
    conditions: tuple[Recipe, ...]  # before and after recompression
    steps: int
    save: Path | None  # folder for attacked pictures

    def lines(self, job: Job) -> list[tuple[Attack, Recipe, Row]]:
        """Columns of ``KEY`` of all that a job asks for, and to which attack and condition they belong."""
        told = {name: job.image[name] for name in ("sha256", "recipe", "detector", "preprocessing")}
        return [
            (attack, condition, told | {
                "attack": attack.name, "by": attack.by, "budget": attack.budget,
                "steps": self.steps if attack.name in ("pgd", "wrong_sign", "transfer") else 0,
                "condition": str(condition), "seed": self.plan.seed,
            })
            for attack in job.attacks
            for condition in (self.conditions[:1] if attack.name == "search" else self.conditions)
        ]  # fmt: skip

    def run(self, job: Job, missing: Sequence[tuple[Attack, Recipe, Row]]) -> tuple[list[Row], list[Row]]:
        """Columns of ``VALUES`` of what is ``missing``, and the keys of what failed with its ``error``."""
        try:
            rgb = read_viewed(job.image["path"], parse_recipe(job.image["recipe"]), seed=self.plan.seed)
        except (OSError, SynthscopeError) as error:
            return [], [key | {"error": str(error)} for _, _, key in missing]
        made: dict[tuple[str, str, int], Image | str] = {}
        scored: list[tuple[Row, Image]] = []
        failed: list[Row] = []
        for attack, condition, key in missing:
            place = attack.name, attack.by, attack.budget
            if place not in made:
                made[place] = self._attacked(job, attack, rgb)
            attacked = made[place]
            seen = attacked if isinstance(attacked, str) else _conditioned(condition, attacked, job, self.plan.seed)
            if isinstance(seen, str):
                failed.append(key | {"error": seen})
            else:
                scored.append((key | distances(rgb, seen, moves=attack.moves), seen))
        for (row, _), logit in zip(scored, self._logits(job.unit, [seen for _, seen in scored]), strict=True):
            if isinstance(logit, str):
                failed.append({name: row[name] for name in KEY} | {"error": logit})
            else:
                row["logit"] = logit
        return [row for row, _ in scored if "logit" in row], failed

    def picture(self, job: Job, attack: Attack) -> Path | None:
        """Where the attacked image is kept; None where none is asked for."""
        if self.save is None or attack.name in ("none", "search") or job.part != "report":
            return None
        parts = (attack.name, attack.by, f"{attack.budget}" if attack.budget else "")
        name = "-".join(_plain(part) for part in parts if part)
        return self.save / _plain(job.image["detector"]) / name / f"{job.image['sha256'][:16]}.png"

    def _attacked(self, job: Job, attack: Attack, rgb: Image) -> Image | str:
        try:
            attacked = attack.apply(rgb, job.image["sha256"], self.plan.detectors[job.unit])
        except (RuntimeError, ValueError, SynthscopeError) as error:
            return str(error)
        if (file := self.picture(job, attack)) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(file) as temporary:
                temporary.write_bytes(png(attacked))
        return attacked

    def _logits(self, unit: int, images: list[Image]) -> list[float | str]:
        """By the same preprocessing and the same forward pass as ``predict``, which batches images of one size."""
        answers: list[float | str] = [""] * len(images)
        sizes: dict[tuple[int, ...], list[tuple[int, Tensor]]] = {}
        for number, image in enumerate(images):
            try:
                input = self.plan.detectors[unit].preprocess(image)
                sizes.setdefault(tuple(input.shape), []).append((number, input))
            except (OSError, RuntimeError, ValueError, SynthscopeError) as error:
                answers[number] = str(error)
        for inputs in sizes.values():
            for first in range(0, len(inputs), self.plan.batch_size):
                batch = inputs[first : first + self.plan.batch_size]
                outcome = forward_or_reason(unit, [input for _, input in batch], self.plan)
                values = outcome.tolist() if isinstance(outcome, Tensor) else outcome
                for (number, _), value in zip(batch, values, strict=True):
                    told = isinstance(value, str) or math.isfinite(value)
                    answers[number] = value if told else "non-finite logit"
        return answers


def distances(before: Image, after: Image, *, moves: bool) -> Row:
    """``psnr`` and ``ssim`` of an image after an attack; one of another size is brought back by a bicubic resize."""
    if moves:
        return {"psnr": None, "ssim": None}
    if after.shape != before.shape:
        size = before.shape[1], before.shape[0]
        after = np.asarray(Pillow.fromarray(after).resize(size, Pillow.Resampling.BICUBIC))
    ratio = psnr(before, after)
    alike = ssim(before, after) if min(before.shape[:2]) >= WINDOW else None
    return {"psnr": ratio if math.isfinite(ratio) else None, "ssim": alike}


def key_of(row: Row) -> tuple[Any, ...]:
    """Values of ``KEY``."""
    return tuple(row[name] for name in KEY)


def _conditioned(condition: Recipe, attacked: Image, job: Job, seed: int) -> Image | str:
    try:
        return condition.apply(attacked, key=job.image["sha256"], seed=seed)
    except SynthscopeError as error:
        return str(error)


def _plain(text: str) -> str:
    """A name of a folder on every system."""
    return "".join(letter if letter.isalnum() or letter in "@._=" else "_" for letter in text)[:100]
