"""Build the sandbox: draw every picture of the plan and write folders and tables, whole or not at all."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime import track
from synthscope.runtime.files import read_json, whole_folder
from synthscope.sandbox.generators import fit_generators
from synthscope.sandbox.images import Studio, make_all
from synthscope.sandbox.layouts import Formats, Plan
from synthscope.sandbox.objects import THINGS
from synthscope.sandbox.writer import Writer

DEFAULT_ARTIFACT_RATE = 0.8
Layouts = Literal["genimage", "xaigd", "both"]
_VERSION = 1  # raise it when the same settings give other pixels


@dataclass(frozen=True)
class SandboxReport:
    """What stands in a sandbox folder."""

    folder: Path
    real: int  # pictures
    ai: int
    regions: dict[str, int]  # artifact category to number of polygons

    @property
    def genimage(self) -> Path:
        """Root of the GenImage layout, with ``annotations.parquet``."""
        return self.folder / "genimage"

    @property
    def xaigd(self) -> Path:
        """Root of the X-AIGD layout."""
        return self.folder / "xaigd"


def build_sandbox(
    out: str | Path,
    *,
    size: int = 128,
    classes: int = 10,
    train: int = 160,
    val: int = 40,
    seed: int = 0,
    fingerprint: bool = True,
    artifacts: bool | float = True,
    formats: Formats = "raw",
    layouts: Layouts = "both",
    workers: int = 2,
) -> SandboxReport:
    """Write a small world with known generators and known artifacts, in the layouts of GenImage and X-AIGD.

    The same settings give the same bytes, whatever the number of workers. A folder that already holds this very
    sandbox is left as it is.

    Args:
        out: Folder to create.
        size: Side of a picture in pixels, a multiple of 8; about that of a photograph where ``formats`` is raw.
        classes: Kinds of main objects, 1 to 12.
        train: Generated pictures a generator in ``genimage/*/*/train``, with as many photographs; half as many
            captions in ``labeled_train``.
        val: The same for ``val`` and ``labeled_test``.
        seed: Of everything.
        fingerprint: Whether generators leave the traces of their decoders. If not, the camera of the photographs takes
            their scenes too, and only artifacts give them away.
        artifacts: Share of the generated pictures that carry artifacts; True is 0.8, False none.
        formats: ``raw``: photographs are JPEG files of various sizes and qualities, generated pictures PNG files of one
            size a generator. ``aligned``: one size, JPEG at quality 96 for all.
        layouts: ``genimage``, ``xaigd`` or ``both``; neither changes the pictures of the other.
        workers: Processes.

    Raises:
        UsageError: A value out of range.
        SynthscopeError: The folder holds something else.
    """
    rate = DEFAULT_ARTIFACT_RATE if artifacts is True else float(artifacts)
    settings = {
        "version": _VERSION, "size": size, "classes": classes, "train": train, "val": val, "seed": seed,
        "fingerprint": fingerprint, "artifacts": rate, "formats": formats,
        "layouts": layouts,
    }  # fmt: skip
    _check(settings, workers)
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _existing(folder, settings)
    plan = Plan(size, classes, seed, formats)
    placed = []
    if layouts != "xaigd":
        placed += [*plan.genimage("train", train), *plan.genimage("val", val)]
    if layouts != "genimage":
        placed += [*plan.xaigd("train", max(train // 2, 1)), *plan.xaigd("test", max(val // 2, 1))]
    studio = Studio(fit_generators(seed, size) if fingerprint else None, rate)
    with whole_folder(folder) as partial:
        writer = Writer(partial)
        with closing(make_all(studio, [place.picture for place in placed], workers)) as made:
            for place, picture in zip(placed, track(made, "sandbox", len(placed)), strict=True):
                writer.add(place, picture)
        counts = writer.finish()
        (partial / "sandbox.json").write_text(json.dumps({"settings": settings, "counts": counts}, indent=2) + "\n")
    return SandboxReport(folder, **counts)


def _check(settings: dict[str, Any], workers: int) -> None:
    rules = (
        ("size", settings["size"] >= 64 and settings["size"] % 8 == 0, "a multiple of 8 from 64 up"),
        ("classes", 1 <= settings["classes"] <= len(THINGS), f"1 to {len(THINGS)}"),
        ("train", settings["train"] >= 1, "1 or more"),
        ("val", settings["val"] >= 1, "1 or more"),
        ("artifacts", 0 <= settings["artifacts"] <= 1, "a share from 0 to 1"),
        ("formats", settings["formats"] in ("raw", "aligned"), "raw or aligned"),
        ("layouts", settings["layouts"] in ("genimage", "xaigd", "both"), "genimage, xaigd or both"),
    )
    for key, sound, wanted in (*rules, ("workers", workers >= 1, "1 or more")):
        if not sound:
            got = settings.get(key, workers)
            raise UsageError(f"Expected {key} of the sandbox to be {wanted}, got {got!r}. Change the value.")


def _existing(folder: Path, settings: dict[str, Any]) -> SandboxReport:
    """The report of a sandbox that is already there, if it is the wanted one."""
    try:
        record = read_json(folder / "sandbox.json", dict)
        found, counts = dict(record["settings"]), dict(record["counts"])
    except (SynthscopeError, ValueError, KeyError, TypeError):
        raise SynthscopeError(f"Expected an empty folder, got {folder} with other files. Choose another.") from None
    if found != settings:
        differing = ", ".join(key for key in settings if found.get(key) != settings[key])
        raise SynthscopeError(
            f"Expected the same settings as in {folder}/sandbox.json, got another {differing}. Choose another folder."
        )
    return SandboxReport(folder, **counts)
