"""``synthscope serve``: inspections in a browser, on this machine."""

from __future__ import annotations

import ipaddress
import sys
from typing import Annotated

import typer

from synthscope.cli.arguments import Detectors, Explainers, Level, explainers
from synthscope.errors import UsageError, needing


def serve_command(
    detector: Detectors = None,
    explainer: Explainers = None,
    level: Level = 0.01,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any that is free.")] = 8765,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Let other machines send files: there are no passwords.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name that browsers may call this server by; repeatable.")
    ] = None,
) -> None:
    """Open a page that says what can be said of images. Nothing leaves this machine, nothing is stored."""
    if not (_is_loopback(host) or allow_network):
        raise UsageError(
            f"Expected an address of this machine alone, got {host}, where others can send files. "
            "Leave --host out, or add --allow-network."
        )
    with needing("web", "a server"):
        from synthscope.web.app import create_app
        from synthscope.web.run import bound, serve
    from concurrent.futures import ThreadPoolExecutor

    from synthscope.web.asked import load_asked

    listening = bound(host, port)
    with ThreadPoolExecutor(1) as beside:  # the page need not wait for torch
        asked = beside.submit(
            load_asked, detector or ["bundled"], {"level": level, "explainers": explainers(explainer)}
        )
        name = f"[{host}]" if ":" in host else host
        print(f"http://{name}:{listening.getsockname()[1]}", flush=True)
        print("Open this address in a browser. Ctrl-C stops the server.", file=sys.stderr)
        serve(listening, create_app(asked, hosts=[host, *(allow_host or [])]), asked)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
