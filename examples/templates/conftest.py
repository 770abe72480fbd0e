"""The templates as if they lay in the package: under names of modules there, registered by their docstrings' lines."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synthscope.data.layouts import LAYOUTS
from synthscope.detectors import DETECTORS
from synthscope.explainers import EXPLAINERS
from synthscope.metrics.detection import METRICS, Metric

LINE = re.compile(r"^    ((?:\w+\.register\(|METRICS\[).*\))$", re.MULTILINE)
TABLES: tuple[dict[str, Any], ...] = (DETECTORS._values, EXPLAINERS._values, LAYOUTS._values, METRICS)


@pytest.fixture(autouse=True)
def template(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Registers ``NAME.py`` for the tests of ``test_NAME.py``; every table is as it was afterwards."""
    file = Path(request.path).with_name(request.path.name.removeprefix("test_"))
    (line,) = LINE.findall(file.read_text(encoding="utf-8"))
    name = named[1] if (named := re.search(r'"(synthscope\.[\w.]+):', line)) else f"templates_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, name, module)
    words = {"DETECTORS": DETECTORS, "EXPLAINERS": EXPLAINERS, "LAYOUTS": LAYOUTS, "METRICS": METRICS, "Metric": Metric}
    before = [set(table) for table in TABLES]
    exec(line, words | vars(module))
    yield module
    for table, keys in zip(TABLES, before, strict=True):
        for key in set(table) - keys:
            del table[key]
