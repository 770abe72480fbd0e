"""Inspect many files: a folder of evidence, one JSON file for each content, that a second run goes on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import torch
from pydantic import ValidationError

from synthscope.data.images import read_file
from synthscope.data.in_work import image_task
from synthscope.errors import UnreadableImageError
from synthscope.inspection.calibrated import Calibrated
from synthscope.inspection.evidence import SCHEMA_VERSION, Evidence
from synthscope.inspection.examine import examine
from synthscope.inspection.inspect import Settings, inspect_image, unreadable, versions
from synthscope.inspection.pictured import Inspection
from synthscope.runtime import Progress, tune_allocator
from synthscope.runtime.files import whole_file, write_text
from synthscope.runtime.threads import in_threads


class Inspected(NamedTuple):
    """One file of a run."""

    path: Path
    evidence: Evidence  # names of files in it are relative to the run's folder


def inspect_files(
    paths: Sequence[Path],
    detectors: Sequence[Calibrated],
    settings: Settings,
    *,
    out: Path,
    workers: int | None = None,
) -> Iterator[Inspected]:
    """Inspect files, in order. Files of the same bytes are looked at once.

    Args:
        paths: Of the files.
        detectors: What to ask.
        settings: What to do.
        out: Gets ``evidence/`` and ``heatmaps/``; what is there for the same bytes, detectors, settings and versions
            is not made again.
        workers: Threads that read files and make what arrives by other ways; None = one a core.

    Raises:
        SynthscopeError: A folder that cannot be written, or a detector that does not return one finite logit.
    """
    folder = Path("evidence") / run_key(detectors, settings)
    locks: dict[str, Lock] = {}
    one = partial(_inspect, detectors=detectors, settings=settings, out=out, folder=folder, locks=locks)
    tune_allocator()
    with Progress("inspect", len(paths), "files") as progress, _cores(shared=bool(settings.explainers)):
        for inspected in in_threads(one, paths, workers):
            progress.advance()
            yield inspected


@contextmanager
def _cores(*, shared: bool) -> Iterator[None]:
    """All cores for each forward pass where these come one at a time, else one core for each of several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if shared else 1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_key(detectors: Sequence[Calibrated], settings: Settings) -> str:
    """First 12 hex digits of the SHA-256 of everything but the file that decides evidence."""
    asked = [
        (one.weights_sha256, one.detector.config.digest(), one.reference and one.reference.digest())
        for one in detectors
    ]
    told = json.dumps([SCHEMA_VERSION, asked, settings.model_dump(), versions()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def save(inspection: Inspection, out: Path, folder: Path) -> Evidence:
    """Write heatmaps and evidence below ``out``, the JSON last; returns the evidence with the names of the files."""
    evidence = inspection.evidence
    stem = evidence.file.sha256 or "unread"
    heatmaps = []
    for number, look in enumerate(inspection.looks):
        names = {kind: f"heatmaps/{folder.name}/{stem}.{number}{suffix}" for kind, suffix in _SUFFIXES.items()}
        for kind, content in (("raw", look.raw()), ("overlay", look.overlay())):
            with whole_file(out / names[kind]) as temporary:
                temporary.write_bytes(content)
        heatmaps.append(look.heatmap.model_copy(update=names))
    evidence = evidence.model_copy(update={"heatmaps": tuple(heatmaps)})
    if evidence.file.sha256 is not None:
        write_text(out / folder / f"{stem}.json", evidence.model_dump_json(indent=1) + "\n")
    return evidence


_SUFFIXES = {"raw": ".npz", "overlay": ".png"}


@image_task()
def _inspect(
    path: Path,
    *,
    detectors: Sequence[Calibrated],
    settings: Settings,
    out: Path,
    folder: Path,
    locks: dict[str, Lock],
) -> Inspected:
    try:
        data, sha256 = read_file(path)
    except UnreadableImageError as error:
        return Inspected(path, unreadable(path.name, error).evidence)
    with locks.setdefault(sha256, Lock()):
        if (known := _read(out, folder / f"{sha256}.json")) is not None:
            file = known.file.model_copy(update={"name": path.name})
            return Inspected(path, known.model_copy(update={"file": file}))
        examined = examine(data, path.name, private=settings.private, provenance=settings.provenance)
        del data
        return Inspected(path, save(inspect_image(examined, detectors, settings, workers=1), out, folder))


def _read(out: Path, name: Path) -> Evidence | None:
    """Evidence that is there, whole and with its heatmaps."""
    try:
        evidence = Evidence.model_validate_json((out / name).read_bytes())
    except (OSError, ValidationError):  # a file that somebody damaged is made again
        return None
    files = [file for one in evidence.heatmaps for file in (one.raw, one.overlay) if file is not None]
    return evidence if all((out / file).is_file() for file in files) else None
