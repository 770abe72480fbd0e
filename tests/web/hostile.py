"""What a decoder that a file has taken over may do, by the first word of the file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from synthscope.inspection.evidence import FileFacts
from synthscope.inspection.examine import Examined, examine


def hostile(data: bytes, name: str, *, private: bool = False) -> Examined:
    """:func:`examine`, unless the bytes are one of the words below."""
    match data:
        case b"crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"hang":
            threading.Event().wait()
        case b"memory":
            return _said(str(len(bytearray(2**40))))
        case b"raise":
            raise RuntimeError("what nobody expected")
        case b"connect":
            return _tried(lambda: socket.create_connection(("127.0.0.1", 9), timeout=1))
        case b"program":
            return _tried(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
        case b"write":
            return _tried(_write)
        case b"wait":  # a while, as a large file does
            threading.Event().wait(0.5)
            return _said("waited")
    return examine(data, name, private=private)


def _said(name: str) -> Examined:
    return Examined(FileFacts(name=name), None, (), ())


def _tried(action: object) -> Examined:
    try:
        action()  # type: ignore[operator]
    except OSError as error:
        return _said(type(error).__name__ if error.errno is None else os.strerror(error.errno))
    return _said("it worked")


def _write() -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
        file.flush()
