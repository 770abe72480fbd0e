"""The page: everything in its order, nothing gets in, nothing is loaded, no answer by colour alone."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from synthscope.inspection.evidence import Answer, Evidence
from synthscope.inspection.page.html import ASSETS, evidence_fragment, evidence_page, index_page
from synthscope.inspection.page.listing import Row
from tests.inspection import made_evidence as made

PARTS = ["picture", "stability", "provenance", "detectors", "reference", "method", "copy"]
VOID = {"meta", "img", "input", "br"}
DRAWN = {"circle", "path", "rect", "line", "polygon"}
makes = pytest.mark.parametrize("make", made.ALL.values(), ids=made.ALL)


class Page(HTMLParser):
    """Tags with attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {attrs}"
        self.tags.append((tag, dict(attrs)))
        self.words.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in DRAWN, tag
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]].append(data)
        else:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def page_of(evidence: Evidence) -> Page:
    return Page(evidence_page(evidence, made.picture()))


def test_parts_come_in_their_order() -> None:
    page = page_of(made.evidence())
    assert [attributes["data-part"] for attributes in page.all("section") if "data-part" in attributes] == PARTS
    text = page.text
    order = [
        "Evidence of AI generation", "Where the evidence lies", "Heatmaps are not proof.", "Stability",
        "What the file says of its origin", "Absence proves nothing", "Each detector",
        "How sure, and compared with what", "Method, versions and limits", "Take it with you",
    ]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)


@makes
def test_a_fragment_is_one_article_without_anything_that_a_strict_policy_forbids(make: made.Make) -> None:
    page = Page(evidence_fragment(make(), made.picture()))
    assert page.tags[0][0] == "article" and len(page.all("article")) == 1
    assert [attributes["type"] for attributes in page.all("script")] == ["application/json"]
    assert not page.all("style") and not page.all("link") and not page.all("iframe")
    for tag, attributes in page.tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert len(page.all("h1")) == 0 and len(page.all("h2")) == 1


@makes
def test_nothing_but_our_own_script_runs_and_nothing_is_loaded(make: made.Make) -> None:
    page = page_of(make())
    assert [attributes["type"] for attributes in page.all("script")] == ["application/json", "module"]
    assert page.raw["script"][-1] == (ASSETS / "page.js").read_text(encoding="utf-8")
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset", "data"):
            value = attributes.get(name) or ""
            assert not re.match(r"\s*(https?:|//|javascript:)", value), (tag, value)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for kind, text in (("style", page.raw["style"][0]), ("script", page.raw["script"][-1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


@makes
def test_the_json_in_it_is_the_evidence_and_cannot_end_its_element(make: made.Make) -> None:
    evidence = make()
    page = page_of(evidence)
    assert Evidence.model_validate(json.loads(page.raw["script"][0])) == evidence
    assert not re.search(r"[<>&\u2028\u2029\u202e]", page.raw["script"][0])


def test_hostile_words_stay_words() -> None:
    text = evidence_page(made.hostile(), made.picture())
    page = Page(text)
    assert {a["src"] for a in page.all("img") if not str(a["src"]).startswith("data:")} == {'x"onerror="alert(3)'}
    assert "<script>alert(1)</script>" in page.text and "\\u202egnp.exe\\u2028" in page.text and "\\x1b[2J" in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u2028\u202e]", text)


def test_very_long_words_are_folded_and_cut() -> None:
    evidence = made.evidence(sentence="word " * 20_000)
    page = page_of(evidence)
    assert re.search(r"word … \(\d\d,\d{3} more characters\)", page.text)
    assert len(page.text) < 60_000 and len(page.all("details")) > len(page_of(made.evidence()).all("details"))


@makes
def test_no_answer_by_colour_alone_and_no_forbidden_word(make: made.Make) -> None:
    evidence = make()
    page = page_of(evidence)
    assert evidence.answer.value.lower() in page.text.lower()
    assert not re.search(r"\b(real|fake|probability)\b", page.text, re.IGNORECASE)
    icons = [a["class"] for a in page.all("svg") if "icon" in str(a.get("class"))]
    assert icons[0] == "icon " + {
        Answer.EVIDENCE: "evidence", Answer.NONE_FOUND: "none", Answer.UNDECIDED: "undecided",
        Answer.NOT_APPLICABLE: "refused",
    }[evidence.answer]  # fmt: skip


def test_the_disk_of_each_answer_has_its_own_shape() -> None:
    def shape(make: made.Make) -> list[str]:
        text = evidence_fragment(make(), "")
        return re.findall(r"<(circle|path) class=\"(\w+)\"", text[: text.index("</svg>")])

    shapes = [shape(make) for make in (made.evidence, made.none_found, made.undecided_by_flip, made.not_applicable)]
    assert len({str(found) for found in shapes}) == 4


def test_findings_say_in_words_whether_they_are_verified() -> None:
    text = page_of(made.evidence()).text
    assert text.count("Verified: it validates, and its signer is on the trust list") == 1
    assert text.count("Not verified: anybody can write this") == 2
    assert "Nothing found. Absence proves nothing" in page_of(made.undecided_by_flip()).text


def test_every_heatmap_is_a_layer_with_its_trust() -> None:
    page = page_of(made.contradicting())
    layers = [a for a in page.all("img") if "data-layer" in a]
    assert [a["data-layer"] for a in layers] == ["1", "2"] and "hidden" not in layers[0] and "hidden" in layers[1]
    assert "Not tested." in page.text and "71 of 100 pictures" in page.text


def test_what_is_not_there_leaves_no_empty_part() -> None:
    page = Page(evidence_page(made.not_applicable(), ""))
    parts = [attributes["data-part"] for attributes in page.all("section") if "data-part" in attributes]
    assert parts == ["picture", "provenance", "method", "copy"]
    assert "The picture cannot be shown." in page.text and "Heatmaps" not in page.text


def test_a_server_may_name_the_page_to_be_saved() -> None:
    links = Page(evidence_fragment(made.evidence(), made.picture(), page="/inspect/7.html?a=1&b=2")).all("a")
    assert [(a["href"], "download" in a) for a in links] == [("/inspect/7.html?a=1&b=2", True)]
    assert not Page(evidence_fragment(made.evidence(), made.picture())).all("a")


def test_two_pages_of_the_same_evidence_are_the_same() -> None:
    assert evidence_page(made.evidence(), made.picture()) == evidence_page(made.evidence(), made.picture())


def test_the_index_puts_most_evidence_first() -> None:
    rows = [Row(make(), f"{name}.html", "") for name, make in made.ALL.items() if name != "hostile"]
    page = Page(index_page(rows))
    order = ["evidence", "contradicting", "undecided_by_flip", "none_found", "not_calibrated", "not_applicable"]
    assert [a["href"] for a in page.all("a")] == [f"./{name}.html" for name in order]
    assert [a["data-place"] for a in page.all("tr") if "data-place" in a] == list("123456")


def test_an_index_of_hostile_names_loads_nothing_and_runs_nothing() -> None:
    page = Page(index_page([Row(made.hostile(), "javascript:alert(1)#?.html", "//host/<x>.jpg")]))
    assert [a["href"] for a in page.all("a")] == ["./javascript%3Aalert%281%29%23%3F.html"]
    assert [a["src"] for a in page.all("img")] == [".///host/%3Cx%3E.jpg"]
    assert [a["type"] for a in page.all("script")] == ["module"]


def test_an_index_of_nothing_is_a_page() -> None:
    assert "0 files, those with most evidence first." in Page(index_page([])).text
