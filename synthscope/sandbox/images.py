"""One picture of the sandbox, from its description to the bytes of its file; the work of a process pool."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from synthscope.runtime import seed_for
from synthscope.runtime.signals import ctrl_c_ignored
from synthscope.sandbox.artifacts import Artifact, draw_with_artifacts
from synthscope.sandbox.camera import encode, photograph, to_bytes, to_display
from synthscope.sandbox.generators import Decoder
from synthscope.sandbox.render import render
from synthscope.sandbox.scene import Scene, sample_scene


@dataclass(frozen=True)
class Picture:
    """What to draw: seeds of the scene, who draws it, and the file format. A generator of None is the camera."""

    thing_index: int
    meaning: int
    layout: int
    generator: str | None
    width: int
    height: int
    quality: int | None  # of the JPEG; None = PNG

    @property
    def scene(self) -> Scene:
        """The scene in the picture."""
        return sample_scene(self.thing_index, self.meaning, self.layout)


@dataclass(frozen=True)
class Made:
    """A picture as the bytes of a file, with its artifacts."""

    data: bytes
    artifacts: list[Artifact]

    @property
    def labels(self) -> list[dict[str, object]]:
        """The artifacts as the label structs of X-AIGD."""
        return [{"label": artifact.label, "points": artifact.points.tolist()} for artifact in self.artifacts]


@dataclass(frozen=True)
class Studio:
    """What all pictures share. Without decoders every picture, of either label, is taken by the same camera."""

    decoders: dict[str, Decoder] | None
    artifact_rate: float  # share of the generated pictures that carry any

    def make(self, picture: Picture) -> Made:
        """Draw one picture; the result depends on nothing but the arguments."""
        scene, size = picture.scene, (picture.width, picture.height)
        artifacts: list[Artifact] = []
        rng = np.random.default_rng(seed_for(picture.layout, "artifacts"))
        if picture.generator is not None and rng.random() < self.artifact_rate:
            light, artifacts = draw_with_artifacts(scene, *size, count=int(rng.integers(1, 5)), rng=rng)
        else:
            light = render(scene, *size)
        rng = np.random.default_rng(seed_for(picture.layout, "pixels"))
        if picture.generator is None or self.decoders is None:
            pixels = photograph(light, rng)
        else:
            pixels = to_bytes(self.decoders[picture.generator](to_display(light), rng))
        return Made(encode(pixels, picture.quality), artifacts)


_studio: Studio  # of a worker process


def make_all(studio: Studio, pictures: list[Picture], workers: int) -> Generator[Made, None, None]:
    """All pictures in order; the number of processes changes the time only."""
    if workers == 1:
        with threadpool_limits(1):
            yield from map(studio.make, pictures)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (studio,))
    try:
        with ctrl_c_ignored():  # in the processes that start now
            made = pool.map(_make, pictures, chunksize=8)
        yield from made
    finally:
        pool.shutdown(cancel_futures=True)


def _start(studio: Studio) -> None:
    global _studio
    _studio = studio
    cv2.setNumThreads(1)
    threadpool_limits(1)


def _make(picture: Picture) -> Made:
    return _studio.make(picture)
