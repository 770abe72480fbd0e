"""The verbs of ``synthscope annotate``."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from synthscope.annotations import CATEGORIES, load_annotations, save_annotations
from synthscope.annotations.records import image_rows, to_table
from synthscope.cli.annotate import annotate


def run(code: int, *arguments: object) -> str:
    result = CliRunner().invoke(annotate, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (9, 6)).save(tmp_path / "a.png")
    square = [[1.0, 1.0], [4.0, 1.0], [4.0, 4.0]]
    for name in ("ann", "bob"):
        image = {"path": str(tmp_path / "a.png"), "annotator": name}
        rows = image_rows(image, [{"polygons": [square], "category": CATEGORIES[4].label}], kind="polygon")
        save_annotations(to_table(rows, "x"), tmp_path / f"{name}.parquet")
    return tmp_path


def test_import_export_validate_agreement(folder: Path) -> None:
    said = run(0, "import", folder / "ann.parquet", "-o", folder / "whole.parquet")
    assert said == f"1 regions in 1 images, 0 of them without any: {folder / 'whole.parquet'}\n"
    whole = load_annotations(folder / "whole.parquet")
    assert whole.select("width", "height").row(0) == (9, 6) and len(whole["sha256"][0]) == 64
    assert run(0, "export", folder / "whole.parquet", "-o", f"coco:{folder / 'c.json'}").strip().endswith("c.json")
    assert load_annotations(f"coco:{folder / 'c.json'}").equals(whole)
    assert run(0, "validate", f"coco:{folder / 'c.json'}") == ""
    run(0, "import", folder / "bob.parquet", "-o", folder / "other.parquet")
    out = ("--out", folder / "agreement.csv", "--resamples", 100)
    two = run(0, "agreement", folder / "whole.parquet", folder / "other.parquet", *out)
    assert two.splitlines()[1].split() == ["any", "mask_iou", "1.000", "nan", "nan", "1", "2"]
    assert pl.read_csv(folder / "agreement.csv").height == 6 + 5
    both = whole.vstack(load_annotations(folder / "other.parquet"))
    save_annotations(both, folder / "both.parquet")
    assert run(0, "agreement", folder / "both.parquet", "--resamples", 100) == two


def test_validate_lists_what_is_wrong(folder: Path) -> None:
    table = load_annotations(folder / "ann.parquet")
    save_annotations(table.with_columns(category=pl.lit("high-level-semantic")), folder / "wrong.parquet")
    (line,) = run(1, "validate", folder / "wrong.parquet").splitlines()
    assert line == (
        f"{folder / 'wrong.parquet'}: row 1, region 1 of {folder / 'a.png'}: unknown category 'high-level-semantic'. "
        "Did you mean high-level-semantics?"
    )


def test_config_is_the_taxonomy() -> None:
    root = ElementTree.fromstring(run(0, "config"))
    for tag in ("PolygonLabels", "RectangleLabels", "BrushLabels"):
        (control,) = root.iter(tag)
        assert control.attrib["name"] == tag.lower() and control.attrib["toName"] == "image"
        assert [label.attrib["value"] for label in control] == [c.label for c in CATEGORIES] + ["other"]
    keys = [label.attrib.get("hotkey") for label in root.iter("Label")][:7]
    assert keys == [str(category.number) for category in CATEGORIES]
