"""Hours, bytes and the bottleneck of GenImage x 7 detectors x 7 conditions on 1, 8 and 64 GPUs: arithmetic on costs.

Run: python benchmarks/scale.py [NAME=VALUE ...] puts other costs in, such as those of your GPU.
     python benchmarks/scale.py measure FOLDER measures bytes and preparation of your images, on one core of your own.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import NamedTuple

DETECTORS = {  # billion multiply-adds of one input, counted
    "resnet50": 4.09, "deit_s": 4.24, "swin_t": 4.49, "cnnspot": 4.09, "spec": 3.66, "f3net": 18.80, "gramnet": 12.12,
}  # fmt: skip
CONDITIONS = ["none", "genimage"]  # 7 recipes


class Cost(NamedTuple):
    """One number, and how it is known."""

    value: float
    how: str  # counted | measured | assumed | given
    what: str


COSTS = {
    "images": Cost(2_681_167, "counted", "images of GenImage"),
    "conditions": Cost(7, "given", "none and GenImage's six degradations"),
    "gmacs": Cost(sum(DETECTORS.values()), "counted", "billion multiply-adds an image and condition, 7 detectors"),
    "image_bytes": Cost(260_000, "assumed", "bytes an image: JPEG reals, PNG fakes of 128 to 1024 pixels"),
    "prepare": Cost(0.100, "measured", "core-seconds an image: decoded once, 7 conditions, 6 ways of input"),
    "core_gmacs": Cost(80, "measured", "billion multiply-adds a second of one CPU core, ResNet-50, float32"),
    "gpu_gmacs": Cost(10_000, "assumed", "the same of a GPU, float32: put yours in, from benchmarks/gpu.py"),
    "gpu_cores": Cost(8, "given", "CPU cores beside every GPU"),
    "node_gpus": Cost(8, "given", "GPUs in a machine"),
    "node_bytes": Cost(1e9, "assumed", "bytes a second from the object store to a machine"),
    "driver_rows": Cost(
        140_000, "measured", "rows a second that the process at the head of a Ray run takes and stores"
    ),
    "table_rows": Cost(220_000, "assumed", "rows a second that are assembled and scored, in one process"),
    "part_row_bytes": Cost(4.6, "measured", "bytes a row of parts/"),
    "table_row_bytes": Cost(8.2, "measured", "bytes a row of predictions.parquet"),
    "start": Cost(60, "assumed", "seconds until all workers have their detectors"),
}


class Plan(NamedTuple):
    """Hours of the steps of one run. All but the tables go side by side; collecting and tables are one process's."""

    read: float
    prepare: float
    forward: float
    collect: float
    tables: float
    total: float

    @property
    def bottleneck(self) -> str:
        return max(self._fields[:5], key=lambda step: getattr(self, step))


def plan(gpus: int, cost: dict[str, float]) -> Plan:
    """What a run takes on ``gpus`` GPUs with the ``cost`` of everything."""
    work = cost["images"] * cost["conditions"]
    read = cost["images"] * cost["image_bytes"] / (cost["node_bytes"] * math.ceil(gpus / cost["node_gpus"]))
    prepare = cost["images"] * cost["prepare"] / (gpus * cost["gpu_cores"])
    forward = work * cost["gmacs"] / (gpus * cost["gpu_gmacs"])
    collect = work * len(DETECTORS) / cost["driver_rows"]
    tables = work * len(DETECTORS) / cost["table_rows"]
    total = cost["start"] + max(read, prepare, forward, collect) + tables
    return Plan(*(seconds / 3600 for seconds in (read, prepare, forward, collect, tables, total)))


def text(cost: dict[str, float], known: dict[str, str]) -> str:
    """The plan as people read it, in Markdown."""
    lines = ["| cost | value | known how | what |", "|---|---:|---|---|"]
    lines += [f"| `{name}` | {cost[name]:,.10g} | {known[name]} | {COSTS[name].what} |" for name in COSTS]
    lines += ["", "| GPUs | read, h | prepare, h | forward, h | collect, h | tables, h | together, h | bottleneck |"]
    lines += ["|---:|---:|---:|---:|---:|---:|---:|---|"]
    for gpus in (1, 8, 64):
        found = plan(gpus, cost)
        lines.append(f"| {gpus} | {' | '.join(f'{hours:.2f}' for hours in found)} | {found.bottleneck} |")
    rows = cost["images"] * cost["conditions"] * len(DETECTORS)
    seconds = cost["images"] * (cost["prepare"] + cost["conditions"] * cost["gmacs"] / cost["core_gmacs"])
    keep_up = cost["prepare"] * cost["gpu_gmacs"] / (cost["conditions"] * cost["gmacs"])
    read, parts, table = (
        cost["images"] * cost["image_bytes"] / 1e12,
        rows * cost["part_row_bytes"] / 1e9,
        rows * cost["table_row_bytes"] / 1e9,
    )
    lines += [
        "",
        f"Read: {read:.2f} TB, each image once. Written: {rows / 1e6:.0f} million rows, {parts:.1f} GB of parts and "
        f"{table:.1f} GB of table. A GPU is kept busy by {math.ceil(keep_up)} cores. Without GPUs: "
        f"{seconds / 3600:,.0f} core-hours.",
    ]
    return "\n".join(lines)


def measure(folder: Path) -> str:
    """Bytes and preparation of up to 100 images of a folder, as arguments for this script."""
    import torch

    from synthscope.data.degrade.recipe import parse_recipe
    from synthscope.data.layouts.walk import image_files
    from synthscope.detectors.hub import create_detector
    from synthscope.inference.plan import make_plan
    from synthscope.inference.preparation import Job, prepare

    torch.set_num_threads(1)
    paths = [path for path, _, error in image_files(folder) if error is None]
    paths = paths[:: max(1, len(paths) // 100)]
    detectors = [create_detector(name) for name in DETECTORS]
    made, _ = make_plan(detectors, CONDITIONS, images=1, precision="fp32", batch_size=None, workers=1, seed=0)
    jobs = [Job(number, path, None, parse_recipe("none")) for number, path in enumerate(paths)]
    prepare(jobs[0], made, {})
    start = time.thread_time()
    for job in jobs:
        prepare(job, made, {})
    seconds = (time.thread_time() - start) / len(jobs)
    size = sum(Path(path).stat().st_size for path in paths) / len(paths)
    return f"prepare={seconds:.4f} image_bytes={size:.0f}"


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["measure"]:
        print(measure(Path(arguments[1]).resolve()))
        return
    cost, known = ({name: one[i] for name, one in COSTS.items()} for i in (0, 1))
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name not in COSTS:
            sys.exit(f"Expected NAME=VALUE with one of {', '.join(COSTS)}, got {argument!r}. Correct it.")
        cost[name], known[name] = float(value), "given"
    print(text(cost, known))


if __name__ == "__main__":
    main(sys.argv[1:])
