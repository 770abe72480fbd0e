"""Draw the pictures of ``synthscope serve`` in the documentation: the page of a running server, given some files.

``python docs/served_page.py URL FILES... -o FILE.png [--compare] [--dark] [--height 900]``; needs chromium.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from inspect_page import store
from playwright.sync_api import sync_playwright


def main() -> None:
    """Choose the files, wait for all answers, show one or two of them, store what is seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("files", nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--compare", action="store_true", help="The first two, side by side.")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--height", type=int, default=900, metavar="PIXELS")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(
            viewport={"width": 1100, "height": given.height}, color_scheme="dark" if given.dark else "light"
        )
        page.goto(given.url)
        page.set_input_files("#choose", given.files)
        page.locator(".entry[data-state=done]").nth(len(given.files) - 1).wait_for(timeout=300_000)
        page.locator("[data-open]").first.click()
        if given.compare:
            page.locator("[data-beside]:visible").first.click()
        else:
            page.evaluate("scrollTo(0, 0)")
        store(page.screenshot(animations="disabled"), given.out)
        browser.close()


if __name__ == "__main__":
    main()
