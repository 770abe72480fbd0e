"""The engine for a Ray cluster: every actor holds the detectors and runs the local engine on one block at a time.

A block is a chunk of the local engine, so that logits are the same; detectors go through the object store, so that no
node needs their folders. Blocks do not know of each other: of files with the same bytes, the first one counts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inference.backends.choose import load_models
from synthscope.inference.engines import local
from synthscope.inference.engines.cluster import GIVEN_UP, in_cluster
from synthscope.inference.engines.local import Result
from synthscope.inference.plan import Done, Plan, make_plan
from synthscope.inference.preparation import Job, Prepared
from synthscope.runtime import tune_allocator

Block = tuple[list[Job], Done]  # a chunk, and what is known of its images
Seen = tuple[str | None, str | None]  # sha256 and error of an image
Found = tuple[int, int, float | None, str | None]  # number of the image in its block, and the rest of its Result


def score(
    jobs: Iterable[Job], plan: Plan, done: Done, *, address: str | None = None
) -> Iterator[tuple[list[Prepared], list[Result]]]:
    """What :func:`synthscope.inference.engines.local.score` yields, made by the cluster at ``address``.

    Raises:
        SynthscopeError: As there, and as :func:`~synthscope.inference.engines.cluster.in_cluster`.
    """
    settings: dict[str, Any] = {
        "conditions": list(map(str, plan.conditions)),
        "batch_size": plan.batch_size,
        "workers": plan.workers,
        "seed": plan.seed,
        "crops": plan.crops,
    }
    if any(model.precision.startswith("int8") for model in plan.models):
        raise UsageError("Expected a precision that needs no calibration on a cluster, got int8. Take --engine local.")
    backends = [(model.backend, model.precision) for model in plan.models]
    chunks = (list(chunk) for _, chunk in groupby(jobs, key=lambda job: job.position // plan.chunk))
    blocks = ((chunk, _known(chunk, done)) for chunk in chunks)
    shared = ([portable(detector) for detector in plan.detectors], settings, backends)
    for (chunk, _), outcome in in_cluster(blocks, begin_scoring, shared, threads=plan.workers, address=address):
        yield _merge(chunk, outcome or _failure(chunk, plan), plan, done)


def _known(chunk: list[Job], done: Done) -> Done:
    keys = {(job.sha256 or job.earlier or "", str(job.view)) for job in chunk}
    return {key: done[key] for key in keys if key in done}


def portable(detector: Detector) -> Detector:
    """The detector on a CPU, to be sent to machines with or without an accelerator."""
    return detector if detector.mean.device.type == "cpu" else copy.deepcopy(detector).cpu()


def begin_scoring(
    detectors: list[Detector], settings: dict[str, Any], backends: list[tuple[str, str]]
) -> Callable[[Block], tuple[list[Seen], list[Found]]]:
    """In an actor: what scores a block with the local engine.

    Raises:
        SynthscopeError: A backend that the run was begun with and that this node has not.
    """
    tune_allocator()
    plan, _ = make_plan(detectors, images=1, precision="fp32", **settings)
    models = [
        load_models({one.config.name: one}, *way, batch_size=plan.batch_size, workers=plan.workers)[0]
        for one, way in zip(plan.detectors, backends, strict=True)
    ]
    for model, (backend, _) in zip(models, backends, strict=True):
        if model.backend != backend:
            raise SynthscopeError(
                f"Expected the backend {backend} on all nodes, got {model.backend} on one: "
                f"{model.told.get('reason')}. Name another backend."
            )
    plan = replace(plan, models=tuple(models))

    def work(block: Block) -> tuple[list[Seen], list[Found]]:
        chunk, done = block
        together = [job._replace(position=0) for job in chunk]  # one chunk, whatever the chunks are here
        ((prepared, results),) = local.score(together, plan, done)
        numbers = {id(image): number for number, image in enumerate(prepared)}
        found = [(numbers[id(one.image)], one.unit, one.logit, one.error) for one in results]
        return [(image.sha256, image.error) for image in prepared], found

    return work


def _failure(block: list[Job], plan: Plan) -> tuple[list[Seen], list[Found]]:
    units = range(len(plan.detectors) * len(plan.conditions))
    return [(job.sha256, GIVEN_UP) for job in block], [(n, u, None, GIVEN_UP) for n in range(len(block)) for u in units]


def _merge(
    block: list[Job], outcome: tuple[list[Seen], list[Found]], plan: Plan, done: Done
) -> tuple[list[Prepared], list[Result]]:
    """Results of a block as the local engine has them, without those that another block had before."""
    seen, found = outcome
    prepared = [Prepared(job, sha256, error) for job, (sha256, error) in zip(block, seen, strict=True)]
    missing = [set(plan.missing(done, image.sha256 or "", image.job.view)) for image in prepared]
    results = [Result(prepared[n], unit, logit, error) for n, unit, logit, error in found if unit in missing[n]]
    for image in prepared:
        if image.error is None:
            done[image.sha256 or "", str(image.job.view)] = plan.everything
    return prepared, results
