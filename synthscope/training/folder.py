"""The folder of a run: whose it is, whether it is finished, and what may be written there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.detectors.base import TrainedOn
from synthscope.detectors.hub import CONFIG, read_config
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import read_json, write_json
from synthscope.schema import view_name
from synthscope.training.config import TrainConfig
from synthscope.training.distributed import World

RUN = "training.json"
# keys that never change results; what the annotations say is in the digest of the images, and the weights to start
# from have a digest of their own
UNSEEN: Any = {
    "data": {"workers", "cache_megabytes", "cache_folder"},
    "checkpoint_minutes": True, "annotations": True, "init_from": True,
}  # fmt: skip


def fingerprint(config: TrainConfig, manifest_sha256: str) -> str:
    """Equal for two runs that must end with the same weights."""
    text = config.model_dump_json(exclude=UNSEEN) + manifest_sha256
    if config.init_from is not None:
        text += read_config(config.init_from).weights_sha256 or ""
    return hashlib.sha256(text.encode()).hexdigest()


def trained_on(rows: pl.DataFrame, config: TrainConfig, manifest_sha256: str) -> TrainedOn:
    """What the configuration of a detector says of the images that it learned from."""
    names = rows.filter(pl.col("label") == 1).select(pl.coalesce("subset", "generator"))["subset"]
    return TrainedOn(
        subsets=tuple(sorted(names.drop_nulls().unique())),
        view="+".join(sorted(rows.select(view_name())["view"].unique())),
        n_real=int((rows["label"] == 0).sum()),
        n_ai=int((rows["label"] == 1).sum()),
        seed=config.seed,
        recipe=config.name,
        manifest_sha256=manifest_sha256,
    )


def claim(folder: Path, config: TrainConfig, manifest_sha256: str, *, world: World) -> bool:
    """Make ``folder`` this run's, or find that it is already.

    Returns:
        Whether the run is finished.

    Raises:
        SynthscopeError: The folder belongs to another run.
    """
    file, complete = folder / RUN, (folder / CONFIG).is_file()
    mine = {
        "fingerprint": fingerprint(config, manifest_sha256),
        "manifest_sha256": manifest_sha256,
        "config": config.model_dump(mode="json"),
    }
    if file.is_file():
        theirs = _read(file)
        if theirs["fingerprint"] != mine["fingerprint"]:
            raise SynthscopeError(
                f"Expected {folder} to be new or of this run, got a run that differs in {_difference(theirs, mine)}. "
                f"Choose another folder, or delete this one."
            )
    elif complete:
        raise SynthscopeError(f"Expected a new folder, got {folder}, which holds a detector. Choose another folder.")
    world.gather(None)  # all processes have looked before one writes
    if world.rank == 0:
        write_json(file, mine)
    return complete


def _read(file: Path) -> dict[str, Any]:
    run: dict[str, Any] = read_json(file, dict, advice="Delete the folder to train anew.")
    if not (isinstance(run.get("fingerprint"), str) and isinstance(run.get("config"), dict)):
        raise SynthscopeError(f"Expected fingerprint and config in {file}, got otherwise. Delete the folder.")
    return run


def _difference(theirs: dict[str, Any], mine: dict[str, Any]) -> str:
    before, now = _flat(theirs["config"]), _flat(mine["config"])
    unseen = {*(f"data.{key}" for key in UNSEEN["data"]), "checkpoint_minutes", "annotations"}
    for key in sorted((before.keys() | now.keys()) - unseen):
        if before.get(key) != now.get(key):
            return f"{key} ({before.get(key)!r} there, {now.get(key)!r} here)"
    return "its images" if now.get("init_from") is None else "its images or the weights to start from"


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
