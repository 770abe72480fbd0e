"""``synthscope inspect`` from the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from synthscope.cli import app
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inspection.evidence import Evidence
from tests.inspection.conftest import scene


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three images in two folders, and a calibrated detector beside them."""
    for seed, name in enumerate(("a.jpg", "b.png", "deep/c.JPG")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(seed)).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("not counted")
    detector = create_detector("cnn_small", name="tiny", options={"width": 4}, input={"crop": 64})
    save_detector(detector, tmp_path / "plain")
    monkeypatch.chdir(tmp_path)
    result = invoke("calibrate", "plain", "photos", "-o", "tiny")
    assert result.exit_code == 0, result.output
    return tmp_path / "photos"


def invoke(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), input=stdin)


def test_one_file_on_the_terminal_with_its_heatmap_as_a_file(photos: Path) -> None:
    result = invoke("inspect", photos / "a.jpg", "-d", "tiny", "-o", "out")
    assert result.exit_code == 0, result.output
    assert "UNDECIDED" in result.output and "3 reference photographs are too few" in result.output
    overlays = list((photos.parent / "out" / "heatmaps").rglob("*.png"))
    assert len(overlays) == 1 and overlays[0].name in result.output.replace("\n", "").replace(" ", "")


def test_json_is_evidence_a_line_a_file(photos: Path) -> None:
    result = invoke("inspect", photos, "-d", "tiny", "-o", "out", "--json", "-e", "none")
    assert result.exit_code == 0, result.output
    found = [Evidence.model_validate_json(line) for line in result.stdout.splitlines()]
    assert [one.file.name for one in found] == ["a.jpg", "b.png", "c.JPG"]
    assert json.loads(result.stdout.splitlines()[0])["schema_version"] == "1"


def test_csv_has_a_row_a_file(photos: Path) -> None:
    result = invoke("inspect", "photos/*", "-d", "tiny", "-d", "plain", "-o", "out", "--csv", "--quick")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 6
    assert {"path", "logit", "p_ai", "answer"} <= rows[0].keys()
    assert {row["answer"] for row in rows} == {"undecided"}


def test_paths_come_from_stdin(photos: Path) -> None:
    result = invoke("inspect", "-", "-d", "tiny", "-o", "out", "--csv", "--quick", stdin="photos/b.png\nphotos/deep\n")
    assert result.exit_code == 0, result.output
    assert [Path(row["path"]).name for row in csv.DictReader(io.StringIO(result.stdout))] == ["b.png", "c.JPG"]


def test_pages_of_one_and_of_many(photos: Path) -> None:
    one = invoke("inspect", photos / "a.jpg", "-d", "tiny", "-o", "out", "--html", "one.html")
    assert one.exit_code == 0 and "one.html" in one.output
    page = Path("one.html").read_text()
    assert (
        "a.jpg" in page and "data:image/png;base64" in page and "http://" not in page.replace("http://www.w3.org", "")
    )
    many = invoke("inspect", photos, "-d", "tiny", "-o", "out", "--html", "pages", "--quick")
    assert many.exit_code == 0, many.output
    index = Path("pages/index.html").read_text()
    for page_file in Path("pages/pages").iterdir():
        assert f"pages/{page_file.name}" in index
    assert len(list(Path("pages/thumbnails").iterdir())) == 3


def test_unreadable_files_are_listed_and_exit_with_3(photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"none")
    result = invoke("inspect", photos, "-d", "tiny", "-o", "out", "--quick")
    assert result.exit_code == 3
    assert "4 files: " in result.stdout and "broken.jpg" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent.jpg"], "Expected a file or folder at absent.jpg, got nothing"),
        (["photos/*.gif"], "Expected images in what was named, got none"),
        (["genimage:photos"], "Expected files or folders of images"),
        (["photos", "--json", "--csv"], "Choose one"),
        (["photos", "--level", "0.7"], "'level'"),
        (["photos", "-d", "tiny", "-e", "gradcan"], "Did you mean gradcam"),
        (["photos", "-d", "tiny", "--quick", "--html", "one.html"], "Expected a folder for the pages of 3 files"),
    ],
)
def test_requests_that_cannot_be_met(photos: Path, arguments: list[str], sentence: str) -> None:
    result = invoke("inspect", *arguments, "-o", "out")
    assert isinstance(result.exception, SynthscopeError), result.output
    assert sentence in str(result.exception)
    assert isinstance(result.exception, UsageError) or "Expected" in str(result.exception)
