"""The browser's page in Chromium: filters, one image with heatmaps and marked regions, keys, widths, accessibility."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

import synthscope
from synthscope.annotations.records import ANNOTATIONS
from synthscope.data.index import index
from synthscope.detectors.hub import create_detector
from synthscope.schema import conform, write_table
from tests.browser import accessibility_problems, chromium
from tests.inspection.conftest import scene
from tests.web.conftest import serving

from synthscope.web.browse.app import create_browser  # isort: skip  (conftest skips where fastapi is absent)
from synthscope.web.browse.collection import open_collection  # isort: skip

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of two classes with answers, heatmaps and a region, one with a name that is HTML."""
    folder = tmp_path_factory.mktemp("browse")
    for number in range(12):
        kind = "ai" if number % 2 else "real"
        name = "<img src=x onerror=alert(1)>.png" if number == 5 else f"picture {number}.png"
        (folder / "images" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(number)).save(folder / "images" / kind / name)
    images = index(f"imagefolder:{folder / 'images'}?ai=ai&real=real")
    detector = create_detector("cnn_small", name="tiny", options={"width": 4}, input={"crop": 64})
    out = folder / "run"
    synthscope.predict(images, [detector], out=out, conditions=["none", "jpeg:q=30"], workers=1)
    synthscope.explain(images, [detector], ["gradcam", "input_x_grad"], out=out, workers=1)
    write_table(images, out / "manifest.parquet")
    corner = [[[20.0, 20.0], [90.0, 20.0], [90.0, 80.0], [20.0, 80.0]]]
    row = {
        "path": images.filter(label=1)["path"][0], "width": 200, "height": 150, "region": 0, "gt_kind": "polygon",
        "category": "low-level-symbol", "polygons": corner,
    }  # fmt: skip
    write_table(conform(pl.DataFrame([row]), ANNOTATIONS, "made here"), out / "annotations.parquet")
    return out


@pytest.fixture(scope="module")
def page(run: Path) -> Iterator[Any]:
    with serving(create_browser(open_collection(run))) as port, chromium() as browser:
        opened = browser.new_page(viewport={"width": 1100, "height": 900})
        opened.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        told: list[str] = []
        opened.on("console", lambda message: told.append(message.text))
        opened.on("pageerror", lambda error: told.append(str(error)))
        opened.goto(f"http://127.0.0.1:{port}/")
        opened.wait_for_selector("#grid li")
        yield opened
        assert told == []


def names(page: Any) -> list[str]:
    return page.locator("#grid .file").all_inner_texts()


def test_images_are_listed_and_filtered(page: Any) -> None:
    assert len(names(page)) == 12 and "12 images" in page.inner_text("#count")
    assert "<img src=x onerror=alert(1)>.png" in names(page)
    page.locator("[name=label]").select_option("ai")
    expect(page.locator("#grid li")).to_have_count(6)
    page.locator("[name=sort]").select_option("path")
    expect(page.locator("#grid .file").first).to_have_text(re.compile("^<img"))
    page.locator("[name=text]").fill("picture 11")
    expect(page.locator("#grid li")).to_have_count(1)
    page.locator("[name=text]").fill("")
    page.locator("[name=label]").select_option("")
    expect(page.locator("#grid li")).to_have_count(12)


def test_an_image_opens_with_heatmaps_regions_and_conditions(page: Any, run: Path) -> None:
    page.locator("[name=label]").select_option("ai")
    page.locator("[name=sort]").select_option("path")
    expect(page.locator("#grid li")).to_have_count(6)
    marked = Path(pl.read_parquet(run / "annotations.parquet")["path"][0]).name
    page.locator("#grid button", has_text=marked).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] figure")
    captions = page.locator("dialog figcaption").all_inner_texts()
    assert captions[:2] == ["The image", "What people marked"] and len(captions) == 4
    assert page.locator("dialog polygon").count() == 1 and "Symbol" in page.inner_text("#legend")
    for picture in page.locator("dialog img").all():
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    assert accessibility_problems(page) == []
    page.locator("#answers button", has_text="jpeg:q=30").click()
    expect(page.locator("dialog figcaption").first).to_have_text("Under jpeg:q=30")
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_is_accessible(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    assert accessibility_problems(page) == []
    page.emulate_media(color_scheme="light")


def test_it_fits_a_narrow_screen(page: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1100, "height": 900})
