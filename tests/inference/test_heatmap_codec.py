"""Stored heatmaps: how large, how exact, what scores make of them, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.errors import SynthscopeError
from synthscope.explainers.base import enlarged as enlarged_by_torch
from synthscope.inference.heatmaps.codec import Maps, decode, encode, enlarged
from synthscope.inference.heatmaps.store import INDEX, read_heatmap, read_index, write_part
from synthscope.metrics.localization.maps import LOCALIZATION
from synthscope.runtime import whole_file

SIDE, MOST_BYTES = 224, 60_000
KEY = {
    "sha256": "s", "view": "none", "detector": "d", "preprocessing": "p", "explainer": "e", "options": "{}",
    "layer": "l", "condition": "none", "seed": 0, "height": 2, "width": 2,
}  # fmt: skip


def noise(kind: str, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Maps without anything that compresses: flat, normal, with long tails, far from 0, over many magnitudes."""
    rng, shape = np.random.default_rng(seed), (side, side)
    maps = {
        "uniform": lambda: rng.random(shape),
        "normal": lambda: rng.normal(size=shape) * 1e-9,
        "exponential": lambda: rng.exponential(size=shape),
        "tails": lambda: rng.standard_t(2, size=shape) * 1e6,
        "far": lambda: 100 + rng.normal(size=shape),
        "negative": lambda: -1 - rng.random(shape),
        "magnitudes": lambda: np.exp(rng.uniform(-12, 0, shape)),
    }
    return maps[kind]().astype(np.float32)


KINDS = ["uniform", "normal", "exponential", "tails", "far", "negative", "magnitudes"]


def stored(folder: Path, *heatmaps: np.ndarray | Maps) -> list[np.ndarray]:
    write_part(folder, [KEY | {"seed": number} for number in range(len(heatmaps))], heatmaps)
    return [read_heatmap(folder, row) for row in read_index(folder).iter_rows(named=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_heatmap_is_larger_than_60_kb_and_its_error_is_bounded(kind: str, tmp_path: Path) -> None:
    heat = noise(kind)
    (found,) = stored(tmp_path, heat)
    (file,) = tmp_path.glob("*.npz")
    assert file.stat().st_size <= MOST_BYTES
    error, highest = np.abs(found - heat), heat.max()
    bound = np.abs(heat).max() * (1 / 510 + 1e-6)
    assert error[heat < highest - bound * 2].max() <= bound and error.max() <= 2 * bound
    assert np.array_equal(found == found.max(), heat == highest)  # the maximum is no other's
    assert not (np.sign(found) * np.sign(heat)).min() < 0


# How far a score may move, of any noise above and masks of 1 to 64 % of the image.
MOVES = {
    "relevance_mass": 0.001, "relevance_rank": 0.01, "pointing_game": 0, "iou_at_area": 0.01, "iou_at_10pct": 0.002,
    "iou_at_threshold": 0.01, "pixel_average_precision": 0.002, "pixel_auroc": 0.002,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_what_was_stored_are_those_of_the_heatmap(kind: str, tmp_path: Path) -> None:
    heat, rng = noise(kind, seed=1), np.random.default_rng(2)
    (found,) = stored(tmp_path, heat)
    for side in (22, 70, 180):
        mask = np.zeros(heat.shape, bool)
        top, left = rng.integers(0, SIDE - side, 2)
        mask[top : top + side, left : left + side] = True
        for name, most in MOVES.items():
            measure = LOCALIZATION[name].function
            assert measure(found, mask) == pytest.approx(measure(heat, mask), abs=most, nan_ok=True), name


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 30), st.sampled_from([1e-30, 1.0, 1e30]))
def test_any_small_heatmap_comes_back(seed: int, rows: int, columns: int, size: float) -> None:
    heat = (np.random.default_rng(seed).integers(-3, 4, (rows, columns)) * size / 3).astype(np.float32)
    found = decode(encode(Maps((heat,), heat.shape)), None)
    np.testing.assert_allclose(found, heat, rtol=1e-3)
    assert np.array_equal(np.sign(found), np.sign(heat))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=3))
def test_enlargement_is_that_of_the_explainers(seed: int, sizes: list[tuple[int, int]]) -> None:
    rng, size = np.random.default_rng(seed), (61, 47)
    maps = [rng.normal(size=each).astype(np.float32) for each in sizes]
    expected = enlarged_by_torch([torch.from_numpy(each)[None] for each in maps], size)[0].numpy()
    np.testing.assert_allclose(enlarged(maps, size), expected, atol=1e-4 * np.abs(expected).max())


def test_maps_are_kept_at_their_own_size_to_the_last_digit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = tuple(rng.random((side, side), dtype=np.float32) for side in (7, 14))
    small, large = stored(tmp_path, Maps(layers, (SIDE, SIDE)), Maps((rng.random((200, 200), np.float32),), (224, 224)))
    np.testing.assert_array_equal(small, enlarged(layers, (SIDE, SIDE)))
    (file,) = tmp_path.glob("*.npz")
    with zipfile.ZipFile(file) as arrays:
        sizes = {each.filename: each.compress_size for each in arrays.infolist()}
    assert sizes.keys() == {"0.npy", "0.1.npy", "1.npy"} and sizes["0.npy"] + sizes["0.1.npy"] < 1300
    assert sizes["1.npy"] < MOST_BYTES and large.shape == (SIDE, SIDE)  # too many numbers: the heatmap itself


def test_parts_of_earlier_versions_are_read(tmp_path: Path) -> None:
    heat = noise("exponential", 16)
    scale = 2.0 ** float(np.frexp(heat.max())[1])
    with whole_file(tmp_path / "part-0-old.npz") as temporary:
        np.savez_compressed(temporary, **{"0": (heat / scale).astype(np.float16)})
    row = KEY | {"scale": scale, "part": "part-0-old", "position": 0}
    new = {"logit", "lowest", "rows", "columns", "completeness_gap"}
    old = pl.Schema({name: kind for name, kind in INDEX.items() if name not in new})
    pl.DataFrame([row], schema=old).write_parquet(tmp_path / "part-0-old.parquet")
    (index,) = read_index(tmp_path).iter_rows(named=True)
    assert index["logit"] is None
    for known in (index, row):  # a table of an earlier version lacks the columns, too
        np.testing.assert_allclose(read_heatmap(tmp_path, known), heat, rtol=1e-3)


def test_what_is_no_heatmap_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(**arrays: np.ndarray) -> dict[str, object]:
        with whole_file(tmp_path / "part.npz") as temporary:
            np.savez_compressed(temporary, **arrays)
        return {"part": "part", "position": 0, "scale": 1.0}

    for array in (
        np.array([{}], object),
        np.zeros((2, 2), np.float64),
        np.zeros(3, np.float32),
        np.zeros((2, 2), "u1"),
    ):
        row = write(**{"0": array})
        with pytest.raises(SynthscopeError, match="Expected heatmap 0 in"):
            read_heatmap(tmp_path, row)
    row = write(**{"0": np.zeros((2, 2), np.float32)})
    with pytest.raises(SynthscopeError, match="200000 x 200000 pixels"):
        read_heatmap(tmp_path, row | {"rows": 200_000, "columns": 200_000})
    monkeypatch.setattr("synthscope.inference.heatmaps.store.MOST_PIXELS", 10_000)
    row = write(**{"0": np.zeros((200, 101), np.float16)})
    with pytest.raises(SynthscopeError, match="bytes"):
        read_heatmap(tmp_path, row)
