"""Benchmark, train and explain detectors of AI-generated images. Public names load on first use."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load_manifest": "synthscope.data.manifest",
    "index": "synthscope.data.index",
    "read_rgb": "synthscope.data.images",
    "parse_recipe": "synthscope.data.degrade.recipe",
    "audit": "synthscope.data.audit",
    "build_sandbox": "synthscope.sandbox",
    "load_detector": "synthscope.detectors.hub",
    "save_detector": "synthscope.detectors.hub",
    "create_detector": "synthscope.detectors.hub",
    "train": "synthscope.training.fit",
    "predict": "synthscope.inference.predict",
    "explain": "synthscope.inference.heatmaps.explain",
    "inspect": "synthscope.inspection.inspect",
    "calibrate": "synthscope.inspection.calibrate",
    "score": "synthscope.scoring.score",
    "benchmark": "synthscope.benchmarking.run",
    "write_report": "synthscope.report.page.html",
    "plot": "synthscope.report.plot",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'synthscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
