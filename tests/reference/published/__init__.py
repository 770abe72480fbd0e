"""Plain copies of published programs, written from their descriptions and not from the detectors of this toolkit."""

from __future__ import annotations

from synthscope import runtime

runtime.import_torchvision()  # before a module here imports it
