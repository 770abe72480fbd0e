"""The page in a browser: dropped, pasted and chosen files, the queue, the comparison, keys, widths and policy."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser import accessibility_problems, chromium
from tests.inspection.conftest import scene
from tests.web.conftest import Command, encoded

Opens = Callable[..., Any]
SECONDS = 120_000  # milliseconds, on a machine that does much else
GIVE = """([kind, name, type, content]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
  const event = kind === "paste" ? new ClipboardEvent(kind, { clipboardData: transfer, bubbles: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def opens(browser: Any, command: Command) -> Iterator[Opens]:
    """Opens the server's page; at the end the console is silent and nothing was asked of anybody else."""
    contexts: list[Any] = []
    said: list[str] = []
    asked: set[str] = set()

    def opens(path: str = "/", **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(SECONDS)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.add(request.url))
        page.goto(command.url + path)
        return page

    yield opens
    for context in contexts:
        context.close()
    assert [words for words in said if not words.startswith("Failed to load resource: the server responded")] == []
    assert [url for url in asked if not url.startswith((command.url, "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{name}.jpg" for name in ("first", "second", "third")]
    for seed, path in enumerate(paths):
        Image.fromarray(scene(seed)).save(path)
    return paths


def answered(page: Any, count: int) -> Any:
    """The rows of the queue, once so many are answered."""
    page.locator(".entry[data-state=done]").nth(count - 1).wait_for()
    return page.locator(".entry")


def names(page: Any) -> list[str]:
    return [name.inner_text() for name in page.locator("#results article:visible .kicker .name").all()]


def test_chosen_files_are_answered_one_after_another(opens: Opens, pictures: list[Path]) -> None:
    page = opens()
    page.set_input_files("#choose", pictures)
    rows = answered(page, 3)
    assert page.locator("#summary").inner_text() == "3 of 3 answered"
    assert rows.locator("[data-name]").all_inner_texts() == ["first.jpg", "second.jpg", "third.jpg"]
    assert set(rows.locator("[data-state]").all_inner_texts()) == {"Undecided"}
    assert len(names(page)) == 1  # the first that was answered
    page.get_by_role("button", name="Show second.jpg").click()
    assert names(page) == ["second.jpg"]
    assert page.evaluate("document.activeElement.textContent.trim()") == "Undecided"
    assert page.locator("#said").inner_text() != ""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_dropped_and_pasted_files_are_taken(opens: Opens, kind: str) -> None:
    page = opens()
    name = "<img src=x onerror=alert(1)>.jpg"
    page.evaluate(GIVE, [kind, name, "image/jpeg", base64.b64encode(encoded()).decode()])
    answered(page, 1)
    assert names(page) == [name]
    assert page.locator("img[src=x]").count() == 0


def test_what_is_no_picture_is_told_and_the_rest_goes_on(opens: Opens, pictures: list[Path], tmp_path: Path) -> None:
    wrong, empty = tmp_path / "notes.jpg", tmp_path / "empty.jpg"
    wrong.write_text("<svg/>")
    empty.write_bytes(b"")
    page = opens()
    page.set_input_files("#choose", [empty, wrong, pictures[0]])
    rows = answered(page, 2)
    assert rows.locator("[data-state]").all_inner_texts() == ["An empty file.", "Not applicable", "Undecided"]
    assert page.locator("#summary").inner_text() == "2 of 3 answered, 1 failed"


def test_a_full_server_is_asked_again_and_a_lost_one_told(opens: Opens, pictures: list[Path]) -> None:
    page = opens()
    full = iter([True, False])

    def answer(route: Any) -> None:
        if next(full, False):
            route.fulfill(status=503, headers={"retry-after": "0"}, body=json.dumps({"error": "full"}))
        else:
            route.continue_()

    page.route("**/v1/inspect*", answer)
    page.set_input_files("#choose", pictures[0])
    answered(page, 1)
    page.unroute("**/v1/inspect*")
    page.route("**/v1/inspect*", lambda route: route.fulfill(status=422, body=json.dumps({"error": "Too large."})))
    page.set_input_files("#choose", pictures[1])
    page.get_by_text("Too large.", exact=True).wait_for()
    page.unroute("**/v1/inspect*")
    page.get_by_role("button", name="Try again second.jpg").click()
    answered(page, 2)


def test_two_files_side_by_side_by_keyboard_alone(opens: Opens, pictures: list[Path]) -> None:
    page = opens()
    page.set_input_files("#choose", pictures[:2])
    answered(page, 2)
    page.get_by_role("button", name="Show first.jpg").press("Enter")
    page.get_by_role("button", name="Compare second.jpg").press("Enter")
    assert sorted(names(page)) == ["first.jpg", "second.jpg"]
    first, second = (box.bounding_box() for box in page.locator("#results article").all())
    assert first["y"] == second["y"] and first["x"] + first["width"] <= second["x"]
    page.keyboard.press("Enter")  # the button that ends it has the focus
    assert names(page) == ["first.jpg"]


def test_a_page_can_be_saved_and_opened_without_the_server(
    opens: Opens, browser: Any, pictures: list[Path], tmp_path: Path
) -> None:
    page = opens()
    page.set_input_files("#choose", pictures[0])
    answered(page, 1)
    with page.expect_download() as download:
        page.get_by_text("Save this page").click()
    assert download.value.suggested_filename == "first.jpg.evidence.html"
    download.value.save_as(tmp_path / "saved.html")
    saved = browser.new_page()
    saved.goto((tmp_path / "saved.html").as_uri())
    assert saved.locator("h2").inner_text() == "Undecided"
    assert saved.evaluate("document.querySelector('[data-picture]').naturalWidth") == 200
    saved.close()
    with page.expect_download() as download:
        page.get_by_text("Save as JSON").click()
    download.value.save_as(tmp_path / "saved.json")
    assert json.loads((tmp_path / "saved.json").read_text())["file"]["name"] == "first.jpg"


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_everybody(opens: Opens, pictures: list[Path], width: int, scheme: str) -> None:
    page = opens(viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert accessibility_problems(page) == []
    page.set_input_files("#choose", pictures[:2])
    answered(page, 2)
    page.locator("[data-beside]:visible").click()
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_manual_can_be_read(opens: Opens) -> None:
    page = opens("/docs", viewport={"width": 320, "height": 800})
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert re.search(r"POST\s+/v1/inspect", page.locator("main").inner_text())
