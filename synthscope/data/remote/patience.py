"""Lost connections are tried again, with pauses that grow and differ, a bounded number of times."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from synthscope.data.bombs import Refused
from synthscope.runtime.files import reason

T = TypeVar("T")
TRIES = 5
FIRST_PAUSE = 0.5  # seconds; the next ones are twice as long each, all up to half shorter or longer
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ModuleNotFoundError, MemoryError)
_WAIT = {408, 425, 429}  # HTTP: of the client's mistakes, those that pass


class Unreachable(Refused):
    """A server that did not answer, however often it was asked."""

    advice = "Run again when the connection is back."


def patiently(act: Callable[[], T]) -> T:
    """What ``act`` returns; it is called again after an error that may pass.

    Raises:
        Refused: Something is wrong with the file itself, or it is not there.
        Unreachable: All of ``TRIES`` calls failed; says so.
    """
    tried = 0
    while True:
        tried += 1
        try:
            return act()
        except Refused:
            raise
        except Exception as error:  # libraries of object stores raise nearly anything
            if _is_final(error):
                raise Refused("no such file" if isinstance(error, FileNotFoundError) else reason(error)) from error
            if tried == TRIES:
                raise Unreachable(f"{reason(error)} (tried {tried} times)") from error
        time.sleep(FIRST_PAUSE * 2 ** (tried - 1) * random.uniform(0.5, 1.5))


def _is_final(error: Exception) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "code", None)
    if isinstance(status, int) and 400 <= status < 500:
        return status not in _WAIT
    return isinstance(error, _FINAL) or "ACCESS_DENIED" in str(error) or "HTTP status 403" in str(error)
