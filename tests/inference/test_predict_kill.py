"""A run that is killed without warning goes on where it stopped and ends in the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

RUN = """
import os, signal, sys
from pathlib import Path
import polars as pl
from synthscope.detectors.hub import create_detector
from synthscope.inference import fill, parts
from synthscope.inference import predict
from synthscope.runtime import whole_file

folder, out, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
fill.SECONDS_BETWEEN_PARTS = 0
written = 0

def write_part(folder, rows):
    global written
    if moment == "while writing the second part" and written == 1:
        with whole_file(folder / "part-9.parquet") as temporary:
            temporary.write_bytes(b"PAR1 half a part")
            os.kill(os.getpid(), signal.SIGKILL)
    parts.write_part(folder, rows)
    written += 1
    if moment == "after the second part" and written == 2:
        os.kill(os.getpid(), signal.SIGKILL)

fill.write_part = write_part
images = pl.DataFrame({"path": sorted(map(str, folder.glob("*.png")))})
detectors = [create_detector("cnn_small", name=name, seed=seed, input={"crop": 48}) for seed, name in enumerate("ab")]
predict.predict(images, detectors, out=out, conditions=["none", "jpeg@1..3", "noise:sigma=8"], workers=2, batch_size=4)
print("parts written:", written)
"""


def run(folder: Path, out: Path, moment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, str(folder), str(out), moment]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def test_a_killed_run_resumes_to_a_byte_identical_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (60, 64, 3), dtype=np.uint8)).save(tmp_path / f"{number:02}.png")
    (tmp_path / "30.png").write_bytes(b"not an image")
    whole = run(tmp_path, tmp_path / "whole", "never")
    assert whole.returncode == 0, whole.stderr
    parts = int(whole.stdout.split()[-1])
    assert parts >= 5

    killed = tmp_path / "killed"
    for moment in ("after the second part", "while writing the second part"):
        assert run(tmp_path, killed, moment).returncode == -signal.SIGKILL
        assert not (killed / "predictions.parquet").exists()
    assert len(list((killed / "parts").glob("part-*.parquet"))) == 3
    assert len(list((killed / "parts").glob(".part-9*"))) == 1
    resumed = run(tmp_path, killed, "never")
    assert resumed.returncode == 0, resumed.stderr
    assert int(resumed.stdout.split()[-1]) == parts - 3
    assert (killed / "predictions.parquet").read_bytes() == (tmp_path / "whole" / "predictions.parquet").read_bytes()
    table = pl.read_parquet(killed / "predictions.parquet")
    assert table.height == 40 * 2 * 5
    assert table["logit"].null_count() == table["error"].is_not_null().sum() == 10
