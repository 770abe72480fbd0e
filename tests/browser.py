"""Debian's Chromium for tests of pages. Nothing is downloaded; tests skip where it or playwright is absent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, or a skipped test."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


def accessibility_problems(page: Any, *rules: str) -> list[str]:
    """What axe finds on a page that is serious or critical, a line each; ``rules`` of axe, or all of them."""
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed: pip install -e '.[dev]'")
    page.evaluate((files(package.__name__) / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("(rules) => axe.run(rules.length ? { runOnly: rules } : {})", list(rules))
    return [
        f"{problem['id']} ({problem['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for problem in found["violations"]
        if problem["impact"] in ("serious", "critical")
        for node in problem["nodes"]
    ]
