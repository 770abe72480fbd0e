"""Two processes under torchrun train the same model as one, on the CPU."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch

from synthscope.training.config import TrainConfig
from synthscope.training.fit import train

SCRIPT = """
import sys
from pathlib import Path
import polars as pl
from synthscope.training.fit import TrainConfig, train

folder = Path(sys.argv[1])
config = TrainConfig.model_validate_json((folder / "config.json").read_text())
manifest = pl.read_parquet(folder / "manifest.parquet")
train(config, manifest, folder / "two")
train(config, manifest, folder / "two")  # finished: every process returns
names = [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in names), names  # whose threads abort processes that are about to end
"""


def test_two_processes_equal_one(
    manifest: pl.DataFrame,
    make_config: Callable[..., TrainConfig],
    weights: Callable[[Path], dict[str, torch.Tensor]],
    tmp_path: Path,
) -> None:
    # A network without batch statistics: they would be of half the batch in each process. 33 images to train on make
    # batches of odd sizes, 11 and 5 a process, so unweighted means over processes would show.
    config = make_config(
        detector={"architecture": "timm:test_vit", "input": {"crop": 32, "resize": None}},
        optimizer={"name": "sgd", "lr": 0.05},
        epochs=2,
        batch_size=11,
        accumulate=2,
    )
    images = manifest.head(45)
    images.write_parquet(tmp_path / "manifest.parquet")
    (tmp_path / "config.json").write_text(config.model_dump_json())
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    with (tmp_path / "errors").open("w+") as errors:
        process = subprocess.Popen(
            [*command, str(tmp_path / "script.py"), str(tmp_path)], stderr=errors, start_new_session=True
        )
        try:
            assert process.wait(timeout=120) == 0, (tmp_path / "errors").read_text()[-3000:]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # whatever hangs
    one, two = weights(train(config, images, tmp_path / "one")), weights(tmp_path / "two")
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-5)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    assert len(logs[0]) == len(logs[1]) == 2
    assert not (tmp_path / "two" / "checkpoint.pt").exists()
