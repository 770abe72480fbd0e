"""What every source is given, and how words of a hostile file are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthscope.inspection.provenance.containers import Parts
from synthscope.runtime.told import printable

LONGEST = 300  # characters of one fact
MOST_FACTS = 40  # details of one finding
MOST_NODES = 20_000  # values of one JSON text
REDACTED = "(hidden; shown on request)"


@dataclass(frozen=True)
class Source:
    """One file, as the sources look at it."""

    data: bytes
    parts: Parts
    rgb: np.ndarray | None = None  # uint8 (H, W, 3), upright; None = not decoded
    private: bool = False  # also tell prompts, places and serial numbers
    trust: Path | None = None  # certificates of signers to trust, PEM


def shown(text: object, most: int = LONGEST) -> str:
    r"""Words of the file on one line: cut, and control characters as Python writes them.

    >>> shown("a\x1b[2J" + "b" * 9, most=8)
    'a\\x1b[2Jbbb…'
    """
    whole = str(text)
    return printable(whole[:most].strip()) + ("…" if len(whole) > most else "")


def facts(pairs: Mapping[str, object], most: int = LONGEST) -> dict[str, str]:
    """Details of a finding: the first ``MOST_FACTS`` of those that are there, printable, each cut to ``most``."""
    kept = {shown(key, 60): shown(value, most) for key, value in pairs.items() if value not in (None, "", b"")}
    return dict(list(kept.items())[:MOST_FACTS])


def read_json(text: str) -> Any:
    """JSON, or None: ``json`` itself refuses what is nested too deeply, and numbers of thousands of digits."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def values_of(tree: Any) -> Iterator[tuple[str, str | int | float]]:
    """Keys and plain values of a JSON tree, outer ones first, at most ``MOST_NODES``; lists hand their key down."""
    level, seen = [("", tree)], 0
    while level:
        deeper: list[tuple[str, Any]] = []
        for key, value in level:
            seen += 1
            if seen > MOST_NODES:
                return
            if isinstance(value, dict):
                deeper += [(str(name), child) for name, child in value.items()]
            elif isinstance(value, list):
                deeper += [(key, child) for child in value]
            elif isinstance(value, str | int | float) and not isinstance(value, bool):
                yield key, value
        level = deeper
