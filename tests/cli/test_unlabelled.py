"""Files of which nobody knows what they are: they can be scored and explained, and nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from synthscope.cli import app
from synthscope.data.audit import audit
from synthscope.data.degrade.recipe import expand
from synthscope.data.index import index, index_to
from synthscope.data.manifest import load_manifest
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.errors import SynthscopeError
from synthscope.schema import PREDICTIONS
from synthscope.tables.answers import answers


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three images in two folders, one damaged file, one note, and the folder of a small detector beside them."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "deep/c.PNG"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), dtype=np.uint8)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "deep" / "broken.png").write_bytes(b"none")
    (tmp_path / "photos" / "notes.txt").write_text("")
    torch.manual_seed(0)
    save_detector(create_detector("cnn_small", name="small", options={"width": 4}), tmp_path / "small")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def refuses(sentence: str, *arguments: object) -> None:
    result = invoke(*arguments)
    assert isinstance(result.exception, SynthscopeError), result.output
    assert sentence in str(result.exception) and "\n" not in str(result.exception)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("photos", ["a.png", "b.jpg", "broken.png", "c.PNG"]),
        ("photos/deep/c.PNG", ["c.PNG"]),
        ("photos/*", ["a.png", "b.jpg", "broken.png", "c.PNG"]),  # a folder that matches counts with what is in it
        ("photos/*.png", ["a.png"]),
        ("photos/?.[jp]*g", ["a.png", "b.jpg"]),
        ("photos/**", ["a.png", "b.jpg", "broken.png", "c.PNG"]),  # each once
        ("ph*/**/*.PNG", ["c.PNG"]),
    ],
)
def test_files_names_one_a_folder_or_a_pattern(photos: Path, pattern: str, found: list[str]) -> None:
    table = index(f"files:{pattern}")
    assert [Path(path).name for path in table["path"]] == found
    assert all(Path(path).is_absolute() for path in table["path"])
    for column in ("label", "generator", "subset", "split", "group"):
        assert table[column].null_count() == table.height
    usable = table.filter(pl.col("error").is_null())
    assert set(usable["width"]) == {44} and usable.height == len(set(found) - {"broken.png"})


def test_a_name_in_brackets_is_a_file_before_it_is_a_pattern(photos: Path) -> None:
    (photos / "[1].png").write_bytes((photos / "a.png").read_bytes())
    assert [Path(path).name for path in index("files:photos/[1].png")["path"]] == ["[1].png"]
    assert index("files:photos/notes.txt")["error"].to_list() == ["not an image suffix"]
    for pattern in ("photos/*.gif", "nowhere"):
        with pytest.raises(SynthscopeError, match="Expected images under .*, got none"):
            index(f"files:{pattern}")


def test_index_and_verify_count_what_has_no_label(photos: Path) -> None:
    result = invoke("data", "index", "files:photos", "-o", "m.parquet")
    assert result.exit_code == 3 and "broken.png" in result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [["subset", "split", "real", "ai", "unlabelled", "unusable", "formats"],
                     ["-", "-", "0", "0", "4", "1", "JPEG", "PNG"], ["total", "0", "0", "4", "1"]]  # fmt: skip
    report = index_to("files:photos", "other.parquet")
    assert (report.rows, report.n_real, report.n_ai, report.n_unlabelled, report.n_error) == (4, 0, 0, 4, 1)
    assert load_manifest("m.parquet")["label"].null_count() == 4
    result = invoke("data", "verify", "m.parquet")
    assert result.exit_code == 3
    assert f"got none for 3 of 3 (first: {photos}/a.png)" in result.stderr
    assert load_manifest("m.parquet")["sha256"].null_count() <= 1


def test_predict_scores_them_and_writes_the_answers(photos: Path) -> None:
    call = ["predict", "files:photos", "-d", "small", "-o", "run", "--degrade", "none", "--degrade", "jpeg:q=50"]
    result = invoke(*call, "--view", "raw", "--view", "lr:16", "--csv", "answers.csv")
    assert result.exit_code == 3 and "broken.png" in result.stderr
    table = pl.read_parquet("run/predictions.parquet")
    assert table["label"].null_count() == table.height == 16
    with Path("answers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "detector", "view", "condition", "logit", "p_ai", "answer"]
    assert len(rows) == 16
    for row, known in zip(rows, table.iter_rows(named=True), strict=True):
        assert (row["path"], row["label"], row["view"]) == (known["path"], "", known["view"])
        if known["error"]:
            assert (row["logit"], row["p_ai"], row["answer"]) == ("", "", "error")
        else:
            assert row["answer"] == ("AI" if known["logit"] > known["threshold"] else "real")
            assert float(row["logit"]) == pytest.approx(known["logit"], rel=1e-6)
    refuses("Expected a .csv file after --csv, got answers.txt", *call, "--csv", "answers.txt")
    refuses("got none for 3 of 3 (first: ", "score", "run")
    refuses("got the image photos/a.png. Write files:photos/a.png", "data", "audit", "photos/a.png")


def test_named_recipes_and_sets_are_stored_as_what_they_spell(photos: Path) -> None:
    call = ["predict", "files:photos/a.png", "-d", "small", "-o", "run", "--degrade", "social", "--degrade", "rephoto"]
    assert invoke(*call).exit_code == 0
    table = pl.read_parquet("run/predictions.parquet")
    assert table["condition"].to_list() == expand(["social", "rephoto"])
    assert table["logit"].is_finite().all() and table["error"].null_count() == 11
    refuses("Did you mean social?", *call[:-1], "socail")


def test_files_folders_patterns_and_stdin_are_scored_each_once(photos: Path) -> None:
    index("files:photos").filter(pl.col("path").str.ends_with("c.PNG")).write_parquet("known.parquet")
    given = ["photos/a.png", "photos/*.jpg", "photos/a.png", "-", "known.parquet", "files:photos/deep"]
    arguments = ["predict", *given, "-d", "small", "-o", "run", "--csv", "answers.csv"]
    result = CliRunner().invoke(app, arguments, input="photos/b.jpg\nphotos/deep/c.PNG\n\n")
    assert result.exit_code == 3, result.output  # broken.png
    rows = list(csv.DictReader(Path("answers.csv").read_text().splitlines()))
    assert sorted(Path(row["path"]).name for row in rows) == ["a.png", "b.jpg", "broken.png", "c.PNG"]
    call = ["-d", "small", "-o", "other"]
    refuses("Expected a file or folder at photos/x.png, got nothing", "predict", "photos/x.png", *call)
    refuses("Expected images under photos/*.gif, got none", "predict", "photos/*.gif", *call)
    refuses("Expected paths on stdin, one a line, got none", "predict", "-", *call)


def test_answers_follow_the_threshold_and_take_the_name_of_a_protocol() -> None:
    rows = pl.DataFrame({
        "path": list("abcd"), "label": [1, 0, None, 1], "detector": "d", "view": ["none", "crop:size=8", None, "none"],
        "protocol": [None, "aligned", None, None], "condition": "none", "logit": [0.5, 0.51, -3.0, None],
        "p_ai": [0.4, 0.6, 0.1, None], "threshold": 0.5, "error": [None, None, None, "gone"],
    })  # fmt: skip
    table = answers(rows.select(pl.col(name).cast(kind) for name, kind in PREDICTIONS.items() if name in rows.columns))
    assert table["answer"].to_list() == ["real", "AI", "real", "error"]
    assert table["view"].to_list() == ["none", "aligned", "none", "none"]
    assert table["label"].to_list() == [1, 0, None, 1]


def test_explain_takes_them_and_what_needs_labels_names_those_that_are_missing(photos: Path) -> None:
    call = ["-d", "small", "-e", "input_x_grad", "-o", "why"]
    assert invoke("explain", "files:photos/a.png", *call).exit_code == 0
    assert pl.read_parquet("why/explanations.parquet")["label"].to_list() == [None]
    missing = f"got none for 3 of 3 (first: {photos}/a.png). Give labels"
    refuses(missing, "data", "audit", "files:photos")
    refuses(missing, "data", "align", "files:photos", "-o", "aligned.parquet")
    refuses(missing, "train", "files:photos", "-c", "cpu_small", "-o", "mine")
    refuses(missing, "predict", "files:photos", "-d", "small", "-o", "new", "--view", "aligned")
    refuses(missing, "analyze", "frequency", "files:photos", "-o", "new")
    assert not Path("mine").exists() and not Path("new").exists()
    with pytest.raises(SynthscopeError, match="got none for 1 of 1"):
        audit(index("files:photos/a.png"))
    table = load_manifest("files:photos").with_columns(label=pl.Series([0, None, None, 1], dtype=pl.Int8))
    table.write_parquet("some.parquet")
    refuses(f"got none for 1 of 3 (first: {photos}/b.jpg)", "data", "audit", "some.parquet")
    assert invoke("data", "audit", "some.parquet", "--where", "label!=null").exit_code == 0
