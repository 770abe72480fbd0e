"""What people said of images, as predictions: logits, errors and comparisons by hand."""

from __future__ import annotations

import hashlib
from math import log
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from synthscope.cli import app
from synthscope.errors import SynthscopeError, UsageError
from synthscope.report.page.html import write_report
from synthscope.schema import PREDICTIONS, conform
from synthscope.scoring.answers import add_answers, read_answers
from synthscope.scoring.columns import read_predictions
from synthscope.scoring.differences import compare
from synthscope.scoring.score import score, write_scores


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Predictions of d on four real and four AI images: right on all but the first of each."""
    rows = [
        {
            "path": (tmp_path / f"{label}{i}.png").as_posix(), "sha256": f"{label}{i}" * 32, "label": label,
            "subset": "a", "generator": "a" if label else "real", "detector": "d@1", "view": "none",
            "condition": "none", "split": "val", "group": f"g{label}{i}", "threshold": 0.0,
            "logit": -1.0 if (label == 1) == (i == 0) else 1.0,
        }
        for label in (0, 1) for i in range(4)
    ]  # fmt: skip
    conform(pl.DataFrame(rows), PREDICTIONS, "test").write_parquet(tmp_path / "predictions.parquet")
    return tmp_path


def answers(run: Path, text: str) -> pl.DataFrame:
    (run / "answers.csv").write_text(text)
    return read_answers(run / "answers.csv", pl.read_parquet(run / "predictions.parquet"))


def test_logits_and_what_is_known_of_the_images(run: Path) -> None:
    text = "path,answer,confidence\n00.png,real,0.9\n10.png,AI,\n11.png,ai,1\n01.png,REAL,0.5\n02.png,AI,0.75\n"
    table = answers(run, text)
    assert table.schema == PREDICTIONS
    stamp = hashlib.sha256(text.encode()).hexdigest()[:8]
    assert table["detector"].unique().to_list() == [f"people@{stamp}"]
    assert table["path"].to_list() == [f"{run.as_posix()}/{name}.png" for name in ("00", "10", "11", "01", "02")]
    expected = [-log(9), 1.0, log(0.999 / 0.001), -log(0.501 / 0.499), log(3)]
    assert table["logit"].to_list() == pytest.approx(expected, rel=1e-5)
    first = table.row(0, named=True)
    assert (first["label"], first["subset"], first["group"], first["split"]) == (0, "a", "g00", "val")
    assert (first["view"], first["condition"], first["threshold"], first["train_set"]) == ("none", "none", 0.0, None)


def test_images_are_named_by_their_bytes_too_and_annotators_stand_apart(run: Path) -> None:
    table = answers(run, f"sha256,answer,annotator\n{'10' * 32},AI,Ann B\n{'10' * 32},real,c\n")
    assert table["detector"].str.split("@").list.first().to_list() == ["people.Ann_B", "people.c"]
    assert table["logit"].to_list() == [1.0, -1.0] and table["label"].to_list() == [1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,answer\n00.png,AI\n01.png,fake\n", "AI or real as answer in row 3 of .*, got 'fake'"),
        ("path,answer,confidence\n00.png,AI,0.3\n", r"0.5 to 1.* in row 2 of .*, got '0.3'. Where 0 stands"),
        ("path,answer,confidence\n00.png,AI,nan\n", "in row 2 of .*, got 'nan'"),
        ("path,answer,confidence\n00.png,AI,sure\n", "in row 2 of .*, got 'sure'"),
        ("path,answer\nno.png,AI\n", "an image of the run in row 2 of .*, got 'no.png'"),
        ("path,answer\n,AI\n", "a path or sha256 in row 2"),
        ("path,answer,annotator\n00.png,AI,\n", "an annotator in row 2"),
        ("path,answer\n00.png,AI\n01.png,AI\n00.png,real\n", "one answer of people on an image in row 4 .*row 2"),
        (f"path,sha256,answer\n00.png,{'11' * 32},AI\n", "SHA-256 of 00.png in row 2"),
        ("path,verdict\n00.png,AI\n", "columns answer, and path or sha256, .*, got path, verdict"),
        ("path,answer\n", "Expected answers in"),
    ],
)
def test_errors_name_the_row(run: Path, text: str, message: str) -> None:
    with pytest.raises(SynthscopeError, match=message):
        answers(run, text)
    assert not (run / "answers.parquet").exists()


def test_a_missing_file_is_a_mistake_of_usage(run: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .*nobody.csv"):
        add_answers(run, [run / "nobody.csv"])


def test_they_are_scored_and_compared_on_common_images(run: Path) -> None:
    """People judged three images of each label, are right on 00, 01, 10, and wrong on 02, 11, 12."""
    lines = ["00,real", "01,real", "02,AI", "10,AI", "11,real", "12,real"]
    (run / "people.csv").write_text("path,answer\n" + "\n".join(line.replace(",", ".png,") for line in lines))
    add_answers(run, [run / "people.csv"])
    scores = score(run, metrics=["accuracy", "real_accuracy", "ai_accuracy"], n_resamples=100)
    found = {(row["detector"][0], row["metric"]): row for row in scores.rows(named=True)}
    assert found["p", "accuracy"]["value"] == pytest.approx(3 / 6)
    assert (found["p", "real_accuracy"]["value"], found["p", "ai_accuracy"]["value"]) == pytest.approx((2 / 3, 1 / 3))
    assert (found["p", "accuracy"]["n_real"], found["p", "accuracy"]["n_ai"]) == (3, 3)
    assert (found["d", "accuracy"]["value"], found["d", "accuracy"]["n_ai"]) == (6 / 8, 4)
    (row,) = compare(run, "people", "d", n_resamples=100).rows(named=True)
    assert row["value"] == pytest.approx(3 / 6 - 4 / 6)  # of d on these six images
    assert (row["n_real"], row["n_ai"]) == (3, 3)


def test_they_stay_with_the_run_until_others_come(run: Path) -> None:
    before = score(run, metrics=["accuracy"], n_resamples=100)
    for answer in ("AI", "real"):
        (run / "a.csv").write_text(f"path,answer\n10.png,{answer}\n")
        add_answers(run, [run / "a.csv"])
        people = read_predictions(run).filter(architecture="people")
        assert people["logit"].to_list() == [1.0 if answer == "AI" else -1.0]
    write_scores(run, n_resamples=100)
    after = pl.read_parquet(run / "scores.parquet").filter(metric="accuracy", detector="d@1")
    assert after.equals(before)  # people change no figure of a detector


def test_another_threshold_turns_no_answer(run: Path) -> None:
    (run / "a.csv").write_text("path,answer\n10.png,AI\n00.png,real\n")
    add_answers(run, [run / "a.csv"])
    scores = score(run, metrics=["accuracy"], threshold=5.0, n_resamples=100)
    assert scores.filter(architecture="people")["value"].to_list() == [1.0]
    assert scores.filter(detector="d@1")["value"].to_list() == [0.5]  # all are real


def test_the_command_and_the_page_show_them(run: Path) -> None:
    (run / "a.csv").write_text(
        "path,answer,annotator\n00.png,real,ann\n10.png,AI,ann\n10.png,real,ben\n00.png,AI,ben\n"
    )
    command = ["score", str(run), "--answers", str(run / "a.csv"), "--resamples", "100", "--compare", "people.ann", "d"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "people.ann" in done.stdout and "people.ben" in done.stdout and "Difference in" in done.stdout
    assert "people.ann" in write_report(run).read_text().replace("<wbr>", "")
