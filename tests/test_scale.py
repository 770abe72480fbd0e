"""The plan for many machines, its page, and the job of SLURM."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synthscope.detectors.hub import create_detector, save_detector
from synthscope.inference.predict import predict

ROOT = Path(__file__).parents[1]
SCALE = runpy.run_path(str(ROOT / "benchmarks" / "scale.py"))
COSTS = {name: cost.value for name, cost in SCALE["COSTS"].items()}
JOB = ROOT / "examples" / "slurm.sbatch"


def test_a_plan_by_hand() -> None:
    simple = COSTS | {
        "images": 3600, "conditions": 2, "gmacs": 10, "image_bytes": 100, "prepare": 2, "gpu_gmacs": 5, "gpu_cores": 4,
        "node_gpus": 2, "node_bytes": 50, "driver_rows": 14, "table_rows": 7, "start": 3600,
    }  # fmt: skip
    found = SCALE["plan"](4, simple)  # 2 machines, 16 cores, 7200 scorings of each of 7 detectors
    assert found == pytest.approx((1.0, 0.125, 1.0, 1.0, 2.0, 4.0))
    assert SCALE["plan"](1, simple).bottleneck == "forward"


@given(st.integers(1, 100), st.integers(1, 100))
def test_more_gpus_never_take_longer(a: int, b: int) -> None:
    few, many = (SCALE["plan"](count, COSTS) for count in sorted((a, b)))
    assert all(y <= x for x, y in zip(few, many, strict=True))


def test_the_page_says_what_the_script_prints() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    for arguments in ([], ["gpu_gmacs=60000"]):
        done = subprocess.run(
            [sys.executable, ROOT / "benchmarks/scale.py", *arguments], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            assert line in page or "`gpu_gmacs`" in line, line


def test_an_unknown_cost_is_said() -> None:
    done = subprocess.run([sys.executable, ROOT / "benchmarks/scale.py", "gpus=3"], capture_output=True, text=True)
    assert done.returncode == 1 and "Expected NAME=VALUE with one of images, " in done.stderr


def test_tasks_of_an_array_job_make_one_run(tmp_path: Path) -> None:
    assert subprocess.run(["bash", "-n", JOB]).returncode == 0
    rng = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    detector = create_detector("cnn_small", input={"crop": 32})
    save_detector(detector, tmp_path / "detector")
    (tmp_path / "synthscope").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m synthscope "$@"\n')
    (tmp_path / "synthscope").chmod(0o755)
    there = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "SHARDS": "2"}
    for task in "01":
        environment = os.environ | there | {"SLURM_ARRAY_TASK_ID": task, "SLURM_CPUS_PER_TASK": "1"}
        command = ["bash", JOB, f"files:{tmp_path}/*.png", tmp_path / "run", tmp_path / "detector"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "run" / "predictions.parquet").exists() == (task == "1")
    table = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    rows = pl.DataFrame({"path": [str(tmp_path / f"{number}.png") for number in range(6)]})
    whole = predict(rows, [detector], out=tmp_path / "whole", conditions=["none", "genimage"], workers=1)
    both = whole.join(table, on=["path", "condition"], suffix="_shards", validate="1:1")
    assert both.height == table.height == 42 and (both["logit"] - both["logit_shards"]).abs().max() < 1e-5
