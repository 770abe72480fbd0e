"""``run.json``: what was asked of a run folder, pass by pass, and on which machine."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import torch

from synthscope import runtime
from synthscope.data.degrade.recipe import encoder_versions
from synthscope.inference.backends.choose import asked_of
from synthscope.inference.plan import Plan
from synthscope.runtime.files import read_json, write_json
from synthscope.schema import view_name


def read_settings(path: Path) -> dict[str, Any]:
    """What is in ``path``; nothing where it is absent. Raises ``SynthscopeError`` where it is not a JSON object."""
    return read_json(path, dict) if path.is_file() else {}


def write_settings(
    path: Path, plan: Plan, units: pl.DataFrame, images: pl.DataFrame, *, scorings: int, seconds: float
) -> None:
    """Add one pass over ``images`` to ``path``; a pass that asks for the same as an earlier one goes on with it.

    ``detectors``, ``conditions``, ``views`` and ``inputs`` are those of all passes, ``device``, ``threads``,
    ``versions`` and the like those of the last. What others have written into the file stays.
    """
    earlier = read_settings(path)
    asked = {
        "detectors": units["detector"].unique(maintain_order=True).to_list(),
        "conditions": list(map(str, plan.conditions)),
        "views": images.select(view_name()).to_series().unique(maintain_order=True).to_list(),
        "images": images.height,
        "selection": _digest(images),
        "precision": plan.precision,
        "backend": plan.backend,
        "seed": plan.seed,
    }
    before = [{"backend": "eager"} | one for one in earlier.get("passes", [])]
    same = [one for one in before if {key: one.get(key) for key in asked} == asked]
    passes = [one for one in before if one not in same] + [
        asked
        | {
            "scorings": scorings + sum(one["scorings"] for one in same),
            "seconds": round(seconds + sum(one["seconds"] for one in same), 3),
        }
    ]
    inputs = {
        f"{d.config.digest()}{plan.crops}": d.config.model_dump(mode="json", include={"input", "options"})
        | ({"crops": plan.crops._asdict()} if str(plan.crops) else {})
        for d in plan.detectors
    }
    names = units["detector"].unique(maintain_order=True)
    backends = earlier.get("backends", {}) | {
        asked_of(name, plan.backend, plan.precision): model.told
        for name, model in zip(names, plan.models, strict=True)
        if model.told
    }
    settings = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **{key: _union([one[key] for one in passes]) for key in ("detectors", "conditions", "views")},
        "inputs": earlier.get("inputs", {}) | inputs,
        "precision": plan.precision,
        "backend": plan.backend,
        **({"backends": backends} if backends else {}),
        "seed": plan.seed,
        "batch_size": plan.batch_size,
        "workers": plan.workers,
        "device": torch.cuda.get_device_name(plan.device) if plan.device.type == "cuda" else plan.device.type,
        "threads": torch.get_num_threads(),
        "scorings": scorings,
        "seconds": round(seconds, 3),
        "versions": {
            "python": platform.python_version(),
            **runtime.versions("torch", "timm", "polars"),
            **encoder_versions(),
        },
        "passes": passes,
    }
    write_json(path, earlier | settings)


def _union(lists: Sequence[list[str]]) -> list[str]:
    return list(dict.fromkeys(item for items in lists for item in items))


def _digest(images: pl.DataFrame) -> str:
    """Which images: their paths and subsets, in any order."""
    digest = hashlib.sha256()
    for rows in images.select("path", "subset", "view").sort("path", "subset", "view").iter_slices(1 << 16):
        digest.update(rows.write_csv(include_header=False).encode())
    return digest.hexdigest()[:12]


def _packages() -> dict[str, str]:
    return {**runtime.versions("torch", "timm", "polars"), **encoder_versions()}
