"""Ctrl-C and SIGTERM: what is whole stays, the rest is left, and one line says how to go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPS = signal.SIGINT, signal.SIGTERM
_ECHO = 1.0  # seconds in which a signal that is sent again, as by torchrun, is the same one


@contextmanager
def stoppable() -> Iterator[None]:
    """End the block on the first of these signals, with a line on stderr and exit code 130 or 143; at once on a second.

    For the main thread of a process. ``SystemExit`` runs through every ``finally``, so that work is saved.
    """
    received: list[int] = []
    first = 0.0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not received:
            received.append(number)
            first = time.monotonic()
            raise SystemExit(128 + number)
        if time.monotonic() - first > _ECHO:
            os._exit(128 + number)

    before = {number: signal.getsignal(number) for number in _STOPS}
    heard = [number for number in _STOPS if before[number] is not signal.SIG_IGN]  # as nohup wants it
    for number in heard:
        signal.signal(number, stop)
    try:
        try:
            yield
        except BaseException:  # such as of a worker that the same Ctrl-C has ended
            if not received:
                raise
        if received:
            print("synthscope: stopped; run the same command again to go on.", file=sys.stderr)
            sys.exit(128 + received[0])
    finally:
        for number in heard:
            signal.signal(number, before[number])


@contextmanager
def ctrl_c_ignored() -> Iterator[None]:
    """For the moment in which processes are started: they go on ignoring it, since it is their parent's to handle."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave_stopping_to_parent() -> None:
    """In a forked process: the Ctrl-C that its terminal sends to all processes is its parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
