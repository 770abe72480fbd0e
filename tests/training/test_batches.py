"""Batches: every image once, whatever the number of processes, micro-batches and workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.detectors.hub import create_detector
from synthscope.errors import SynthscopeError
from synthscope.training.augment import RandomCrop
from synthscope.training.batches import Augmenter, HeldOutBatches, Images, TrainBatches, collate, loader
from synthscope.training.cache import Memory
from synthscope.training.config import Augmentation, Data, TrainConfig
from synthscope.training.data import Rows, choose, rows_of
from synthscope.training.distributed import World
from synthscope.training.feeds import feeds


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 90), st.integers(4, 40), st.integers(1, 5), st.integers(1, 2))
def test_an_epoch_holds_every_image_once_in_batches_of_nearly_one_size(
    images: int, batch: int, accumulate: int, size: int
) -> None:
    def epoch(accumulate: int, size: int) -> list[TrainBatches]:
        return [
            TrainBatches(images, batch, seed=3, accumulate=accumulate, rank=rank, size=size) for rank in range(size)
        ]

    if images // -(-images // batch) < size or batch < accumulate * size:
        with pytest.raises(SynthscopeError, match="Raise batch_size"):
            epoch(accumulate, size)
        return
    whole, shared = list(epoch(1, 1)[0]), [(iter(rank), rank) for rank in epoch(accumulate, size)]
    assert sorted(row for part in whole for _, row, _ in part) == list(range(images))
    assert max(map(len, whole)) - min(map(len, whole)) <= 1 and max(map(len, whole)) <= batch
    for step, expected in enumerate(whole):  # the same images a step, however they are shared out
        parts = [next(rank) for rank, told in shared for _ in range(told.micro_batches(step))]
        assert all(parts) and sorted(sum(parts, [])) == sorted(expected)
    assert not any(part for rank, _ in shared for part in rank)


def test_epochs_differ_seeds_differ_and_a_start_skips() -> None:
    batches = TrainBatches(50, 8, seed=0)
    first = list(batches)
    assert list(batches) == first != list(TrainBatches(50, 8, seed=1))
    assert [len(part) for part in first] == [batches.batch_images(step) for step in range(batches.steps)]
    batches.start = 3
    assert list(batches) == first[3:]
    batches.epoch, batches.start = 1, 0
    assert [row for part in batches for _, row, _ in part] != [row for part in first for _, row, _ in part]


def test_repeats_keep_the_length_of_an_epoch() -> None:
    tokens = [token for part in TrainBatches(30, 7, seed=0, repeats=3) for token in part]
    assert len(tokens) == len(set(tokens)) == 30
    assert len({row for _, row, _ in tokens}) == 10


@given(st.integers(0, 50), st.integers(1, 9), st.integers(1, 4))
def test_held_out_images_are_shared_out_without_padding(images: int, batch: int, size: int) -> None:
    parts = [part for rank in range(size) for part in HeldOutBatches(images, batch, rank=rank, size=size)]
    assert sorted(row for part in parts for _, row, _ in part) == list(range(images))


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_pixels_depend_on_neither_workers_nor_cache(
    manifest: pl.DataFrame, make_config: Callable[..., TrainConfig], workers: int, folder: bool, tmp_path: Path
) -> None:
    place = str(tmp_path / "pixels") if folder else None

    def pixels(workers: int, cache: int) -> list[torch.Tensor]:
        data = {"holdout": 0.25, "workers": workers, "cache_megabytes": cache, "cache_folder": place}
        config = make_config(data=data)
        parts = choose(manifest.with_columns(view=pl.lit("noise:sigma=4|jpeg:q=80")), config.data)
        feed = feeds(config, parts, create_detector("cnn_small", input={"crop": 32}), world=World(torch.device("cpu")))
        return [images for epoch in (0, 1) for _, _, images in epoch_of(feed, epoch)]

    def epoch_of(feed: object, epoch: int) -> list[tuple[torch.Tensor, ...]]:
        feed.batches.epoch = epoch
        return list(feed.train)

    expected, got = pixels(0, 0), pixels(workers, 64)
    assert len(expected) == len(got) and all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
    assert got[0].shape[1:] == (3, 32, 32) and got[0].is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(got[0], got[len(got) // 2])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_keep_the_order_of_a_batch(
    manifest: pl.DataFrame, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    rows = rows_of(choose(manifest, Data())[0])
    images = Images(rows, lambda rgb, token: rgb[None], cache=Memory(len(rows.keys), 0))
    batches = TrainBatches(len(rows.keys), 7, seed=0)
    got = [part.tolist() for part, _, _ in loader(images, batches, workers=0, pin=False)]
    assert got == [[row for _, row, _ in tokens] for tokens in batches]


def test_a_view_is_applied_as_predictions_apply_it(manifest: pl.DataFrame) -> None:
    recipe = "noise:sigma=8|jpeg:q=60"
    rows = rows_of(choose(manifest.with_columns(view=pl.lit(recipe)), Data())[0])
    images = Images(rows, lambda rgb, token: rgb[None], cache=Memory(len(rows.keys), 0))
    data, sha256 = read_file(rows.paths[0])
    assert np.array_equal(images[0, 0, 0][2][0], parse_recipe(recipe).apply(read_rgb(data), key=sha256))


def test_an_unreadable_file_is_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows = Rows([str(tmp_path / "broken.png"), str(tmp_path / "absent.png")], ["a", "b"], [0, 1], ["none", "none"])
    images = Images(rows, lambda rgb, token: rgb[None], cache=Memory(len(rows.keys), 0))
    broken = [images[0, row, 0] for row in (0, 1)]
    errors = capsys.readouterr().err
    assert "broken.png" in errors and "absent.png" in errors
    kept, labels, pixels = collate([*broken, (7, 1, np.zeros((1, 4, 4, 3), np.uint8))])
    assert (kept.tolist(), labels.tolist(), pixels.shape) == ([7], [1.0], (1, 3, 4, 4))
    with pytest.raises(SynthscopeError, match="2 unreadable ones"):
        collate(broken)


def test_views_stand_one_after_the_other_and_only_later_ones_are_changed() -> None:
    config = Augmentation.model_validate({"views": 3, "view_steps": [{"step": "random_erasing", "p": 1}]})
    augmenter = Augmenter(
        config, ["a", "b"], preprocess=lambda rgb: torch.from_numpy(rgb).permute(2, 0, 1), crop=8, seed=0
    )
    originals = [np.full((8, 8, 3), value, np.uint8) for value in (1, 2)]
    samples = [(row, row, augmenter(originals[row], (0, row, 0))) for row in (0, 1)]
    _, _, pixels = collate(samples)
    views = pixels.view(3, 2, 3, 8, 8)
    assert (views[0, 0] == 1).all() and (views[0, 1] == 2).all()
    assert (views[1, 0] != 1).any() and (views[2, 1] != 2).any() and not torch.equal(views[1, 0], views[2, 0])


def test_steps_that_miss_the_size_of_the_detector_are_explained() -> None:
    steps = (RandomCrop(step="random_crop", size=6),)
    augmenter = Augmenter(Augmentation(steps=steps), ["a"], preprocess=lambda rgb: None, crop=8, seed=0)
    with pytest.raises(SynthscopeError, match=r"images of 8 x 8 pixels.* got 6 x 6"):
        augmenter(np.zeros((9, 9, 3), np.uint8), (0, 0, 0))
