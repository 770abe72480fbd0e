"""``synthscope analyze`` from inside the process: tables and figures on disk, the table on stdout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from synthscope.cli.analyze import analyze
from synthscope.errors import UsageError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generators, 4 training and 2 test images a class and generator, in the GenImage layout."""
    root, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    for subset in ("one", "two"):
        for split, n in (("train", 4), ("val", 2)):
            for kind, name in (("ai", "000_x_{}.png"), ("nature", "n01440764_{}.JPEG")):
                folder = root / subset / split / kind
                folder.mkdir(parents=True)
                for i in range(n):
                    pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(folder / name.format(f"{i:05}"))
    return root


def run(*arguments: object) -> Result:
    return CliRunner().invoke(analyze, list(map(str, arguments)))


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def test_frequency(world: Path, tmp_path: Path) -> None:
    arguments = "frequency", f"genimage:{world}", "-o", tmp_path, "--n", 5, "--size", 32, "--where", "split=train"
    assert "real" in done(run(*arguments))
    names = {"frequency", "peaks", "spectra", "profiles"}
    assert {path.stem for path in tmp_path.iterdir()} == names
    assert {path.suffix for path in tmp_path.iterdir()} == {".parquet", ".csv", ".npz", ".png", ".svg"}
    broken = world / "one" / "train" / "ai" / "000_x_00009.png"
    broken.write_bytes(b"\x89PNG")
    result = run(*arguments)
    broken.unlink()
    assert result.exit_code == 3 and "000_x_00009.png" in result.stderr


def test_correlation(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("train_set,ADM,glide,mean\nADM,99,70,84\nglide,60,98,79\n")
    assert "mean nothing" in done(run("correlation", tmp_path / "t.csv", "-o", tmp_path / "out"))
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".csv", ".parquet", ".png", ".svg"]


def test_scaling_then_content(world: Path, tmp_path: Path) -> None:
    settings = ("steps=1", "batch_size=4", "detector.input.crop=32", "detector.options.width=4", "data.holdout=0.25")
    grid = "--subset", "one", "--classes", "1,7", "--per-class", "4", "--seeds", 1
    text = done(
        run("scaling", f"genimage:{world}", "-c", "cpu_small", "-o", tmp_path, *grid,
            *(part for setting in settings for part in ("--set", setting)))
    )  # fmt: skip
    assert "1 x 4 (4 real, 4 AI)" in text and "7 x 4 is left out" in text
    assert (tmp_path / "scaling.parquet").is_file() and (tmp_path / "scaling_runs.csv").is_file()
    detector = tmp_path / "cells" / "cpu_small.one.1x4.seed0" / "detector"
    domains = f"first=genimage:{world}/one", f"second=genimage:{world}/two"
    arguments = "content", *domains, "-d", detector, "-o", tmp_path / "content", "--where", "split=val"
    text = done(run(*arguments))
    assert "first (2 real, 2 AI)" in text and "second (2 real, 2 AI)" in text
    assert (tmp_path / "content" / "content.csv").is_file() and (tmp_path / "content" / "content.png").is_file()
    assert done(run(*arguments)) == text


def test_numbers_and_help() -> None:
    assert "frequency" in run("--help").stdout
    result = run("scaling", "genimage:x", "-c", "cpu_small", "-o", "x", "--classes", "ten")
    assert isinstance(result.exception, UsageError)
