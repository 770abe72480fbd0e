"""What a benchmark would do and cost: images, bytes, trainings and forward passes counted, hours estimated.

Nothing is trained and nothing is written. The hours extrapolate a probe of at most a minute on this machine.
"""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.cost.estimate import estimate, measure
from synthscope.benchmarking.cost.workload import TrainingWork, Work, count, total_bytes
from synthscope.benchmarking.sources import split_images
from synthscope.data.manifest import load_manifest, sample
from synthscope.errors import UsageError
from synthscope.tables.render import plain_text
from synthscope.tables.wording import in_order

PROBED = 32  # images


def dry_run(config: BenchmarkConfig, out: str | Path, *, source: str | None = None, seconds: float = 60.0) -> str:
    """Counts and an estimate of the hours that ``benchmark(config, out, source=source)`` would take, as text.

    Args:
        config: The benchmark.
        out: Its run folder, where a sandbox is looked for; nothing is written.
        source: Images, as for ``benchmark``.
        seconds: Of the probe, about.

    Raises:
        UsageError: No images, or those of a sandbox that is not built yet.
    """
    training, testing = split_images(config, load_manifest(_source(config, Path(out), source)))
    work = count(config, training, testing)
    usable = testing.filter(pl.col("error").is_null())
    share = math.ceil(PROBED / max(usable.n_unique(["subset", "label"]), 1))
    probed = sample(usable, ("subset", "label"), n=share).head(PROBED)
    absent = [path for path in probed["path"] if not Path(path).is_file()]
    if absent:
        text = f"No estimate of time: {len(absent)} of {probed.height} probed files are absent, such as {absent[0]}."
    elif probed.is_empty():
        text = "No estimate of time: there is no image to test on."
    else:
        text = estimate(work, measure(config, work, probed["path"].to_list(), seconds=seconds))
    parts = [f"{config.title}: what a run would do", _images_table({"train": training, "test": testing})]
    parts += [_trainings_table(work)] if work.trainings else []
    parts += [_sums(work)]
    if work.failures:
        parts += ["\n".join(["Would fail:", *(f"  {failure.name}: {failure.sentence}" for failure in work.failures)])]
    return "\n\n".join([*parts, text])


def _source(config: BenchmarkConfig, out: Path, source: str | None) -> str:
    if chosen := source or config.source:
        return chosen
    if config.sandbox is not None and (built := out / "sandbox" / config.sandbox.layout).is_dir():
        return f"{config.sandbox.layout}:{built}"
    got = "none" if config.sandbox is None else "a recipe that draws its own once it runs"
    raise UsageError(f"Expected images to count, got {got}. Name a manifest or LAYOUT:PATH after the recipe.")


def _images_table(parts: dict[str, pl.DataFrame]) -> str:
    rows = []
    for part, table in parts.items():
        for subset in [*in_order(table["subset"].drop_nulls().unique().sort().to_list()), None]:
            own = table.filter(pl.col("subset").eq_missing(subset))
            n_ai, bad = (own["label"] == 1).sum(), own["error"].count()
            if own.height:
                gigabytes = round(total_bytes(own) / 1e9, 3)
                rows.append((subset or "(every subset)", part, own.height - n_ai, n_ai, bad, gigabytes))
    columns = ["subset", "part", "real", "AI", "unusable", "GB"]
    return plain_text(pl.DataFrame(rows, schema=columns, orient="row"))


def _trainings_table(work: Work) -> str:
    """A line for each training recipe, the sums over its subsets and views."""
    kinds: dict[str, list[TrainingWork]] = {}
    for one in work.trainings:
        kinds.setdefault(one.run.kind, []).append(one)
    lines = [
        (
            kind,
            len(ones),
            sum(one.images for one in ones),
            max(one.epochs for one in ones),
            sum(one.steps for one in ones),
            ones[0].run.recipe.batch_size,
            "closed form, one look" if ones[0].run.floor else "at most" if ones[0].at_most else "",
        )
        for kind, ones in kinds.items()
    ]
    heads = ["recipe", "detectors", "images", "epochs", "steps", "batch", "note"]
    return plain_text(pl.DataFrame(lines, schema=heads, orient="row"))


def _sums(work: Work) -> str:
    read = sum(one.bytes for one in work.trainings) + sum(one.bytes for one in work.passes)
    decodes = sum(one.decodes for one in work.trainings) + sum(one.images for one in work.passes)
    return (
        f"Training: {len(work.trainings)} detectors, {sum(one.seen for one in work.trainings):,} images through them.\n"
        f"Prediction: {sum(one.forwards for one in work.passes):,} forward passes.\n"
        f"Decodes: {decodes:,}, and {work.audited:,} for the audit and file attributes.\n"
        f"Bytes to read: {read / 1e9:.3f} GB; what training keeps in memory is read once."
    )
