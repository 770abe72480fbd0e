"""Decoded images, kept for the next epoch: in memory that forked processes share, or in a folder that later runs share.

Both hold what they have until the end and take nothing more when they are full: every epoch visits every image once, so
to drop one for another would gain nothing.
"""

from __future__ import annotations

import hashlib
import mmap
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from synthscope.errors import SynthscopeError
from synthscope.runtime.files import whole_file

SUFFIX = ".npy"


class Cache(Protocol):
    """Pixels uint8 ``(H, W, C)`` by row."""

    def get(self, row: int) -> np.ndarray | None:
        """What was put there, not to be changed; None if nothing was."""

    def put(self, row: int, pixels: np.ndarray) -> None:
        """Keep pixels, if there is room."""


class Memory:
    """Up to ``budget`` bytes of shared memory: its pages are taken when they are written, by whichever process."""

    def __init__(self, rows: int, budget: int) -> None:
        self.rows, self.budget = rows, budget
        self._pixels = mmap.mmap(-1, max(budget, 1))
        self._places = np.frombuffer(mmap.mmap(-1, 32 * max(rows, 1)), np.int64).reshape(-1, 4)  # offset, H, W, C
        self._used = multiprocessing.Value("q", 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return Memory, (self.rows, 0)  # a process that is not forked has none

    def get(self, row: int) -> np.ndarray | None:
        """A view of the shared pixels."""
        offset, *shape = self._places[row].tolist()
        if shape[2] == 0:
            return None
        return np.frombuffer(self._pixels, np.uint8, int(np.prod(shape)), offset).reshape(shape)

    def put(self, row: int, pixels: np.ndarray) -> None:
        """Copy pixels, if there is room."""
        with self._used.get_lock():
            offset = self._used.value
            if self._places[row, 3] or offset + pixels.nbytes > self.budget:
                return
            self._used.value = offset + pixels.nbytes
        np.frombuffer(self._pixels, np.uint8, pixels.nbytes, offset).reshape(pixels.shape)[:] = pixels
        with self._used.get_lock():  # whoever sees the place sees its pixels
            self._places[row] = offset, *pixels.shape


class Folder:
    """A file an image, mapped into memory: the system keeps of them what there is room for, once for all processes.

    Files have the names of what decides their pixels, so another run takes those that it needs, and a file that was
    changed has another name. What the folder may hold, ``budget`` bytes, counts what lies there already.
    """

    def __init__(self, folder: str | Path, names: Callable[[int], str], budget: int) -> None:
        self.folder, self.names = Path(folder), names
        taken = sum(file.stat().st_size for file in self.folder.glob(f"*{SUFFIX}"))
        self._room = multiprocessing.Value("q", max(budget - taken, 0))

    def get(self, row: int) -> np.ndarray | None:
        """Pixels on the disk; None also for a damaged file."""
        try:
            pixels: np.ndarray = np.load(self._file(row), mmap_mode="c")
        except (OSError, ValueError, EOFError):
            return None
        return pixels.view(np.ndarray) if pixels.dtype == np.uint8 and pixels.ndim == 3 else None

    def put(self, row: int, pixels: np.ndarray) -> None:
        """Write pixels, whole or not at all. A disk that refuses is left alone from then on."""
        with self._room.get_lock():
            if pixels.nbytes > self._room.value:
                return
            self._room.value -= pixels.nbytes
        try:
            with whole_file(self._file(row)) as temporary, temporary.open("wb") as file:
                np.save(file, pixels)
        except SynthscopeError as error:
            self._room.value = 0
            print(f"warning: no more decoded images are kept: {error}", file=sys.stderr)

    def _file(self, row: int) -> Path:
        return self.folder / f"{self.names(row)}{SUFFIX}"


def content_name(path: str, *parts: object) -> str:
    """What a file's pixels depend on, as 40 hex digits: where it lies, its size and time of change, and ``parts``.

    Raises:
        OSError: No such file.
    """
    status = os.stat(path)  # noqa: PTH116 (this and the next are a tenth of Path's, for every image and epoch)
    told = os.path.abspath(path), status.st_size, status.st_mtime_ns, *parts  # noqa: PTH100
    return hashlib.sha256("\x1f".join(map(str, told)).encode("utf-8", "surrogateescape")).hexdigest()[:40]
