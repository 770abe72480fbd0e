"""Formats of annotations -> rows of the annotation table: ``"<format>:<path>[?key=value&…]"``.

A reader is a generator function ``(root, **options)``. Third parties add some by the entry point group
``synthscope.annotation format``.
"""

from __future__ import annotations

from synthscope.data.layouts.source import Readers
from synthscope.registry import Registry

READERS: Readers = Registry("annotation format")
READERS.register("coco", "synthscope.annotations.exchange.coco:read")
READERS.register("cvat", "synthscope.annotations.exchange.cvat:read")
READERS.register("fakeshield", "synthscope.annotations.readers.mask_folders:fakeshield")
READERS.register("labelme", "synthscope.annotations.exchange.labelme:read")
READERS.register("labelstudio", "synthscope.annotations.exchange.labelstudio:read")
READERS.register("loki", "synthscope.annotations.readers.loki:read")
READERS.register("opensdi", "synthscope.annotations.readers.opensdi:read")
READERS.register("pal4inpaint", "synthscope.annotations.readers.mask_folders:pal")
READERS.register("pal4vst", "synthscope.annotations.readers.mask_folders:pal")
READERS.register("project", "synthscope.annotations.project.read:read")
READERS.register("richhf", "synthscope.annotations.readers.richhf:read")
READERS.register("sidset", "synthscope.annotations.readers.mask_folders:sidset")
READERS.register("synthscars", "synthscope.annotations.readers.synthscars:read")
READERS.register("xaigd", "synthscope.annotations.readers.xaigd:read")
