"""The real image that a fake is paired with: found, and copied beside it, bytes unchanged."""

from __future__ import annotations

from pathlib import Path

from synthscope.data.images import read_file
from synthscope.data.layouts.source import absolute
from synthscope.data.layouts.walk import IMAGE_SUFFIXES
from synthscope.data.remote.place import is_url
from synthscope.errors import SynthscopeError
from synthscope.generation.contract import Order
from synthscope.generation.saving import suffix_of
from synthscope.runtime.files import whole_file


def local(path: str | Path, typed: str | None = None) -> Path:
    """An absolute path of this machine. Raises ``SynthscopeError`` for a URL."""
    if is_url(typed or str(path)):
        raise SynthscopeError(f"Expected real images of this machine, got {typed or path}. Copy them here first.")
    return absolute(str(path))


def copy_real(order: Order, out: Path) -> str | None:
    """Copy the order's source to ``nature`` beside its fake; returns the path below ``out``, None without a source.

    The name is the uid after the synset, such as ``n01440764_000_00012.JPEG``: layouts read the class from it. A file
    that is there is left alone.

    Raises:
        UnreadableImageError: No such file, an empty one or one that is too large.
        SynthscopeError: Nothing can be written.
    """
    if order.source is None:
        return None
    folder = Path(order.path).parent.parent / "nature"
    synset = f"{order.synset}_" if order.synset and not order.uid.startswith(order.synset) else ""
    suffix = order.source.suffix
    if suffix[1:].lower() in IMAGE_SUFFIXES and (out / (path := folder / f"{synset}{order.uid}{suffix}")).is_file():
        return path.as_posix()
    data, _ = read_file(order.source)
    if suffix[1:].lower() not in IMAGE_SUFFIXES:
        suffix = suffix_of(data)
    path = folder / f"{synset}{order.uid}{suffix}"
    with whole_file(out / path) as temporary:
        temporary.write_bytes(data)
    return path.as_posix()
