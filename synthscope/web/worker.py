"""Processes that examine files for a server: killed and started anew when a file is too much for them."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from queue import LifoQueue
from threading import Event, Timer

import numpy as np
from pydantic import ValidationError

from synthscope.data.images import MAX_MEGAPIXELS
from synthscope.inspection.examine import Examined
from synthscope.runtime.signals import ctrl_c_ignored
from synthscope.web.confined import OUT_OF_MEMORY, Examine, Header, work
from synthscope.web.limits import Limits
from synthscope.web.problems import Problem

_HEADER_BYTES = 2**24
_START_SECONDS = 120.0  # on a machine that does much else


class Worker:
    """One process. One thread at a time may use it."""

    def __init__(self, limits: Limits, examine: Examine) -> None:
        """Start a process that calls ``examine``, which it must be able to import."""
        self._limits, self._examine = limits, examine
        self._start()

    def examine(self, data: bytes, name: str, *, private: bool = False) -> Examined:
        """:func:`synthscope.inspection.examine.examine` over there.

        Raises:
            Problem: It took too long or too much memory, or the process ended. There is a new one then.
        """
        if not self._process.is_alive():
            self._start()
        self._wait_until_ready()
        try:
            with self._deadline() as late:
                self._connection.send_bytes(json.dumps({"name": name, "private": private}).encode())
                self._connection.send_bytes(data)
                return self._receive()
        except (OSError, EOFError, ValidationError) as error:
            self.kill()
            sentence = self._why(expired=late.is_set())
            self._start()
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, sentence) from error

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        told = (theirs, self._examine, self._limits.examine_bytes)
        self._process = context.Process(target=work, args=told, daemon=True)
        with ctrl_c_ignored():
            self._process.start()
        theirs.close()
        self._ready = False

    def _wait_until_ready(self) -> None:
        if not self._ready and not self._connection.poll(_START_SECONDS):
            self.kill()
            raise TimeoutError(f"a process that decodes did not start within {_START_SECONDS:g} seconds")
        if not self._ready:
            self._connection.recv_bytes()
            self._ready = True

    def _receive(self) -> Examined:
        header = Header.model_validate_json(self._connection.recv_bytes(_HEADER_BYTES))
        if header.size is None:
            return Examined(header.file, None, header.provenance, header.scope)
        height, width = header.size
        if min(height, width) < 1 or height * width > MAX_MEGAPIXELS * 1e6:
            raise OSError(f"{height} x {width} pixels")
        pixels = np.empty(height * width * 3, np.uint8)
        if self._connection.recv_bytes_into(pixels.data) != pixels.size:
            raise OSError("too few pixels")
        return Examined(header.file, pixels.reshape(height, width, 3), header.provenance, header.scope)

    @contextmanager
    def _deadline(self) -> Iterator[Event]:
        """Kill the process at its end; both ways of the connection fail then, so that nobody waits for ever."""
        late, process = Event(), self._process

        def end() -> None:
            late.set()
            process.kill()

        timer = Timer(self._limits.examine_seconds, end)
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _why(self, *, expired: bool) -> str:
        if expired:
            most = f"within {self._limits.examine_seconds:g} seconds"
            return f"Expected an image that can be read {most}, got one that takes longer. Send a simpler file."
        if self._process.exitcode == OUT_OF_MEMORY:
            most = f"{self._limits.examine_bytes / 1e9:.3g} GB of memory"
            return f"Expected an image that can be read in {most}, got one that takes more. Send a smaller file."
        return "Expected an image, got a file at which the decoder crashed. Save it anew with another program."


class Workers:
    """As many as there may be files in work."""

    def __init__(self, limits: Limits, examine: Examine, failed: Callable[[], None]) -> None:
        """Start ``limits.workers`` processes; ``failed`` is called whenever one had to be started anew."""
        self._all = [Worker(limits, examine) for _ in range(limits.workers)]
        self._idle: LifoQueue[Worker] = LifoQueue()
        for worker in self._all:
            self._idle.put(worker)
        self._failed = failed

    def examine(self, data: bytes, name: str, *, private: bool = False) -> Examined:
        """:meth:`Worker.examine` of one that is idle, or becomes so."""
        worker = self._idle.get()
        try:
            return worker.examine(data, name, private=private)
        except Problem:
            self._failed()
            raise
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all of them."""
        for worker in self._all:
            worker.kill()
