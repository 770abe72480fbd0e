"""Draw the pictures of inspected files in the documentation: a page as a browser shows it.

``python docs/inspect_page.py PAGE.html -o FILE.png [--dark] [--width 1280] [--top 0] [--height 1400]``; needs chromium.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

COLOURS = 256  # of the stored picture, so that it stays small


def main() -> None:
    """Open the page, take the part that was asked for, store it with few colours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--dark", action="store_true")
    for name, pixels in (("width", 1280), ("top", 0), ("height", 1400)):
        parser.add_argument(f"--{name}", type=int, default=pixels, metavar="PIXELS")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(
            viewport={"width": given.width, "height": given.top + given.height},
            color_scheme="dark" if given.dark else "light",
        )
        page.goto(given.page.resolve().as_uri())
        clip = {"x": 0, "y": given.top, "width": given.width, "height": given.height}
        shot = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
        browser.close()
    few = shot.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE)
    shot.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG).save(given.out, optimize=True)
    print(given.out)


if __name__ == "__main__":
    main()
