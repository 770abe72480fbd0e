"""Ctrl-C and SIGTERM in the middle of a verb: a line, an exit code, nothing half-written, and a run that goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.data.index import index
from synthscope.data.manifest import save_manifest
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.runtime.locks import MARK
from synthscope.runtime.threads import in_threads

VERB = """
import importlib, os, signal, sys

place, name, number, *arguments = sys.argv[1:]
module, _, owner = place.partition(":")
where = importlib.import_module(module)
where = getattr(where, owner) if owner else where
work, calls = getattr(where, name), []

def stopping(*given, **named):  # the third call sends what a terminal sends to all processes, or kill to one
    calls.append(name)
    if len(calls) == 3:
        (os.killpg if int(number) == signal.SIGINT else os.kill)(os.getpid(), int(number))
    return work(*given, **named)

setattr(where, name, stopping)
from synthscope.cli import main
sys.argv = ["synthscope", *arguments]
main()
"""
TRAIN = "train m.parquet -c cpu_small -o trained --set steps=20 --set batch_size=4 --set data.holdout=0.5"
CASES = {  # verb: what is called once an image, arguments
    "predict": ("synthscope.inference.preparation", "read_file", "predict m.parquet -d detector -o run -j 2"),
    "explain": (
        "synthscope.inference.heatmaps.local",
        "show",
        "explain m.parquet -d detector -e rise -o run",
    ),
    "verify": ("synthscope.data.images", "to_rgb", "data verify m.parquet -o v.parquet -j 2"),
    "audit": ("synthscope.data.history.files", "read_viewed", "data audit m.parquet"),
    "train": ("synthscope.training.fit", "learning_rate", TRAIN),
    "forked": ("synthscope.training.fit", "learning_rate", f"{TRAIN} --set data.workers=2"),
    "frequency": ("synthscope.studies.frequency.study", "_sum", "analyze frequency m.parquet --size 32 -o run"),
    "sandbox": ("synthscope.sandbox.writer:Writer", "add", "data sandbox -o world --train 20 --val 1"),
}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    for place in ("train/ai", "train/nature"):
        (tmp_path / "set" / place).mkdir(parents=True)
        for number in range(12):
            pixels = np.random.default_rng([number, len(place)]).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / place / f"{number}{place[-1]}.png")
    save_manifest(index(f"genimage:{tmp_path / 'set'}"), tmp_path / "m.parquet")
    save_detector(create_detector("cnn_small", name="mine", input={"crop": 32}), tmp_path / "detector")
    return tmp_path


def stop(world: Path, verb: str, number: int) -> subprocess.CompletedProcess[str]:
    place, name, arguments = CASES[verb]
    command = [sys.executable, "-c", VERB, place, name, str(int(number)), *arguments.split()]
    return subprocess.run(
        command, cwd=world, capture_output=True, text=True, timeout=200, start_new_session=True, check=False
    )


@pytest.mark.parametrize(
    ("verb", "number"),
    [*((verb, signal.SIGINT) for verb in CASES), *((verb, signal.SIGTERM) for verb in ("predict", "forked"))],
)
def test_a_verb_stops_with_one_line(world: Path, verb: str, number: signal.Signals) -> None:
    done = stop(world, verb, number)
    assert done.returncode == 128 + number, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "synthscope: stopped; run the same command again to go on."
    assert "Traceback" not in done.stderr and "Error" not in done.stderr
    assert not [path for path in world.rglob("*") if MARK in path.name or path.name == "world"]
    assert not list(world.glob("*/predictions.parquet")) and not (world / "v.parquet").exists()


def test_a_stopped_run_keeps_its_work_and_goes_on(world: Path) -> None:
    stop(world, "predict", signal.SIGTERM)
    command = [sys.executable, "-m", "synthscope", *CASES["predict"][2].split()]
    done = subprocess.run(command, cwd=world, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(world / "run" / "predictions.parquet")["logit"].null_count() == 0


def test_an_ignored_signal_stays_ignored(world: Path) -> None:
    code = "import signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + VERB  # as nohup and & do
    place, name, arguments = CASES["verify"]
    command = [sys.executable, "-c", code, place, name, str(int(signal.SIGINT)), *arguments.split()]
    done = subprocess.run(command, cwd=world, capture_output=True, text=True, start_new_session=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (world / "v.parquet").exists()


def test_threads_keep_the_order_and_leave_what_has_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number * number

    assert list(in_threads(work, range(50), 3)) == [number * number for number in range(50)]
    begun.clear()
    taken = in_threads(work, iter(range(10_000)), 2)
    assert next(taken) == 0
    taken.close()
    assert len(begun) <= 10
