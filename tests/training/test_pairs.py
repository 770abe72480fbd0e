"""Pairs: whole in every batch, met with the same draws, and nothing to learn from one that changes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.detectors.hub import create_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.training.batches import TrainBatches
from synthscope.training.config import Data, TrainConfig
from synthscope.training.data import choose
from synthscope.training.distributed import World
from synthscope.training.feeds import feeds
from synthscope.training.fit import train
from synthscope.training.pairs import pairs_of
from synthscope.training.state import State

CPU = World(torch.device("cpu"))
Make = Callable[..., TrainConfig]
Pictures = Callable[..., pl.DataFrame]
EVERYTHING: list[dict[str, Any]] = [
    {"step": "jpeg", "p": 0.5, "quality": [60, 90]},
    {"step": "random_resize", "p": 0.5, "factor": [0.8, 1.2]},
    {"step": "blur", "p": 0.5, "kind": "motion", "kernel": [5]},
    {"step": "gaussian_noise", "p": 0.5, "sigma": [5, 20]},
    {"step": "pepper_noise", "p": 0.5},
    {"step": "sharpen", "p": 0.5, "sigma": 3},
    {"step": "random_erasing", "p": 0.5},
    {"step": "random_crop", "small": "pad_centre"},
    {"step": "hflip"},
    {"step": "vflip"},
]


def paired(make_config: Make, **changes: Any) -> TrainConfig:
    return make_config(data={"holdout": 0.25, "pairs": True, **changes.pop("data", {})}, **changes)


def batches_of(config: TrainConfig, manifest: pl.DataFrame, epochs: int = 1) -> list[tuple[Any, ...]]:
    detector = create_detector("cnn_small", options={"width": 4}, input={"crop": 32})
    parts = choose(manifest, config.data)
    made = feeds(config, parts, detector, world=CPU)
    found = []
    for epoch in range(epochs):
        made.batches.epoch = epoch
        found += [(*batch, parts[0]) for batch in made.train]
    return found


def test_a_copy_of_a_photograph_becomes_the_very_same_tensor(photographs: Pictures, make_config: Make) -> None:
    mixes = [{"step": "pixel_mix", "p": 1}, {"step": "frequency_mix", "p": 1}, {"step": "paste_back", "p": 1}]
    augment = {
        "steps": EVERYTHING,
        "pair_steps": [{"step": "random_order", "steps": mixes}],
        "copies": [{"step": "random_resize", "factor": [0.5, 1.5], "interpolation": ["pillow_lanczos", "bicubic"]}],
    }
    seen = set()
    for _, labels, images, _ in batches_of(paired(make_config, augment=augment), photographs(count=8), epochs=2):
        assert labels.tolist() == [0, 1] * (len(labels) // 2)
        looks = images.unflatten(0, (2, -1))  # the image and its copy
        assert torch.equal(looks[:, ::2], looks[:, 1::2])
        assert not torch.equal(looks[0], looks[1])
        seen |= {image.numpy().tobytes() for image in looks[0, ::2]}
    assert len(seen) == 2 * 6  # other draws in other epochs


def test_an_image_that_differs_differs_in_the_same_place(photographs: Pictures, make_config: Make) -> None:
    def brighter(photo: np.ndarray) -> np.ndarray:
        changed = photo.copy()
        changed[10:20, 10:20] += 9
        return changed

    augment = {"steps": [{"step": "random_crop"}, {"step": "hflip"}, {"step": "vflip"}]}
    for _, _, images, _ in batches_of(paired(make_config, augment=augment), photographs(brighter)):
        difference = images[1::2].int() - images[::2].int()
        assert set(difference.unique().tolist()) == {0, 9}


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 3), st.integers(1, 2))
@settings(max_examples=40, deadline=None)
def test_batches_have_whole_pairs(pairs: int, a_batch: int, accumulate: int, size: int) -> None:
    def share(rank: int) -> TrainBatches:
        return TrainBatches(2 * pairs, 2 * a_batch + 1, seed=1, accumulate=accumulate, rank=rank, size=size, members=2)

    if a_batch < accumulate * size or pairs // -(-pairs // a_batch) < size:
        with pytest.raises(SynthscopeError, match="Raise batch_size"):
            share(0)
        return
    shares = [share(rank) for rank in range(size)]
    tokens = [token for rank in shares for part in rank for token in part]
    assert sorted(number for _, number, _ in tokens) == list(range(pairs))
    counts = [shares[0].batch_images(step) for step in range(shares[0].steps)]
    assert sum(counts) == 2 * pairs and all(count % 2 == 0 and count <= 2 * a_batch for count in counts)


def test_every_photograph_is_met_once_an_epoch_with_one_of_its_images(photographs: Pictures, make_config: Make) -> None:
    partners = set()
    for rows, labels, _, table in batches_of(paired(make_config), photographs(versions=3), epochs=6):
        groups, paths = table["group"].gather(rows), table["path"].gather(rows)
        assert groups.gather_every(2).equals(groups.gather_every(2, 1)) and labels[::2].sum() == 0
        partners |= set(zip(groups.gather_every(2), paths.gather_every(2, 1), strict=True))
    assert len({group for group, _ in partners}) == 12 and len(partners) > 24


def test_copies_of_a_photograph_by_subset_are_partners_of_that_subset(photographs: Pictures) -> None:
    table = photographs(versions=2, count=3).filter(pl.col("label") == 1)
    both = pl.concat([table, table.with_columns(label=pl.lit(0, pl.Int8), path=pl.col("path") + ".copy")])
    pairs = pairs_of(both)
    assert len(pairs.real) == 6 and all(len(rows) == 1 for rows in pairs.ai)
    for real, (ai,) in zip(pairs.real, pairs.ai, strict=True):
        assert both["path"][real] == both["path"][ai] + ".copy"


def test_what_has_no_partner_is_left_out_and_counted(
    photographs: Pictures, capsys: pytest.CaptureFixture[str], make_config: Make
) -> None:
    manifest = photographs()
    train_part, held_out = choose(manifest[:-3], Data(pairs=True, holdout=0.25))  # a photograph is alone, one is gone
    assert train_part.height + held_out.height == 28
    assert "1 of 29 images have no partner" in capsys.readouterr().err
    fewer, more = choose(manifest, Data(pairs=True, holdout=0.25, max_per_class=8))
    assert fewer.height + more.height == 16 and fewer["label"].sum() * 2 == fewer.height
    with pytest.raises(SynthscopeError, match="got none in 32 images"):
        choose(manifest.with_columns(group=pl.col("path")), Data(pairs=True))
    twice = pl.concat([manifest, manifest[:1].with_columns(path=pl.lit("other.png"))])
    with pytest.raises(SynthscopeError, match=r"one real image in the group g00 .*other\.png"):
        choose(twice, Data(pairs=True))
    with pytest.raises(ValueError, match=r"data\.pairs=true"):
        make_config(augment={"pair_steps": [{"step": "pixel_mix"}]})


def test_a_pair_of_two_sizes_is_refused_and_one_of_a_broken_file_left_out(
    photographs: Pictures, make_config: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, config = photographs(), paired(make_config)
    broken = choose(manifest, config.data)[0].filter(label=1)["path"][0]
    Path(broken).write_bytes(b"no image")
    rows = torch.cat([batch[0] for batch in batches_of(config, manifest)])
    assert len(rows) == 22 and broken in capsys.readouterr().err
    assert cv2.imwrite(broken, np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(SynthscopeError, match=r"Expected a pair of one size, got 48 x 40 pixels .* 40 x 40"):
        batches_of(config, manifest)


def test_an_input_of_any_size_gets_one_pair_a_micro_batch(photographs: Pictures, make_config: Make) -> None:
    detector = create_detector("cnn_small", options={"width": 4}, input={"crop": None, "resize": None})
    config = paired(make_config, augment={"steps": []}, batch_size=8, accumulate=4)
    made = feeds(config, choose(photographs(), config.data), detector, world=CPU)
    assert {tuple(images.shape) for _, _, images in made.train} == {(2, 3, 40, 48)}
    with pytest.raises(UsageError, match="one pair a micro-batch .* Set accumulate to batch_size / 2"):
        feeds(paired(make_config, batch_size=8), choose(photographs(), config.data), detector, world=CPU)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    photographs: Pictures,
    make_config: Make,
    weights: Callable[[Path], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    augment = {"steps": EVERYTHING, "pair_steps": [{"step": "pixel_mix", "p": 0.5}]}
    config = paired(make_config, checkpoint_minutes=1e-9, epochs=2, augment=augment)
    manifest = photographs(lambda photo: photo + 9, versions=2, count=12)
    whole = train(config, manifest, tmp_path / "whole")
    save, count = State.save, 0

    def stop(self: State, file: Path, fingerprint: str) -> None:
        nonlocal count
        save(self, file, fingerprint)
        count += 1
        if count == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(State, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        train(config, manifest, tmp_path / "cut")
    monkeypatch.setattr(State, "save", save)
    cut = train(config, manifest, tmp_path / "cut")
    assert all(torch.equal(value, weights(cut)[key]) for key, value in weights(whole).items())


@pytest.mark.parametrize("copies", [True, False], ids=["identity", "control"])
def test_pairs_that_change_nothing_teach_nothing(
    photographs: Pictures, make_config: Make, tmp_path: Path, copies: bool
) -> None:
    board = (np.indices((40, 48)).sum(0) % 2 * 9).astype(np.uint8)[..., None]
    manifest = photographs(np.copy if copies else lambda photo: photo + board)
    mixes = [{"step": name, "p": 0.3} for name in ("pixel_mix", "frequency_mix", "paste_back")]
    config = paired(make_config, epochs=8, augment={"steps": EVERYTHING[-3:], "pair_steps": mixes})
    folder = train(config, manifest, tmp_path / "out")
    losses = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    if copies:  # softplus(z) + softplus(-z) is 2 log 2 at least, however long one learns
        assert all(line["loss"] > math.log(2) - 1e-6 for line in losses)
        assert {line["held_out_balanced_accuracy"] for line in losses} == {0.5}
    else:
        assert losses[-1]["loss"] < 0.5
