"""The process that touches hostile bytes: no network, no programs, no files, bounded memory; its parent may kill it.

What it says goes back as JSON and plain pixels, so that a decoder that was taken over cannot make its parent run
anything. Connections and programs are refused to Python code only; the rest are limits of the system, where it has any.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from synthscope.config import Config
from synthscope.inspection.evidence import FileFacts, Finding, ScopeCheck
from synthscope.inspection.examine import Examined
from synthscope.runtime.signals import leave_stopping_to_parent

Examine = Callable[..., Examined]  # of (data, name, private=…)
OUT_OF_MEMORY = 77  # exit code
_REFUSED = {
    "socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind",
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
}  # fmt: skip


class Header(Config):
    """What is sent before the pixels."""

    file: FileFacts
    provenance: tuple[Finding, ...]
    scope: tuple[ScopeCheck, ...]
    size: tuple[int, int] | None  # height, width; None = there are no pixels


def work(connection: Connection, examine: Examine, memory: int) -> None:
    """Examine files until the other end of ``connection`` closes.

    Args:
        connection: Gets JSON with ``name`` and ``private``, then bytes; sends a ``Header``, then pixels if there are.
        examine: As :func:`synthscope.inspection.examine.examine`.
        memory: Bytes of address space beside what the process has when it begins.
    """
    leave_stopping_to_parent()
    _confine(memory)
    connection.send_bytes(b"ready")
    with suppress(EOFError):
        while True:
            told = json.loads(connection.recv_bytes())
            try:
                examined = examine(connection.recv_bytes(), told["name"], private=told["private"])
            except MemoryError:
                os._exit(OUT_OF_MEMORY)
            _send(connection, examined)


def _send(connection: Connection, examined: Examined) -> None:
    rgb = examined.rgb
    header = Header(
        file=examined.file,
        provenance=examined.provenance,
        scope=examined.scope,
        size=None if rgb is None else (rgb.shape[0], rgb.shape[1]),
    )
    connection.send_bytes(header.model_dump_json().encode())
    if rgb is not None:
        connection.send_bytes(rgb.reshape(-1).data)


def _confine(memory: int) -> None:
    sys.addaudithook(_refuse)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # decoders mutter; in what they say are words of the file
        os.dup2(nowhere, stream)
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    with suppress(OSError):  # only Linux tells, and keeps to, the address space
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event in _REFUSED:
        raise PermissionError(f"Expected to decode a file, got {event}. A file may not do that.")
