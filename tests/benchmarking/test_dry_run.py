"""A dry run counts what the run then does, and leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from synthscope.benchmarking.cost.dry_run import dry_run
from synthscope.benchmarking.cost.probe import read_rate
from synthscope.benchmarking.cost.workload import count
from synthscope.benchmarking.run import benchmark
from synthscope.benchmarking.sources import split_images
from synthscope.data.manifest import load_manifest, save_manifest
from synthscope.errors import UnreadableImageError, UsageError
from tests.benchmarking.tiny_worlds import ROW, build_world, config

FLOORS = {"floors": ["metadata", "spectrum_lr"]}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_world(tmp_path_factory.mktemp("images"))


def test_counts_are_those_of_the_run(source: str, tmp_path: Path) -> None:
    whole = config(**FLOORS)
    work = count(whole, *split_images(whole, load_manifest(source)))
    table = benchmark(whole, tmp_path, source=source)
    predicted = table.filter(pl.col("architecture") != "metadata").height
    both_passes = 2 * 12  # clean raw images are predicted once, clean aligned ones by the detectors of both views
    assert sum(one.forwards for one in work.passes) == predicted
    assert sum(one.images for one in work.passes) == both_passes + 2 * 6  # and the degraded subset, in both views
    for one in work.trainings:
        seen = json.loads((tmp_path / "detectors" / one.run.name / "config.json").read_text())["trained_on"]
        assert (one.images, one.held_out) == (seen["n_real"] + seen["n_ai"], 16 - seen["n_real"] - seen["n_ai"])
    small = next(one for one in work.trainings if one.run.kind == "cpu_small")
    log = (tmp_path / "detectors" / small.run.name / "log.jsonl").read_text().splitlines()
    assert (small.steps, small.epochs) == (2, len(log)) and small.seen == 2 * 4
    assert small.bytes == load_manifest(source).filter(subset="one", split="train")["bytes"].sum()


def test_epochs_steps_and_decodes_by_hand(source: str) -> None:
    row = ROW | {"overrides": ["batch_size=5", "data.holdout=0.25", "steps=null", "epochs=7", "data.cache_megabytes=0"]}
    work = count(config(train=[row], views=["none"]), *split_images(config(), load_manifest(source)))
    (one,) = work.trainings
    assert (one.images, one.held_out, one.epochs, one.steps) == (12, 4, 7, 7 * 3)
    assert one.seen == 7 * 12 and one.decodes == 7 * 16  # nothing stays in memory
    assert work.audited == 12  # for the history of their pixels


def test_nothing_is_written_and_everything_is_said(source: str, tmp_path: Path) -> None:
    rows = [ROW | {"subsets": ["one", "absent"]}]
    text = dry_run(config(train=rows, **FLOORS), tmp_path / "run", source=source, seconds=1)
    assert list(tmp_path.iterdir()) == []
    lines = [line.split() for line in text.splitlines()]
    assert ["one", "train", "8", "8", "0", "0.0"] == [*next(x for x in lines if x[:2] == ["one", "train"])[:5], "0.0"]
    assert ["cpu_small", "2", "24", "1", "4", "4"] in lines  # two views, 12 images, one epoch of two steps each
    assert "Would fail:" in text and "got 'absent'" in text
    assert "Estimate for this machine" in text and "images/s in training steps" in text
    assert "Not included:" in text and "may be wrong twofold" in text


def test_absent_files_give_counts_only(source: str, tmp_path: Path) -> None:
    images = load_manifest(source).with_columns(path=pl.format("/nowhere{}", "path"))
    save_manifest(images, tmp_path / "m.parquet")
    text = dry_run(config(), tmp_path / "run", source=str(tmp_path / "m.parquet"))
    assert "No estimate of time: 12 of 12 probed files are absent, such as /nowhere" in text
    assert "forward passes" in text and "Estimate for" not in text


def test_a_sandbox_that_is_not_built_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="draws its own once it runs"):
        dry_run(config(sandbox={}), tmp_path)
    with pytest.raises(UsageError, match="got none"):
        dry_run(config(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unreadable_files_do_not_stop_the_probe(source: str, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    good = load_manifest(source)["path"][0]
    rate, images = read_rate([tmp_path / "bad.png", good], seconds=1.0)
    assert rate > 0 and len(images) == 1 and images[0].dtype == np.uint8
    with pytest.raises(UnreadableImageError, match="1 unreadable files"):
        read_rate([tmp_path / "bad.png"], seconds=1.0)


def test_real_images_in_a_manifest_can_be_probed(tmp_path: Path) -> None:
    root = Path(__file__).parents[3] / "shared" / "images"
    if not root.is_dir():
        pytest.skip(f"needs real images in the GenImage layout at {root}")
    small = config(train=[ROW | {"subsets": ["dalle_mini"]}], max_per_class=2)
    text = dry_run(small, tmp_path / "run", source=f"genimage:{root}", seconds=1)
    assert "simulacra_bot" in text and "Estimate for this machine" in text
