"""Errors that a user can act on: one sentence, "Expected X, got Y. Do Z.", naming the file, row or key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class SynthscopeError(Exception):
    """Something a user can put right; the command line prints it as one sentence and exits with 1."""


class UsageError(SynthscopeError, ValueError):
    """A request that cannot be understood, such as an unknown name or a typo in a key; exits with 2."""


class UnreadableImageError(SynthscopeError, OSError):
    """One file that is not a decodable image. Tables record it as a row with an ``error``, they never stop for it."""


def suggest(name: str, choices: Iterable[str]) -> str:
    """End of a sentence for an unknown name: the nearest choices, or all of them when none is near.

    >>> suggest("resnet5", ["resnet50", "swin_t"])
    'Did you mean resnet50?'
    """
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Choose one of: {', '.join(known)}." if known else "There are none to choose from."


@contextmanager
def needing(extra: str, whose: str) -> Iterator[None]:
    """Turn imports that lack a package of an extra into a ``SynthscopeError`` that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("synthscope"):
            raise
        raise SynthscopeError(
            f"Expected the packages of {whose}, got no {error.name}. Run pip install 'synthscope[{extra}]'."
        ) from error
