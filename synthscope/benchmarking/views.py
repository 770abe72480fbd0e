"""The images of a benchmark as each of its views shows them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.data.align.views import TREATMENTS, seen_through, tell_treatments
from synthscope.schema import write_table

FILE = "treatments.parquet"  # in the run folder: what protocols did to the test images, and left out


def seen_tests(config: BenchmarkConfig, testing: pl.DataFrame) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """View -> the test images seen through it; and ``align.views.TREATMENTS`` of all the views.

    Raises:
        UsageError: A protocol, and test sets by generator, which would share their real images in several sizes.
        SynthscopeError: A view in which a class has no comparable image.
    """
    seen, treatments = {}, [pl.DataFrame(schema=TREATMENTS)]
    for view in config.views:
        seen[view], done = seen_through(testing, view, by=config.by, seed=config.seed)
        treatments.append(done)
    return seen, pl.concat(treatments)


def save_treatments(treatments: pl.DataFrame, out: Path) -> None:
    """Tell in a line, and keep beside the tables, what was done to the images; nothing where only recipes were."""
    if treatments.is_empty():
        (out / FILE).unlink(missing_ok=True)
        return
    tell_treatments(treatments)
    write_table(treatments, out / FILE)
