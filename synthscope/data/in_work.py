"""Memory of images in work, shared by the threads of a process: small images side by side, large ones in turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from synthscope.runtime import trim_allocator

MEGAPIXELS = 100.0  # of all threads together; a decoder needs up to 10 bytes a pixel
LARGE = 10.0  # megapixels of an image whose memory is given back at once
BYTES = 1e7  # of a file that count as a megapixel


class Budget:
    """Megapixels that threads share, first come, first served.

    A thread that holds some never waits, and the first in the queue goes when nobody holds any: so nobody waits for
    ever, and an image that is larger than the whole budget is in work alone.
    """

    def __init__(self, megapixels: float) -> None:
        self.megapixels, self._taken = megapixels, 0.0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()
        self._thread = threading.local()

    @contextmanager
    def task(self) -> Iterator[None]:
        """What this thread claims in the block is given back at its end; of blocks in each other, the outermost."""
        if hasattr(self._thread, "held"):
            yield
            return
        self._thread.held = 0.0
        try:
            yield
        finally:
            held = self._thread.held
            del self._thread.held
            if held >= LARGE:
                trim_allocator()
            with self._changed:
                self._taken -= held
                self._changed.notify_all()

    def claim(self, megapixels: float) -> None:
        """Wait for room for an image of this size, unless the thread's task has as much already."""
        if not hasattr(self._thread, "held") or megapixels <= self._thread.held:
            return
        with self._changed:
            if self._thread.held == 0:
                self._wait_for(megapixels)
            self._taken += megapixels - self._thread.held
            self._thread.held = megapixels

    def _wait_for(self, megapixels: float) -> None:
        ticket = object()
        self._queue.append(ticket)
        try:
            self._changed.wait_for(
                lambda: self._queue[0] is ticket and (not self._taken or self._taken + megapixels <= self.megapixels)
            )
        finally:
            self._queue.remove(ticket)
            self._changed.notify_all()


_budget = Budget(MEGAPIXELS)
image_task = _budget.task
claim = _budget.claim
