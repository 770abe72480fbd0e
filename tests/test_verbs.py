"""What the table of verbs names for Python exists."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import synthscope
from tests.test_docs import ROOT

CALL = re.compile(r"([A-Za-z_.]+)(?:\((.*)\))?")
KEYWORD = re.compile(r"(\w+)=")


def named() -> Iterator[tuple[str, list[str]]]:
    """Names of the third column, and the keywords that stand after them."""
    lines = (ROOT / "docs/start/verbs.md").read_text(encoding="utf-8").splitlines()
    for line in (line for line in lines if line.startswith("| ") and not line.startswith("| …")):
        last = line.rstrip(" |").rpartition(" | ")[2] if not line.endswith("| |") else ""
        found: list[tuple[str, list[str]]] = []
        for code in re.findall(r"`([^`]+)`", last):
            if code.partition("=")[0].isidentifier() and found:  # one more keyword of the function before
                found[-1][1].extend(KEYWORD.findall(code))
            else:
                called = CALL.fullmatch(code)
                assert called is not None, f"{code} in {line}"
                found.append((called[1], KEYWORD.findall(called[2] or "")))
        assert found or last in {"", "same"}, line
        yield from found


def resolved(name: str) -> Any:
    """A public name, or one of a module below the package."""
    short = name.removeprefix("synthscope.")
    if short in synthscope.__all__:
        return getattr(synthscope, short)
    module, _, last = short.rpartition(".")
    try:
        return getattr(importlib.import_module(f"synthscope.{module}"), last)
    except AttributeError:
        return importlib.import_module(f"synthscope.{short}")


def test_every_function_of_the_table_of_verbs_exists() -> None:
    functions = list(named())
    assert {"synthscope.predict", "synthscope.inspect", "data.pairing.pair"} <= {name for name, _ in functions}
    for name, keywords in functions:
        function = resolved(name)
        wrong = set(keywords) - set(inspect.signature(function).parameters) if keywords else set()
        assert not wrong, f"{name} has no {wrong}"
