"""Nothing is read from other machines unless somebody asked: a manifest may come from anywhere, and name any server."""

from __future__ import annotations

from urllib.parse import urlsplit

from synthscope.data.bombs import Refused
from synthscope.data.remote.place import is_url

_granted: set[str] = set()


class NotAsked(Refused):
    """A URL that nobody has asked for."""

    advice = "Add --remote, or call synthscope.data.remote.permission.allow(), if you trust who wrote the URL."


def allow(*beginnings: str) -> None:
    """From now on, this process may read URLs that begin so; any URL, if none is given."""
    _granted.update(beginnings or ("",))


def allow_source(source: str) -> None:
    """:func:`allow` what somebody typed as a source: a URL, perhaps after ``layout:``, and what its pattern matches."""
    url = source if is_url(source) else source.partition(":")[2]
    if is_url(url):
        fixed = url.partition("{")[0].partition("?")[0]
        allow(fixed if urlsplit(fixed).path else f"{fixed}/")  # a host, and none whose name begins so


def granted() -> tuple[str, ...]:
    """What :func:`allow` was called with, for the processes that this one starts."""
    return tuple(sorted(_granted))


def check(url: str) -> None:
    """Raise ``NotAsked`` unless ``url`` may be read."""
    if not url.startswith(granted() or ("\0",)):
        raise NotAsked("a URL that nobody asked to read")
