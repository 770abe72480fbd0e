"""Evidence in a notebook: the page with its picture and heatmap, in a frame that nothing gets out of."""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest

import synthscope
from synthscope.inspection.evidence import Evidence
from synthscope.inspection.inspect import Settings
from tests.inspection import made_evidence as made
from tests.inspection.conftest import Calibrate

FRAME = re.compile(r'<iframe sandbox="([a-z -]*)" style="[^"<>]*" srcdoc="([^"<>]*)"></iframe>')
SETTINGS = Settings(stability=False)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def test_a_notebook_shows_the_page_with_its_pictures(photo: Path, calibrate: Calibrate, notebook: None) -> None:
    hostile = photo.rename(photo.with_name('"><script>alert(1)<.jpg'))
    evidence = synthscope.inspect(hostile, [calibrate([0.0] * 100)], SETTINGS)
    frame = FRAME.fullmatch(evidence._repr_html_())
    assert frame is not None and "allow-same-origin" not in frame[1]
    page = unescape(frame[2])
    assert evidence.sentence.partition(": ")[2] in page
    assert page.count("data:image/jpeg;base64,") == 1 and page.count('class="heat" src="data:image/png;base64,') == 1
    assert "<script>alert" not in page and "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_what_is_shown_is_no_part_of_the_evidence(photo: Path, calibrate: Calibrate, notebook: None) -> None:
    evidence = synthscope.inspect(photo, [calibrate([0.0] * 100)], SETTINGS)
    text = evidence.model_dump_json()
    assert evidence.page and "data:image" not in text and "data:image" not in repr(evidence)
    assert Evidence.model_validate_json(text) == evidence


def test_elsewhere_no_picture_is_kept(photo: Path, calibrate: Calibrate) -> None:
    evidence = synthscope.inspect(photo, [calibrate([0.0] * 100)], SETTINGS)
    assert evidence.page == ""


def test_evidence_that_was_read_is_told_in_a_sentence() -> None:
    assert "<iframe" not in made.evidence()._repr_html_() and made.evidence().sentence in made.evidence()._repr_html_()
    shown = made.evidence(sentence="<b onclick='x'>")._repr_html_()
    assert "<b onclick" not in shown and "&lt;b onclick" in shown
