"""How many images, hours, bytes and coins a run would take, from a few images that are made and thrown away."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthscope.generation.contract import Generator, Order, Save
from synthscope.generation.plan import addressed
from synthscope.generation.saving import save_image

CALLS = 2  # of a generator; the first one warms up


@dataclass(frozen=True)
class Estimate:
    """Of one generator. None = not tried, because every image has a price."""

    generator: str
    images: dict[str, int]  # split -> fakes
    classes: int
    seconds: float | None  # an image
    bytes: int | None  # an image
    real_bytes: int  # of all copies of real images
    cost: float  # of all

    @property
    def total(self) -> int:
        """Fakes."""
        return sum(self.images.values())


def estimate(
    orders: Sequence[Order], generators: Sequence[Generator], *, seed: int = 0, save: Save = save_image
) -> list[Estimate]:
    """Make up to two batches with each generator in a folder that is removed, and time the second.

    Raises:
        SynthscopeError: A generator that cannot make images.
    """
    images = dict(Counter(order.split for order in orders))
    classes = len({(order.class_index, order.class_name) for order in orders})
    real = sum(_size(order.source) for order in orders if order.source is not None)
    found = []
    for generator in generators:
        price = generator.facts().get("price")
        seconds, size = _probe(orders, generator, seed, save) if price is None else (None, None)
        found.append(Estimate(generator.name, images, classes, seconds, size, real, (price or 0.0) * len(orders)))
        generator.close()
    return found


def _probe(orders: Sequence[Order], generator: Generator, seed: int, save: Save) -> tuple[float, int]:
    """Seconds and bytes an image."""
    seconds, sizes = 0.0, []
    with tempfile.TemporaryDirectory() as scratch:
        for call in range(CALLS):
            first = call * generator.batch
            batch = [addressed(order, generator.name, seed) for order in orders[first : first + generator.batch]]
            if not batch:
                break
            start = time.perf_counter()
            good = [(o, m) for o, m in zip(batch, generator.generate(batch), strict=True) if m.rgb is not None]
            sizes += [(Path(scratch) / save(made, order, Path(scratch))).stat().st_size for order, made in good]
            seconds = (time.perf_counter() - start) / len(batch)
    return seconds, round(sum(sizes) / len(sizes)) if sizes else 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # also of what lies in a shard
        return 0
