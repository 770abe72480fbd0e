"""The machine under the program: imports that need care, allocator, devices, seeds, progress; ``files``, ``locks``."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from synthscope.runtime.files import whole_file as whole_file

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_OPERATOR_LIBRARIES: list[Any] = []  # torch forgets the operators when the library object dies


def import_torchvision() -> ModuleType:
    """Import torchvision beside any torch build; import it through here before timm or torchvision is first used.

    A torchvision built for CUDA beside a CPU-only torch fails at import, because the schemas of two compiled
    operators are absent. Declaring them is enough for transforms and models; a sound installation is left alone.
    """
    import torch

    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _OPERATOR_LIBRARIES.append(library)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    return importlib.import_module("torchvision")


def import_timm() -> ModuleType:
    """Import timm after torchvision has been made importable."""
    import_torchvision()
    return importlib.import_module("timm")


def tune_allocator() -> None:
    """Keep freed memory in the process (glibc only): large batches lose up to 1.6x to page faults otherwise."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc.mallopt(m_mmap_threshold, 2**30)
        libc.mallopt(m_trim_threshold, 2**31 - 1)


def trim_allocator() -> None:
    """Give freed memory back (glibc only), which every thread keeps for itself otherwise: gigabytes of large images."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def seed_for(*parts: object) -> int:
    """A 63-bit seed from any printable parts, the same on every machine and whatever the order of work.

    >>> seed_for(0, "a.png", "noise:sigma=8") == seed_for(0, "a.png", "noise:sigma=8")
    True
    """
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def versions(*packages: str) -> dict[str, str]:
    """Of this program, also where it runs from a checkout that nobody installed, and of ``packages``."""
    from synthscope import __version__

    return {"synthscope": __version__, **{name: version(name) for name in packages}}


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this program, which has imported IPython in that case."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Progress:
    """Steps done and time left, on stderr: a bar on a terminal, one line that changes in a notebook, otherwise one line
    a minute and one at the end.

    >>> with Progress("scoring", total=2) as progress:
    ...     progress.advance(2)
    """

    def __init__(self, description: str, total: int | None = None, unit: str = "images") -> None:
        self.description, self.total, self.unit, self.done = description, total, unit, 0
        self._bar: Any = None
        self._notebook = in_notebook()
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Progress:
        self._start = self._last = time.monotonic()
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self.description, total=self.total)
        return self

    def advance(self, steps: int = 1) -> None:
        """Count ``steps`` more as done."""
        self.done += steps
        if self._bar is not None:
            self._bar.advance(self._task, steps)
        elif time.monotonic() - self._last >= (0.5 if self._notebook else 60):
            self._last = time.monotonic()
            self._line()

    def _line(self, *, last: bool = False) -> None:
        seconds = time.monotonic() - self._start
        rate = self.done / seconds if seconds else 0.0
        line = f"{self.description}: {self.done}{f'/{self.total}' if self.total else ''} {self.unit}, {rate:.1f}/s"
        if self.total and rate and self.done < self.total:
            line += f", {(self.total - self.done) / rate:.0f} s left"
        if self._notebook:  # what is printed next takes its place; padded, as that may be shorter
            print(f"{line:<79}", end="\n" if last else "\r", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif time.monotonic() - self._start >= (0.5 if self._notebook else 5):
            self._line(last=True)


def track(items: Iterable[T], description: str, total: int | None = None, unit: str = "images") -> Iterator[T]:
    """Iterate over ``items`` with :class:`Progress`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(description, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()
