"""What people name -> the files to inspect."""

from __future__ import annotations

from collections.abc import Iterable
from glob import has_magic
from pathlib import Path

from synthscope.data.layouts.files import all_files
from synthscope.data.layouts.source import absolute
from synthscope.errors import SynthscopeError


def image_paths(patterns: Iterable[str]) -> list[Path]:
    """Files that are named, whatever their suffix, and images in folders and among what patterns match, each once.

    Raises:
        SynthscopeError: Nothing at a path, or no image at all.
    """
    named = [(pattern, absolute(pattern)) for pattern in patterns]
    for pattern, path in named:
        if not has_magic(pattern) and not path.exists():
            raise SynthscopeError(f"Expected a file or folder at {pattern}, got nothing. Check the path.")
    explicit = {str(path) for _, path in named if path.is_file()}
    rows = all_files(path for _, path in named)
    found = [Path(row["path"]) for row in rows if row["error"] is None or row["path"] in explicit]
    if not found:
        raise SynthscopeError("Expected images in what was named, got none. Check the paths and patterns.")
    return found
