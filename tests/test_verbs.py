"""What the table of verbs names for Python exists, and verbs and functions have the same defaults."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import synthscope
from synthscope.cli.benchmark import benchmark_command
from synthscope.cli.calibrate import calibrate_command
from synthscope.cli.explain import explain_command
from synthscope.cli.inspect import inspect_command
from synthscope.cli.predict import predict_command
from synthscope.cli.score import score_command
from synthscope.cli.train import train_command
from synthscope.inspection.inspect import Settings
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


VERBS = {
    "predict": predict_command,
    "train": train_command,
    "explain": explain_command,
    "score": score_command,
    "benchmark": benchmark_command,
    "inspect": inspect_command,
    "calibrate": calibrate_command,
}
SAID_OTHERWISE = {"degrade": "conditions", "resamples": "n_resamples", "detector": "detectors"}


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    return {name: one.default for name, one in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_and_its_function_have_the_same_defaults(verb: str) -> None:
    function = defaults(getattr(synthscope, verb))
    if verb == "inspect":
        function |= {name: field.default for name, field in Settings.model_fields.items()}
        function["detectors"] = None  # of no option is the bundled one, which the function says
        assert defaults(synthscope.inspect)["detectors"] == ("bundled",)
    command = {SAID_OTHERWISE.get(name, name): default for name, default in defaults(VERBS[verb]).items()}
    both = {name for name in command.keys() & function.keys() if name not in {"config", "out"}}
    assert both or verb == "train"
    assert {name: command[name] for name in both} == {name: function[name] for name in both}
