"""Ratios measured within one run, the only figures of speed that two machines can compare; and their history.

Every ratio says how many times as fast, or as small, something is as what it is held against: larger is better.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

LINE = re.compile(r"^ratio: (?P<value>[0-9.e+-]+) x (?P<against>[^:]+): (?P<what>.+)$", re.MULTILINE)
ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<value>[0-9.e+-]+) × (?P<against>[^|]+) \|$", re.MULTILINE)
LIBRARIES = ("torch", "numpy", "opencv-python-headless", "pillow", "polars", "openvino", "onnxruntime", "ray")


class Ratio(NamedTuple):
    """``what`` is ``value`` times as fast, or as small, as ``against``."""

    what: str
    value: float
    against: str

    def __str__(self) -> str:
        return f"ratio: {self.value:.3g} x {self.against}: {self.what}"


def ratios(text: str, pattern: re.Pattern[str] = LINE) -> list[Ratio]:
    """All ratios that a benchmark printed.

    >>> ratios("200 files\\n" + str(Ratio("predict", 0.951, "the floor")))
    [Ratio(what='predict', value=0.951, against='the floor')]
    """
    return [Ratio(m["what"].strip(), float(m["value"]), m["against"].strip()) for m in pattern.finditer(text)]


def machine() -> str:
    """What the ratios were measured on: processor, cores, memory, libraries."""
    cpu = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)$", cpu.read_text(), re.MULTILINE) if cpu.is_file() else None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    libraries = ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _version(name)))
    return (
        f"{model[1] if model else platform.machine()}, {cores} cores, {memory:.0f} GiB, Python "
        f"{platform.python_version()}, {libraries}"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def entry(found: Iterable[Ratio], commit: str) -> str:
    """One run as a section of the history."""
    rows = [f"| {one.what} | {one.value:.3g} × {one.against} |" for one in found]
    day = datetime.now(UTC).date().isoformat()
    return "\n".join([f"## {day}, {commit}", "", machine(), "", "| what | ratio |", "|---|---|", *rows, ""])


def worse(found: Iterable[Ratio], history: str, margin: float) -> list[tuple[Ratio, float]]:
    """Ratios that fell by more than ``margin`` below the newest one of the same name in ``history``, and that one.

    The newest section of a history comes first.

    >>> worse([Ratio("predict", 0.7, "the floor")], "| predict | 0.95 × the floor |", 0.2)
    [(Ratio(what='predict', value=0.7, against='the floor'), 0.95)]
    """
    newest: dict[tuple[str, str], float] = {}
    for one in ratios(history, ROW):
        newest.setdefault((one.what, one.against), one.value)
    known = [(one, newest[one.what, one.against]) for one in found if (one.what, one.against) in newest]
    return [(one, before) for one, before in known if one.value < (1 - margin) * before]
