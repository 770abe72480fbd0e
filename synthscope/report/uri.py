"""Files that stand inside a page instead of beside it."""

from __future__ import annotations

import base64


def data_uri(content: bytes, kind: str) -> str:
    """``data:`` URI of a file of a media type.

    >>> data_uri(b"hi", "text/plain")
    'data:text/plain;base64,aGk='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
