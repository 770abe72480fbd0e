"""How many files a server holds at once: some in work, some waiting, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from synthscope.web.limits import Limits
from synthscope.web.problems import Problem

RETRY_AFTER = 2  # seconds


class Places:
    """Of one server, in one event loop."""

    def __init__(self, limits: Limits) -> None:
        """Room for ``limits.workers`` files in work and ``limits.waiting`` more."""
        self._room = limits.workers + limits.waiting
        self._held = self._working = 0
        self._turn = asyncio.Semaphore(limits.workers)

    @property
    def waiting(self) -> int:
        """Files that are on their way here or wait to be worked on."""
        return self._held - self._working

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Held from before a body is read until its answer is made.

        Raises:
            Problem: There is none.
        """
        if self._held >= self._room:
            sentence = f"Expected at most {self._room} files at a time, got more. Try again in {RETRY_AFTER} seconds."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, sentence, {"retry-after": str(RETRY_AFTER)})
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """To be worked on, first come, first served."""
        async with self._turn:
            self._working += 1
            try:
                yield
            finally:
                self._working -= 1
