"""Arguments are checked before work: one sentence, and nothing read or written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from synthscope.cli import app, main
from synthscope.data.manifest import load_manifest, save_manifest
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, PREDICTIONS, conform

TRAIN = ["train", "m.parquet", "-c", "cpu_small", "-o", "out"]
PREDICT = ["predict", "m.parquet", "-d", "detector", "-o", "out"]
EXPLAIN = ["explain", "m.parquet", "-d", "detector", "-e", "gradcam", "-o", "out"]
BENCHMARK = ["benchmark", "m.parquet", "-c", "cpu_cross_generator", "-o", "out"]
COMMANDS = {"train": TRAIN, "predict": PREDICT, "explain": EXPLAIN}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder: a command that reads ``m.parquet`` before it looks at its arguments says so instead."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuses(command: list[str], sentence: str, kind: type[SynthscopeError] = UsageError) -> None:
    before = sorted(Path().iterdir())
    result = CliRunner().invoke(app, command)
    assert type(result.exception) is kind, result.output
    said = str(result.exception).replace(f"{Path.cwd()}/", "")
    assert sentence in said and "\n" not in said
    assert result.output == ""
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ([*PREDICT, "--seed", "-1"], "Expected --seed of at least 0, got -1."),
        ([*PREDICT, "--seed", str(2**63)], "Expected --seed of at least 0"),
        ([*PREDICT, "-j", "0"], "Expected --workers of at least 1, got 0."),
        ([*PREDICT, "--batch-size", "0"], "Expected --batch-size of at least 1, got 0."),
        ([*PREDICT, "--shard", "4/4"], "Expected a shard i/n"),
        ([*EXPLAIN, "--seed", "-1"], "Expected --seed of at least 0, got -1."),
        ([*EXPLAIN, "--workers", "-2"], "Expected --workers of at least 1, got -2."),
        (["score", ".", "--seed", "-5"], "Expected --seed of at least 0, got -5."),
        (["score", ".", "--threshold", "nan"], "Expected a finite threshold on the logit, got nan."),
        (["score", ".", "--threshold", "inf"], "Expected a finite threshold on the logit, got inf."),
        ([*TRAIN, "--set", "seed=-1"], "Expected a valid 'seed' in recipe cpu_small, got -1"),
        ([*TRAIN, "--set", "data.workers=-1"], "Expected a valid 'data.workers'"),
        ([*TRAIN, "--set", "calibration.prior=1"], "Expected a valid 'calibration.prior'"),
        ([*TRAIN, "--set", "calibration.prior=.nan"], "Expected a valid 'calibration.prior'"),
        ([*BENCHMARK, "--set", "seed=-1"], "Expected a valid 'seed' in recipe cpu_cross_generator, got -1"),
        ([*BENCHMARK, "--set", "seeds=[0, -1]"], "Expected a valid 'seeds.1'"),
        (["data", "sandbox", "-o", "out", "-j", "0"], "Expected --workers of at least 1, got 0."),
        (["analyze", "frequency", "m.parquet", "-o", "out", "--seed", "-1"], "Expected --seed of at least 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_numbers_are_refused_before_anything_is_read(command: list[str], sentence: str) -> None:
    refuses(command, sentence)


def test_numbers_at_the_border_are_taken() -> None:
    refuses([*PREDICT, "--seed", "0", "-j", "1"], "Expected a manifest at m.parquet, got nothing", SynthscopeError)


def test_the_program_exits_with_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["synthscope", *PREDICT, "--seed", "-1"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "synthscope: Expected --seed of at least 0, got -1. Correct the number.\n"


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("label", ["0.5", "nan", ""])
def test_labels_that_are_none_in_a_table_of_paths(verb: str, label: str) -> None:
    for number in range(2):
        Image.new("RGB", (8, 8)).save(f"{number}.png")
    Path("t.csv").write_text(f"path,label\n0.png,0\n1.png,{label}\n")
    command = [*COMMANDS[verb]]
    command[1] = "csv:t.csv"
    refuses(command, f"Expected a label such as 0, 1, real or ai in row 3 of t.csv, got {label!r}.")
    Path("t.csv").write_text("path,typ\n0.png,real\n1.png,0.5\n")
    refuses(command, "Expected a label such as 0, 1, real or ai in row 3 of t.csv, got '0.5'.")
    table = pl.DataFrame({"path": ["0.png", "1.png"], "label": [0.0, float(label or "nan")]})
    table.write_parquet("t.parquet")
    command[1] = "parquet:t.parquet"
    refuses(command, "Expected a label such as 0, 1, real or ai in row 2 of t.parquet, got")


@pytest.mark.parametrize("label", [0.5, float("nan"), 2.0, "0.5", "nan"])
def test_labels_that_are_none_in_a_manifest(label: float | str) -> None:
    column = pl.Series([0, label], dtype=pl.String if isinstance(label, str) else pl.Float64, strict=False)
    manifest = conform(pl.DataFrame({"path": ["0.png", "1.png"]}), MANIFEST, "test").with_columns(label=column)
    manifest.write_parquet("m.parquet")
    for command in COMMANDS.values():
        refuses(command, f"Expected label 0, 1 or null in row 2 of m.parquet, got {label!r}.")
    manifest.with_columns(label=pl.Series([0.0, 1.0])).write_parquet("m.parquet")  # whole numbers are labels
    assert load_manifest("m.parquet")["label"].to_list() == [0, 1]


def test_fractions_are_never_cut_off_to_fit_a_column() -> None:
    rows = pl.DataFrame({"path": ["a"], "label": [0.5], "width": [3.0]})
    with pytest.raises(SynthscopeError, match="Expected Int8 in column 'label' of mine, got Float64"):
        conform(rows, PREDICTIONS, "mine")
    assert conform(rows.drop("label"), MANIFEST, "mine")["width"].to_list() == [3]


def test_two_plain_folders_train_at_once(here: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("real", "fake"):
        (here / "photos" / kind).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256 if kind == "real" else 90, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(here / "photos" / kind / f"{number}.png")
    source = "imagefolder:photos?ai=fake&real=real"
    options = ["--set", "steps=2", "--set", "detector.options.width=4", "--set", "detector.input.crop=32"]
    result = CliRunner().invoke(app, ["train", source, "-c", "cpu_small", "-o", "detector", *options])
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stderr.splitlines() if "split" in line]
    assert line == "no image has a split: 36 are trained on, 4 are held out by group (data.holdout=0.1)"
    save_manifest(load_manifest(source).with_columns(split=pl.lit("val")), "val.parquet")
    refuses(["train", "val.parquet", *TRAIN[2:]], "Expected real and AI images in split 'train'", SynthscopeError)
