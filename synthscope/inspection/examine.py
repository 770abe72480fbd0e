"""What can be told of a file without any detector: its facts, pixels, provenance and whether it is in scope.

Touches hostile bytes and nothing else, so that a server can run it in a process that it may kill.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from synthscope.data.images import opened, read_rgb
from synthscope.errors import UnreadableImageError
from synthscope.inspection.evidence import FileFacts, Finding, ScopeCheck
from synthscope.inspection.provenance import find_provenance
from synthscope.inspection.scope import check_scope


@dataclass(frozen=True)
class Examined:
    """One file; ``rgb`` is None where it could not be decoded, and then ``scope`` says why."""

    file: FileFacts
    rgb: np.ndarray | None  # uint8 (H, W, 3), upright
    provenance: tuple[Finding, ...]
    scope: tuple[ScopeCheck, ...]


def examine(data: bytes, name: str, *, private: bool = False, provenance: bool = True) -> Examined:
    """Decode one file and read what it says of its origin. Never raises for what is in the file.

    Args:
        data: Its bytes.
        name: What to call it; only the last part is kept.
        private: Also tell prompts, places and serial numbers.
        provenance: Look for what the file says of its origin.
    """
    name = PurePath(name.replace("\\", "/")).name or "image"
    facts = FileFacts(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    try:
        rgb = read_rgb(data, name=name)
        with opened(data) as image:
            facts = facts.model_copy(update={"width": image.width, "height": image.height, "format": image.format})
    except UnreadableImageError as error:
        why = ScopeCheck(rule="readable", applies=True, sentence=str(error))
        return Examined(facts, None, find_provenance(data, private=private) if provenance else (), (why,))
    found = find_provenance(data, private=private, rgb=rgb) if provenance else ()
    return Examined(facts, rgb, found, check_scope(rgb))
