"""Tables at full size: predictions of 2.7 million images x 7 conditions x 7 detectors, assembled and scored.

    python benchmarks/tables.py --scale 0.01 [--folder DIR] [--resamples 2000] [--keys]

Makes parts of a run as `predict` leaves them (random logits, 8 generators, groups of up to 3 images), then assembles
the table and scores it, each in a process of its own: seconds, rows a second, peak memory. `--keys` instead shows the
memory of what `predict` knows of 0.1, 1 and 10 million keys. Scale 1 needs about 4 GB of disk.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from synthscope.inference.store import PART, gather, read_logits
from synthscope.inference.table import add_rows
from synthscope.runtime import tune_allocator
from synthscope.schema import MANIFEST, conform, write_parquet

IMAGES, GENERATORS = 2_700_000, 8
CONDITIONS = ["none", "jpeg:q=95", "jpeg:q=65", "lr:112", "lr:64", "blur:sigma=3", "blur:sigma=5"]
UNITS = pl.DataFrame(
    [
        {
            "detector": f"detector{d}@0123456{d}", "architecture": "resnet50", "train_set": f"generator{d}",
            "train_view": "none", "preprocessing": "0123456789ab", "condition": condition, "precision": "fp32",
            "backend": "eager", "seed": 0, "threshold": 0.0, "temperature": 1.5, "bias": 0.1,
        }
        for d in range(7)
        for condition in CONDITIONS
    ]
).with_row_index("unit")  # fmt: skip


def manifest(n: int) -> pl.DataFrame:
    """Images as GenImage has them: every generator's own real and AI images."""
    number = pl.int_range(n)
    real, generator = number % 2 == 0, pl.format("generator{}", number * GENERATORS // n)
    images = pl.select(
        path=pl.format("/data/GenImage/{}/{}/{}.png", generator, number % 2, number.cast(pl.String).str.zfill(9)),
        label=(~real).cast(pl.Int8),
        generator=pl.when(real).then(pl.lit("real")).otherwise(generator),
        subset=generator,
        split=pl.lit("val"),
        class_index=number % 1000,
        width=pl.lit(500),
        height=pl.lit(375),
        group=pl.format("group{}", number // 3),
        view=pl.lit("none"),
    )
    hashes = pl.Series("sha256", [f"{i * 0x9E3779B97F4A7C15 % 2**64:064x}" for i in range(n)])
    return conform(images.with_columns(hashes), MANIFEST, "the manifest")


def write_parts(folder: Path, images: pl.DataFrame, rows: int = 1 << 20) -> None:
    """Parts with the logits of all images and units."""
    rng, step = np.random.default_rng(0), max(1, rows // UNITS.height)
    keys = UNITS.select(name for name in PART if name in UNITS.columns)
    for number, some in enumerate(images.iter_slices(step)):
        logits = rng.normal(1.5 * some["label"].to_numpy()[:, None] - 0.75, 1, (some.height, UNITS.height))
        table = some.select("path", "sha256", "view").join(keys, how="cross", maintain_order="left_right")
        table = table.with_columns(logit=pl.Series(logits.ravel(), dtype=pl.Float32), error=pl.lit(None, pl.String))
        write_parquet(conform(table, PART, "the part"), folder / "parts" / f"part-{number:020d}.parquet")


def build(folder: Path, n: int) -> int:
    """Write a manifest and parts; the number of rows."""
    images = manifest(n)
    write_parquet(images, folder / "manifest.parquet")
    write_parts(folder, images)
    return n * UNITS.height


def known(folder: Path, n: int) -> int:
    """What `predict` knows of all keys before and after it works."""
    answers = gather(pl.read_parquet(folder / "manifest.parquet"), UNITS, read_logits(folder / "parts"))
    answers.finished(range(min(n, 1 << 16)))
    return answers.height


def assemble(folder: Path, n: int) -> int:
    """Write the table of the run."""
    answers = gather(pl.read_parquet(folder / "manifest.parquet"), UNITS, read_logits(folder / "parts"))
    add_rows(folder / "predictions.parquet", answers)
    return n * UNITS.height


def score(folder: Path, n: int, resamples: int) -> int:
    """Scores with intervals, differences, seen and unseen, worst groups, classes."""
    from synthscope.scoring.score import write_scores

    tune_allocator()
    write_scores(folder, n_resamples=resamples)
    return n * UNITS.height


def index(folder: Path, n: int) -> int:
    """Filter, join and merge the manifest."""
    from synthscope.data.duplicates import duplicates
    from synthscope.data.manifest import filter_manifest, load_manifest, with_earlier

    images = load_manifest(folder / "manifest.parquet")
    filter_manifest(images, "split=val subset=generator3 label=1 width>=256")
    with_earlier(images[: n // 2], folder / "manifest.parquet")
    duplicates(images)
    return n


def measured(step: str, folder: Path, n: int, resamples: int) -> None:
    """Run a step in a process of its own and print what it cost."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder), "--images", str(n)]
    subprocess.run([*command, "--resamples", str(resamples)], check=True)


def run_step(step: Callable[..., int], *arguments: object) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    rows = step(*arguments)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{step.__name__:9}{rows:12,} rows {seconds:8.1f} s {cpu:8.1f} CPU s {rows / seconds:12,.0f} rows/s"
        f" {peak:6.2f} GiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--keys", action="store_true")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == "score":
        run_step(score, options.folder, options.images, options.resamples)
    elif options.step:
        run_step(globals()[options.step], options.folder, options.images)
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as place:
            sizes = [10**5, 10**6, 10**7] if options.keys else [int(options.scale * IMAGES) * UNITS.height]
            for keys in sizes:
                folder = Path(place) / str(keys)
                for step in ("build", "known") if options.keys else ("build", "index", "assemble", "score"):
                    measured(step, folder, keys // UNITS.height, options.resamples)


if __name__ == "__main__":
    main()
