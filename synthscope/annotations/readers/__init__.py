"""Formats of annotations -> rows of the annotation table: ``"<format>:<path>[?key=value&…]"``.

A reader is a generator function ``(root, **options)``. Third parties add some by the entry point group
``synthscope.annotation format``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from synthscope.annotations.records import Row
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.registry import Registry

READERS: Registry[Callable[..., Iterator[Row]]] = Registry("annotation format")
_HERE = "synthscope.annotations.readers"
READERS.register("xaigd", f"{_HERE}.xaigd:xaigd")
READERS.register("synthscars", f"{_HERE}.synthscars:synthscars")
READERS.register("loki", f"{_HERE}.loki:loki")
READERS.register("pal4vst", f"{_HERE}.mask_folders:pal")
READERS.register("pal4inpaint", f"{_HERE}.mask_folders:pal")
READERS.register("sidset", f"{_HERE}.mask_folders:sidset")
READERS.register("fakeshield", f"{_HERE}.mask_folders:fakeshield")
READERS.register("opensdi", f"{_HERE}.opensdi:opensdi")
READERS.register("richhf", f"{_HERE}.richhf:richhf")
_EXCHANGE = "synthscope.annotations.exchange"
READERS.register("coco", f"{_EXCHANGE}.coco:read")
READERS.register("labelme", f"{_EXCHANGE}.labelme:read")
READERS.register("cvat", f"{_EXCHANGE}.cvat:read")
READERS.register("labelstudio", f"{_EXCHANGE}.labelstudio:read")


def read_rows(source: str) -> Iterator[Row]:
    """Rows of ``"<format>:<path>[?key=value&…]"``.

    Raises:
        UsageError: Unknown format or option.
        SynthscopeError: Nothing at the path, or a file that is not what the format says.
    """
    from synthscope.data.layouts import parse_source

    name, root, options = parse_source(source)
    reader = READERS[name]
    known = list(inspect.signature(reader).parameters)[1:]
    for key in options:
        if key not in known:
            advice = suggest(key, known) if known else "It takes none."
            raise UsageError(f"Expected options of format {name} in {source!r}, got {key!r}. {advice}")
    if not root.exists():
        raise SynthscopeError(f"Expected a folder or file at {str(root)!r}, got nothing. Check the path in {source!r}.")
    return reader(root, **options)
