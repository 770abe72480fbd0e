"""A full disk and folders that vanish leave one sentence and a run that goes on; slices change nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.detectors.hub import create_detector
from synthscope.errors import SynthscopeError
from synthscope.inference import fill as module
from synthscope.inference import table as tables
from synthscope.inference.predict import predict

RUN = """
import sys
from pathlib import Path
import polars as pl
from synthscope.cli import main
from synthscope.detectors.hub import create_detector, save_detector
folder = Path(sys.argv[1])
if not (folder / "detector").exists():
    save_detector(create_detector("cnn_small", input={"crop": 32}), folder / "detector")
sys.argv = ["synthscope", "predict", f"files:{folder / 'images'}", "-d", str(folder / "detector"),
            "-o", sys.argv[2], "-j", "1"]
main()
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    shutil.copy(folder / "0.png", folder / "7.png")  # the same bytes
    return folder


def rows_of(images: Path) -> pl.DataFrame:
    return pl.DataFrame({"path": sorted(map(str, images.glob("*.png")))})


def test_a_full_disk_is_one_sentence_and_room_lets_the_run_go_on(images: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "small", disk], check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        command = [sys.executable, "-c", RUN, str(tmp_path), str(disk / "run")]
        full = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
        assert full.returncode and "Traceback" not in full.stderr, full.stderr
        assert "Make room and run again." in full.stderr.splitlines()[-1]
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
        assert again.returncode == 0, again.stderr
        assert pl.read_parquet(disk / "run" / "predictions.parquet")["logit"].null_count() == 0
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_run_folder_that_vanishes_is_one_sentence(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, detector = tmp_path / "run", create_detector("cnn_small", input={"crop": 32})
    predict(rows_of(images)[:4], [detector], out=out)
    write = module.write_part

    def vanishing(folder: Path, rows: pl.DataFrame) -> None:
        shutil.rmtree(out)
        write(folder, rows)

    monkeypatch.setattr(module, "write_part", vanishing)
    with pytest.raises(SynthscopeError, match="parts have vanished during the run"):
        predict(rows_of(images), [detector], out=out)
    monkeypatch.undo()
    assert predict(rows_of(images), [detector], out=out)["logit"].null_count() == 0


def test_images_that_vanish_are_errors_until_they_are_back(images: Path, tmp_path: Path) -> None:
    rows, detector = rows_of(images), create_detector("cnn_small", input={"crop": 32})
    images.rename(tmp_path / "elsewhere")
    gone = predict(rows, [detector], out=tmp_path / "run")
    assert gone["error"].null_count() == gone["logit"].len() - gone["logit"].null_count() == 0
    (tmp_path / "elsewhere").rename(images)
    back = predict(rows, [detector], out=tmp_path / "run")
    assert back["logit"].null_count() == 0 and back["error"].null_count() == back.height


def test_slices_of_any_size_make_the_same_table(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = create_detector("cnn_small", input={"crop": 32})
    conditions = ["none", "jpeg:q=65"]
    (images / "3.png").write_bytes(b"no image")
    rows = rows_of(images)
    whole = predict(rows, [detector], out=tmp_path / "whole", conditions=conditions, batch_size=1, workers=1)
    monkeypatch.setattr(module, "IMAGES_AT_ONCE", 1)
    for place in (tables, __import__("synthscope.inference.store", fromlist=["store"])):
        monkeypatch.setattr(place, "ROWS_AT_ONCE", 3)
    for _ in range(2):  # again: nothing is new, and the rows take the place of the earlier
        one = predict(rows, [detector], out=tmp_path / "one", conditions=conditions, batch_size=1, workers=1)
        assert one.equals(whole)
        assert pl.read_parquet(tmp_path / "one" / "predictions.parquet").equals(whole)
    hashes = whole["sha256"].to_list()
    assert hashes[0] == hashes[-1] and whole["logit"][0] == whole["logit"][-2]
