"""Locks between processes, by ``flock``: the system lets go of them when a process ends, however it ends."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

MARK = ".unfinished-"  # in the names of files and folders that are renamed when they are whole
_YOUNG = 60.0  # seconds in which a file may not be locked yet
_SWEPT: set[Path] = set()


def lock(handle: int, *, shared: bool = False, wait: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed: True. False where another process has it, unless ``wait``.

    None where there are no locks (Windows, some network disks): then everybody goes on as if alone.
    """
    try:
        import fcntl

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def sweep(folder: Path) -> None:
    """Remove what killed runs left half-written in ``folder``, once a process: nothing that a process still has."""
    place = folder.absolute()
    if place in _SWEPT:
        return
    _SWEPT.add(place)
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(".") and MARK in entry.name:
                _remove_abandoned(Path(entry.path))


def _remove_abandoned(path: Path) -> None:
    with suppress(OSError):
        if path.is_symlink() or time.time() - path.stat().st_mtime < _YOUNG:
            return
        handle = os.open(path, os.O_RDONLY)
        try:
            if lock(handle):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        finally:
            os.close(handle)
