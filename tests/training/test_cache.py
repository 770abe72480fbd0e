"""Decoded images that are kept: the same pixels, within the budget, for all processes; in a folder, for later runs."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from synthscope.detectors.hub import create_detector
from synthscope.training import batches, cache
from synthscope.training.cache import Folder, Memory, content_name
from synthscope.training.config import TrainConfig
from synthscope.training.data import choose
from synthscope.training.distributed import World
from synthscope.training.feeds import Feeds, feeds

IMAGES = [np.random.default_rng(row).integers(0, 256, (4 + row, 6, 3), dtype=np.uint8) for row in range(4)]


def of(kind: str, folder: Path, budget: int) -> Memory | Folder:
    return Memory(len(IMAGES), budget) if kind == "memory" else Folder(folder, str, budget)


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_what_fits_is_served_as_it_was_put(kind: str, tmp_path: Path) -> None:
    kept = of(kind, tmp_path, sum(image.nbytes for image in IMAGES[:3]) + 5)
    assert kept.get(0) is None
    for row, image in enumerate(IMAGES):
        kept.put(row, image)
    for row, image in enumerate(IMAGES[:3]):
        assert (got := kept.get(row)) is not None and np.array_equal(got, image) and got.flags.writeable
    assert kept.get(3) is None


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system cannot fork")
@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_what_a_forked_process_puts_is_there_for_all(kind: str, tmp_path: Path) -> None:
    kept = of(kind, tmp_path, IMAGES[0].nbytes + IMAGES[1].nbytes)
    for row in (1, 0):  # the second goes behind the first
        process = multiprocessing.get_context("fork").Process(target=kept.put, args=(row, IMAGES[row]))
        process.start()
        process.join()
    kept.put(2, IMAGES[2])
    assert [image is None for image in map(kept.get, range(3))] == [False, False, True]
    assert np.array_equal(kept.get(0), IMAGES[0]) and np.array_equal(kept.get(1), IMAGES[1])


def test_a_folder_counts_what_lies_there_and_ignores_what_is_damaged(tmp_path: Path) -> None:
    Folder(tmp_path, str, 10**4).put(0, IMAGES[0])
    assert np.array_equal(Folder(tmp_path, str, 0).get(0), IMAGES[0])
    full = Folder(tmp_path, str, (tmp_path / "0.npy").stat().st_size + IMAGES[1].nbytes - 1)
    full.put(1, IMAGES[1])
    assert full.get(1) is None
    (tmp_path / "1.npy").write_bytes((tmp_path / "0.npy").read_bytes()[:-1])
    np.save(tmp_path / "2.npy", np.zeros((2, 2, 3)))
    np.save(tmp_path / "3.npy", np.array([{}]), allow_pickle=True)
    assert [full.get(row) for row in (1, 2, 3)] == [None] * 3


def test_a_disk_that_refuses_ends_the_keeping_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    kept = Folder(tmp_path / "new", str, 10**6)
    monkeypatch.setattr(cache.np, "save", refuse)
    kept.put(0, IMAGES[0])
    kept.put(1, IMAGES[1])
    assert capsys.readouterr().err.count("no space left on device") == 1
    assert kept.get(0) is None and not list((tmp_path / "new").glob("*.npy"))


def test_a_changed_file_has_another_name(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    first = content_name(str(file), "none")
    assert content_name(str(file), "none") == first != content_name(str(file), "jpeg:q=96")
    os.utime(file, ns=(1, 1))
    assert content_name(str(file), "none") != first


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_nothing_is_decoded_twice(
    kind: str, manifest: pl.DataFrame, make_config: type[TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, real = [], batches.read_viewed
    monkeypatch.setattr(batches, "read_viewed", lambda path, view: decoded.append(path) or real(path, view))

    def run(seed: int) -> Feeds:
        place = str(tmp_path / "pixels") if kind == "folder" else None
        config = make_config(seed=seed, data={"holdout": 0.25, "cache_folder": place})
        detector = create_detector("cnn_small", input={"crop": 32})
        return feeds(config, choose(manifest, config.data), detector, world=World(torch.device("cpu")))

    feed = run(0)
    for epoch in range(3):
        feed.batches.epoch = epoch
        assert len(list(feed.train)) == feed.batches.steps and len(list(feed.choosing.images)) == 2
    assert len(decoded) == len(set(decoded)) == 48
    list(run(1).train)  # another run
    assert len(decoded) == (48 if kind == "folder" else 48 + 36)
