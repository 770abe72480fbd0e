"""The page in a browser: by keyboard, narrow, dark, printed, read aloud, and under a server's strict policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synthscope.inspection.evidence import Evidence
from synthscope.inspection.page.html import ASSETS, evidence_fragment, evidence_page, index_page
from synthscope.inspection.page.listing import Row
from tests.browser import accessibility_problems, chromium
from tests.inspection import made_evidence as made

Opens = Callable[..., Any]
HOST = "http://inspect.test"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'none'"
OPEN = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
pages = pytest.mark.parametrize("name", [*made.ALL, "index"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page, and the index of them."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in made.ALL.items():
        (folder / f"{name}.html").write_text(evidence_page(make(), made.picture()), encoding="utf-8")
    rows = [Row(make(), f"{name}.html", made.picture()) for name, make in made.ALL.items()]
    (folder / "index.html").write_text(index_page(rows), encoding="utf-8")
    return folder


@pytest.fixture
def opens(browser: Any, folder: Path) -> Iterator[Opens]:
    """Opens a page from the disk; at the end nothing may have been said on the console."""
    said: list[str] = []
    contexts: list[Any] = []

    def opens(name: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((folder / f"{name}.html").as_uri())
        return page

    yield opens
    for context in contexts:
        context.close()
    missing = "Failed to load resource: net::ERR_FILE_NOT_FOUND"  # what the hostile evidence calls its overlay
    assert [words for words in said if words != missing] == []


def shown(page: Any) -> list[str]:
    """The heatmaps that can be seen."""
    return [heat.get_attribute("data-layer") for heat in page.locator("img[data-layer]").all() if heat.is_visible()]


def test_keys_choose_layers_and_hide_them(opens: Opens) -> None:
    page = opens("evidence")
    assert shown(page) == ["1"] and page.locator("svg.regions[data-layer='1']").is_visible()
    page.keyboard.press("2")
    assert shown(page) == ["2"] and page.get_by_role("radio", name="rise").is_checked()
    page.keyboard.press("h")
    assert shown(page) == [] and page.get_by_role("radio", name="Picture alone").is_checked()
    page.keyboard.press("H")
    assert shown(page) == ["2"], "H brings back what it hid"
    page.keyboard.press("7")
    page.keyboard.press("Control+1")
    assert shown(page) == ["2"], "no such layer, and the browser's own key"
    page.get_by_label("Keys choose the layer").uncheck()
    page.keyboard.press("1")
    assert shown(page) == ["2"], "keys can be switched off"


def test_slider_and_layers_work_by_keyboard_alone(opens: Opens) -> None:
    page = opens("evidence")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('[data-opacity]')"):
            break
    slider = page.get_by_role("slider", name="Strength of the heatmap")
    opacity = "Number(getComputedStyle(document.querySelector('img[data-layer]')).opacity)"
    assert page.evaluate(opacity) == 0.7
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate(opacity) == 0.5 and slider.get_attribute("aria-valuetext") == "50 of 100"
    page.get_by_role("radio", name="gradcam").focus()
    page.keyboard.press("ArrowRight")
    assert shown(page) == ["2"]


def test_regions_turn_with_the_picture(opens: Opens, browser: Any) -> None:
    page = opens("evidence")
    assert page.locator("svg.regions").first.get_attribute("viewBox") == "0 0 4032 2688"
    upright = browser.new_page()
    upright.set_content(evidence_page(made.evidence(), made.picture(64, 96)))
    upright.wait_for_function("document.querySelector('svg.regions').hasAttribute('viewBox')")
    assert upright.locator("svg.regions").first.get_attribute("viewBox") == "0 0 2688 4032"
    upright.close()


def test_the_sentence_is_copied(opens: Opens) -> None:
    page = opens("evidence", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the sentence").press("Enter")
    page.get_by_text("Copied.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("harbour at dusk.jpg (SHA-256 9c9c") and "3 of 1,000" in copied


def test_where_nothing_may_be_copied_the_sentence_is_selected(opens: Opens) -> None:
    page = opens("evidence")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    page.get_by_role("button", name="Copy the sentence").click()
    page.get_by_text("Selected:").wait_for()
    assert page.evaluate("getSelection().toString()").startswith("harbour at dusk.jpg")


@pytest.mark.parametrize("name", ["evidence", "hostile"])
def test_json_and_page_are_saved_as_they_were(opens: Opens, browser: Any, name: str, tmp_path: Path) -> None:
    page = opens(name)
    page.keyboard.press("h")
    with page.expect_download() as json_file:
        page.get_by_role("button", name="Save as JSON").click()
    told = json.loads(Path(json_file.value.path()).read_text(encoding="utf-8"))
    assert Evidence.model_validate(told) == made.ALL[name]()
    with page.expect_download() as html_file:
        page.get_by_role("button", name="Save this page").click()
    html_file.value.save_as(tmp_path / "saved.html")
    saved = browser.new_page()
    saved.goto((tmp_path / "saved.html").as_uri())
    assert saved.get_by_role("slider").is_visible(), "its script runs, so its policy fits it"
    assert saved.locator("article").inner_text() == opens(name).locator("article").inner_text()
    saved.close()


@pages
@pytest.mark.parametrize("width", [320, 700, 1280])
def test_nothing_scrolls_sideways(opens: Opens, name: str, width: int) -> None:
    page = opens(name, viewport={"width": width, "height": 800})
    page.evaluate(OPEN)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["evidence", "undecided_by_flip", "not_applicable", "hostile", "index"])
def test_axe_finds_nothing_serious(opens: Opens, name: str) -> None:
    page = opens(name)
    page.evaluate(OPEN)
    assert accessibility_problems(page) == []


@pytest.mark.parametrize("name", ["evidence", "undecided_by_flip", "not_applicable", "index"])
def test_contrast_is_enough_in_the_dark(opens: Opens, name: str) -> None:
    page = opens(name, color_scheme="dark")
    page.evaluate(OPEN)
    assert accessibility_problems(page, "color-contrast") == []


def test_tables_and_answers_are_read_aloud(opens: Opens) -> None:
    page = opens("undecided_by_flip", viewport={"width": 320, "height": 800})
    table = page.get_by_role("table")
    assert table.get_by_role("row").count() == 13
    row = table.get_by_role("row", name="JPEG of quality 50")
    assert row.get_by_role("cell").all_inner_texts()[1:] == ["−1.10", "no evidence found"]
    assert page.get_by_role("heading", level=2).inner_text() == "Undecided"
    assert page.get_by_role("article", name="bridge.png").is_visible()


def test_print_leaves_out_what_cannot_be_pressed_and_opens_the_rest(opens: Opens) -> None:
    page = opens("evidence")
    page.emulate_media(media="print")
    assert not [button for button in page.get_by_role("button").all() if button.is_visible()]
    assert not page.get_by_role("slider").is_visible()
    assert page.get_by_text("SHA-256 of the weights").evaluate("(term) => term.checkVisibility()")
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_script_everything_can_be_read(opens: Opens) -> None:
    page = opens("evidence", java_script_enabled=False)
    assert shown(page) == ["1"]
    assert not page.get_by_role("slider").is_visible() and not page.get_by_role("button").count()


def test_the_index_is_filtered_and_sorted(opens: Opens) -> None:
    page = opens("index")

    def names() -> list[str]:
        return [link.inner_text()[:10] for link in page.locator("tbody a").all() if link.is_visible()]

    first = names()
    page.get_by_role("radio", name="undecided").check(force=True)
    assert sorted(names()) == ["bridge.png", "garden.web", "tower.jpg"]
    assert page.get_by_role("status").inner_text() == "3 shown"
    page.get_by_role("radio", name="all").check(force=True)
    logit = page.get_by_role("columnheader", name="Logit")
    logit.get_by_role("button").press("Enter")
    assert logit.get_attribute("aria-sort") == "ascending" and names()[0] == "market.jpg"
    assert names()[-1] == "chat.png", "without a logit it stays last"
    logit.get_by_role("button").press("Enter")
    assert logit.get_attribute("aria-sort") == "descending" and names()[-2:] == ["market.jpg", "chat.png"]
    page.get_by_role("columnheader", name="Order").get_by_role("button").click()
    assert names() == first
    page.get_by_role("link", name="bridge.png").click()
    assert page.url.endswith("/undecided_by_flip.html")


def test_an_index_of_thousands_lays_out_what_is_in_sight(browser: Any, tmp_path: Path) -> None:
    one = made.evidence(heatmaps=())
    rows = [Row(one, f"{number}.html", "thumb.jpg") for number in range(3000)]
    (tmp_path / "index.html").write_text(index_page(rows), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    skipped = "(row) => !row.querySelector('a').checkVisibility({ contentVisibilityAuto: true })"
    assert page.locator("tbody tr").nth(2500).evaluate(skipped)
    assert not page.locator("tbody tr").nth(0).evaluate(skipped)
    assert page.locator("tbody img[loading=lazy]").count() == 3000
    page.close()


def test_fragments_work_in_a_servers_page_under_a_strict_policy(browser: Any) -> None:
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    two = [evidence_fragment(make(), made.picture()) for make in (made.evidence, made.contradicting)]
    shell = '<!DOCTYPE html><html lang="en"><title>x</title><link rel="stylesheet" href="/page.css">'
    answers = {
        "/": (f'{shell}<main></main><script type="module" src="/app.js"></script>', "text/html"),
        "/page.css": ((ASSETS / "page.css").read_text(encoding="utf-8"), "text/css"),
        "/page.js": ((ASSETS / "page.js").read_text(encoding="utf-8"), "text/javascript"),
        "/app.js": (
            "import { start } from '/page.js'; const main = document.querySelector('main');"
            f"main.innerHTML = {json.dumps(''.join(two))}; start(main); start();",
            "text/javascript",
        ),
        "/favicon.ico": ("", "image/x-icon"),
    }

    def answer(route: Any) -> None:
        body, kind = answers[route.request.url.removeprefix(HOST)]
        route.fulfill(body=body, content_type=kind, headers={"Content-Security-Policy": POLICY})

    page.route("**/*", answer)
    page.goto(f"{HOST}/")
    page.locator("article").nth(1).locator("[data-controls]").wait_for()
    first, second = page.locator("article").all()
    first.get_by_role("radio", name="rise").focus()
    page.keyboard.press("h")
    assert shown(first) == [] and shown(second) == ["1"], "keys belong to the file that has the focus"
    first.locator("[data-compare]").click()
    assert first.locator("[data-compare]").get_attribute("aria-pressed") == "true"
    second.locator("[data-compare]").click()
    page.wait_for_function("document.querySelector('.comparing')")
    left, right = first.bounding_box(), second.bounding_box()
    assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"], "side by side"
    assert second.locator("[data-compare]").inner_text() == "End comparison"
    second.locator("[data-compare]").click()
    assert first.bounding_box()["y"] < second.bounding_box()["y"]
    assert not page.locator(".compared").count() and said == []
    page.close()
