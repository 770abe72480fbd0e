"""``"<kind>:<target>[?key=value&…]"`` to a generator."""

from __future__ import annotations

import inspect
import re
from urllib.parse import parse_qsl

from synthscope.errors import UsageError, suggest
from synthscope.generation import GENERATORS
from synthscope.generation.contract import Generator, Permission

_NAME = re.compile(r"(?!imagenet|(?:ai|nature|train|val|test|real|record)$)[a-z\d](?:[\w.-]{0,62}\w)?", re.ASCII | re.I)


def open_generator(spec: str, permission: Permission) -> Generator:
    """The generator that ``spec`` names, such as ``diffusers:models/sd?steps=20&guidance=7.5``; nothing is loaded yet.

    A kind of one's own is ``./file.py:function``, as in ``./mine.py:blobs:red?size=64``.

    Raises:
        UsageError: No kind before a colon, no target after it, an unknown kind or option, or a bad value.
        SynthscopeError: Nothing usable at the target.
    """
    parts = re.fullmatch(r"(.+?\.py:\w+|[^:]*):(.*)", spec, re.DOTALL)
    if parts is None:
        raise UsageError(
            f"Expected GENERATOR:TARGET, got {spec!r} without a generator. Put one before the target: "
            f"{', '.join(GENERATORS)}."
        )
    kind = parts[1]
    make = GENERATORS[kind]
    target, _, query = parts[2].partition("?")
    if not target:
        raise UsageError(f"Expected a target after {kind}:, got {spec!r}. Name a folder, a model or an address.")
    options = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
    _, _, *known = inspect.signature(make).parameters
    for key in options:
        if key not in known:
            advice = suggest(key, known) if known else "It takes none."
            raise UsageError(f"Expected options of the generator {kind} in {spec!r}, got {key!r}. {advice}")
    return make(target, permission, **options)


def folder_name(name: str) -> str:
    """``name`` of a generator, if it can be a folder and stand in file names. Raises ``UsageError`` where not."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "Expected letters, digits, '_', '-' and '.' as the name of a generator, and no word of GenImage's folders, "
            f"got {name!r}. Choose one by name= after the question mark."
        )
    return name


def number(text: str, key: str, *, least: float, most: float, whole: bool = False) -> float:
    """``text`` of an option as a number. Raises ``UsageError`` for anything else or outside the limits."""
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        kind = "whole number" if whole else "number"
        raise UsageError(f"Expected {key} as a {kind} from {least:g} to {most:g}, got {text!r}. Correct it.")
    return value
