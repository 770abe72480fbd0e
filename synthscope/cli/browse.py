"""``synthscope browse``: look at the images of a run or manifest in a browser."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from synthscope.cli.arguments import at_least
from synthscope.errors import needing


def browse_command(
    source: Annotated[str, typer.Argument(help="A run folder, a manifest (.parquet) or LAYOUT:PATH.")],
    port: Annotated[int, typer.Option(callback=at_least(0), help="0 = any that is free.")] = 8766,
) -> None:
    """Serve a page of the images, the most wrong first, with heatmaps and annotations; on this computer alone."""
    with needing("web", "a server"):
        from synthscope.web.browse.app import create_browser
        from synthscope.web.browse.collection import open_collection
        from synthscope.web.run import bound, serve

    collection = open_collection(source)
    listening = bound("127.0.0.1", port)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    print("Open this address in a browser. Ctrl-C stops the server.", file=sys.stderr)
    serve(listening, create_browser(collection))
