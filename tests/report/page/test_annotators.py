"""The page of agreement: what it says is escaped, loads nothing, and shows the images in the order of dispute."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from synthscope.annotations import CATEGORIES
from synthscope.annotations.records import image_rows, to_table
from synthscope.report.page.annotators import write_agreement_page

EDGE, COLOR = CATEGORIES[0].label, CATEGORIES[2].label


@pytest.fixture
def table(tmp_path: Path) -> pl.DataFrame:
    """Three people, four images (one of them gone), a name that is markup, and a second round."""
    for name in ("a", "b", "c"):
        Image.new("RGB", (40, 30), "navy").save(tmp_path / f"{name}.png")
    rows = []

    def mark(image: str, who: str, *boxes: tuple[float, ...], category: str = EDGE, round: int = 1) -> None:
        facts = {"path": str(tmp_path / image), "width": 40, "height": 30, "annotator": who, "round": round}
        rows.extend(image_rows(facts, [{"box": list(box), "category": category} for box in boxes], kind="box"))

    evil = "<script>alert(1)</script>"
    mark("a.png", "ann", (0, 0, 20, 20))
    mark("a.png", evil, (0, 0, 20, 20))
    mark("b.png", "ann", (0, 0, 10, 10), (20, 20, 30, 30))
    mark("b.png", evil, (5, 5, 15, 15), (30, 0, 40, 10), category=COLOR)
    mark("c.png", "ann")
    mark("c.png", "bob")
    mark("gone.png", "bob", (0, 0, 10, 10))
    mark("gone.png", evil)
    mark("c.png", "judge", (0, 0, 10, 10), round=2)
    return to_table(rows, "t")


def test_page(table: pl.DataFrame, tmp_path: Path) -> None:
    out = tmp_path / "p.html"
    found = write_agreement_page(table, out, n_resamples=100)
    assert [Path(p).name for p in found["path"].unique(maintain_order=True)] == ["b.png", "gone.png"]
    page = out.read_text()
    HTMLParser().feed(page)
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page
    assert "default-src 'none'" in page and not re.search(r"(src|href)=\"(?!data:|#)", page)
    shown = re.findall(r"<h4>(\S+) <small", page)
    assert shown == ["b.png", "gone.png", "a.png", "c.png"]
    assert page.count("data:image/jpeg") == 8 and page.count("the file is not there") == 4  # twice: text and alt
    assert "Of 4 images that two people or more marked alone, 2 have a conflict." in page
    assert "judge" in page  # counted, but compared with nobody
    assert not found.filter((pl.col("first") == "judge") | (pl.col("second") == "judge")).height


def test_few_are_shown_of_many(table: pl.DataFrame, tmp_path: Path) -> None:
    write_agreement_page(table, tmp_path / "p.html", limit=1, n_resamples=100)
    page = (tmp_path / "p.html").read_text()
    assert page.count("<h4>") == 1 and "1 of 4 images that several people marked" in page
    assert len(page) < 60_000
