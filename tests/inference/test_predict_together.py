"""Several processes in one run folder: one waits for the other, shards don't, and nothing is computed twice."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.detectors.hub import create_detector
from synthscope.inference.predict import predict
from synthscope.runtime import seed_for
from synthscope.schema import PREDICTIONS

RUN = """
import sys
from pathlib import Path
import polars as pl
from synthscope.detectors.hub import create_detector
from synthscope.inference import fill, predict

folder, out, shard = Path(sys.argv[1]), Path(sys.argv[2]), predict.parse_shard(sys.argv[3] or None)
fill_run = fill.fill
def held(*arguments):
    print("has the folder", flush=True)
    sys.stdin.readline()
    return fill_run(*arguments)
fill.fill = held
images = pl.DataFrame({"path": sorted(map(str, folder.glob("*.png")))})
predict.predict(images, [create_detector("cnn_small", input={"crop": 32})], out=out, workers=1, shard=shard)
"""
WAITING = "waiting for another run in "


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def start(images: Path, shard: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(images), str(images / "run"), shard]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen[str]) -> int:
    """Let a process go on; the number of new logits that it reports."""
    _, err = process.communicate("\n", timeout=120)
    assert process.returncode == 0, err
    return int(re.search(r"predict: (\d+) new scorings", err)[1])


def test_a_second_run_waits_and_finds_everything_done(images: Path) -> None:
    first = start(images)
    assert first.stdout.readline() == "has the folder\n"
    second = start(images)
    assert second.stderr.readline() == f"{WAITING}{images / 'run' / 'parts'}\n"
    assert (finish(first), finish(second)) == (6, 0)
    table = pl.read_parquet(images / "run" / "predictions.parquet")
    assert table.height == 6 and table["logit"].null_count() == 0


def test_a_killed_run_lets_go_of_the_folder(images: Path) -> None:
    first = start(images)
    assert first.stdout.readline() == "has the folder\n"
    second = start(images)
    assert second.stderr.readline().startswith(WAITING)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    assert finish(second) == 6


def test_shards_go_side_by_side_and_a_whole_run_waits_for_them(images: Path) -> None:
    shards = [start(images, shard) for shard in ("0/2", "1/2")]
    for shard in shards:
        assert shard.stdout.readline() == "has the folder\n"  # both, before one of them goes on
    same, whole = start(images, "0/2"), start(images)
    for waiting in (same, whole):
        assert waiting.stderr.readline().startswith(WAITING)
    assert sum(map(finish, shards)) == 6
    for waiting in (same, whole):  # in whichever order they get the folder
        assert finish(waiting) == 0


def test_a_shard_that_no_image_falls_to_is_an_empty_table(images: Path) -> None:
    path = str(images / "0.png")
    mine = seed_for(path) % 2
    run = partial(predict, pl.DataFrame({"path": [path]}), [create_detector("cnn_small", input={"crop": 32})])
    empty = run(out=images / "run", shard=(1 - mine, 2))
    assert empty.is_empty() and empty.schema == PREDICTIONS
    assert run(out=images / "run", shard=(mine, 2)).height == 1
    assert pl.read_parquet(images / "run" / "predictions.parquet").height == 1


PROBE = """
import sys
from pathlib import Path
from synthscope.inference.parts import one_run
for turn in range(200):
    with one_run(Path(sys.argv[1]), sys.argv[2]):
        pass
"""


def test_many_processes_share_a_folder_without_a_false_refusal(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROBE, str(tmp_path / "parts")]
    processes = [subprocess.Popen([*command, f"{i}-of-4"], stderr=subprocess.PIPE, text=True) for i in range(4)]
    for process in processes:
        assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {".lock", *(f".lock-{i}-of-4" for i in range(4))}
