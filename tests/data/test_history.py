from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.history.chroma import chroma_features, halve
from synthscope.data.history.coefficients import FEWEST, STEPS, block_dct, comb, zeros
from synthscope.data.history.features import LARGEST, SMALLEST, centre, history_features, trace_names
from synthscope.data.history.files import read_histories
from synthscope.data.history.lattice import edges_by_offset, lattice_features
from synthscope.data.history.recompression import QUALITIES, recompression_features
from synthscope.data.history.resampling import residual_spectrum
from synthscope.errors import SynthscopeError
from tests.data.histories import enlarge, jpeg, picture

NOISE = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)


@pytest.mark.parametrize("quality", QUALITIES)
def test_blocks_stay_at_the_quality_they_had(quality: int) -> None:
    def share(rgb: np.ndarray) -> float:
        return recompression_features(rgb)[f"blocks unchanged by JPEG {quality}"]

    settled = picture(1)
    for _ in range(8):
        settled = jpeg(quality)(settled)
    assert share(settled) > 0.95
    assert share(NOISE) < 0.02
    assert share(jpeg(quality)(picture(1))) > share(picture(1)) + 0.05


def test_a_second_round_trip_is_a_measure_for_the_first() -> None:
    name = "blocks unchanged by JPEG 96 relative to a second one"
    once, twice = (
        [recompression_features(jpeg(96)(f(picture(i))))[name] for i in range(12)] for f in (np.copy, jpeg(96))
    )
    assert max(once) < min(twice)


def test_block_dct_is_that_of_jpeg() -> None:
    """A block that is one cosine has one coefficient; blocks come row by row."""
    x = np.arange(8)
    wave = np.cos((2 * x + 1) * 3 * np.pi / 16).astype(np.float32)
    plane = np.zeros((16, 24), np.float32)
    plane[8:, 8:16] = wave[None]
    blocks = block_dct(plane)
    assert blocks.shape == (6, 8, 8)
    assert blocks[4, 0, 3] == pytest.approx(8 * np.sqrt(2) / 2, abs=1e-4)
    assert np.abs(np.delete(blocks.reshape(6, -1), 4 * 64 + 3)).max() < 1e-5


def test_comb_by_hand() -> None:
    values = np.repeat([5.0, -10.0, 15.0, 0.0], 30)[:, None]
    strength = comb(values)[0]
    assert strength[4] == pytest.approx(1) and strength[0] == pytest.approx(1)
    cosines = np.cos(2 * np.pi * np.array([5.0, 10.0, 15.0]) / 7)
    assert strength[STEPS.tolist().index(7)] == pytest.approx(cosines.mean())  # zeros do not count
    assert comb(values[: FEWEST - 1])[0].max() == 0


def test_combs_tell_an_earlier_coarser_compression() -> None:
    name = "DCT coefficients near multiples of 2"
    once, twice = (
        [history_features(jpeg(96)(f(picture(i))))[name] for i in range(8)] for f in (np.copy, jpeg(93))
    )  # 93 quantises most of the first frequencies in steps of 2
    assert np.median(twice) > np.median(once) + 0.2


def test_zeros_by_hand() -> None:
    assert zeros(np.array([0.0, 0.4, -0.4, 0.6, -1.4, 1.6, 30.0])) == pytest.approx(3 / 5)
    assert zeros(np.array([9.0])) == 0


@pytest.mark.parametrize("shift", range(8))
def test_edges_stand_where_the_blocks_meet(shift: int) -> None:
    plane = np.repeat(np.random.default_rng(0).integers(0, 256, (64, 20)), 8, 1)[:, shift : shift + 144].astype(
        np.int16
    )
    edges = edges_by_offset(plane)
    assert edges.argmax() == (7 - shift) % 8
    assert edges_by_offset(np.arange(64, dtype=np.int16)[None].repeat(8, 0)) == pytest.approx(np.zeros(8))  # a ramp


def test_a_shifted_grid_is_another_one() -> None:
    strong = jpeg(30)(picture(3))
    on, off = lattice_features(strong[:-8, :-8]), lattice_features(np.ascontiguousarray(strong[5:-3, 3:-5]))
    assert on["strongest edges at the block grid"] == 1 and off["strongest edges at the block grid"] == 0
    assert on["edges at the block grid"] > 0.3 > 0.1 > off["edges at the block grid"]
    assert off["edges at another block grid"] > on["edges at another block grid"] + 0.2


def test_halved_chroma_has_lost_its_detail() -> None:
    def detail(recipe: str, seed: int) -> float:
        return chroma_features(parse_recipe(recipe).apply(picture(seed), key=""))["fine to coarse detail of chroma"]

    for seed in range(4):
        assert detail("jpeg:q=96", seed) < detail("jpeg:q=96,subsampling=444", seed) - 0.5
    flat = np.full((16, 16, 3), 7, np.float32)
    assert halve(flat)[1].tolist() == [0, 0, 0] and halve(flat)[0].shape == (8, 8, 3)


def test_an_enlarged_picture_has_the_period_of_its_factor() -> None:
    for seed in range(4):
        frequencies, spectrum = residual_spectrum(enlarge(picture(seed, 256))[..., 1].astype(np.int16))
        above = frequencies > 0.06
        assert frequencies[above][spectrum[above].argmax()] == pytest.approx(1 - 1 / 1.3, abs=0.006)  # its alias


def test_the_container_does_not_matter(tmp_path: Path) -> None:
    rgb = jpeg(90)(picture(2))
    for name in ("a.png", "b.bmp", "c.webp", "d.tiff"):
        Image.fromarray(rgb).save(tmp_path / name, **({"lossless": True} if name == "c.webp" else {}))
    Image.fromarray(rgb).save(tmp_path / "e.jpg", quality=90)
    (tmp_path / "f.png").write_bytes(Image.open(tmp_path / "e.jpg").convert("RGB").tobytes()[:9])  # no picture
    Image.open(tmp_path / "e.jpg").save(tmp_path / "g.png")
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    table = read_histories(pl.DataFrame({"path": paths, "view": "none"}))
    assert table.columns == ["path", "view", *trace_names()]
    rows = [row[2:] for row in table.rows()]
    assert rows[0] == rows[1] == rows[2] == rows[3] == tuple(history_features(rgb).values())
    assert rows[4] == rows[6] != rows[0]
    assert set(rows[5]) == {None}


def test_the_grid_stays_in_place_and_small_pictures_are_left_out() -> None:
    assert LARGEST == 512
    big = np.zeros((700, 1000, 3), np.uint8)
    big[80:592, 240:752] = 9  # (700 - 512) / 2 = 94 and (1000 - 512) / 2 = 244, down to multiples of 16
    assert centre(big, LARGEST).min() == 9 and centre(big, LARGEST).shape == (512, 512, 3)
    small = history_features(picture(0)[: SMALLEST - 1])
    assert tuple(small) == trace_names() and np.isnan(list(small.values())).all()
    for rgb in (picture(0)[:SMALLEST, :70], np.zeros((80, 80, 3), np.uint8), NOISE):
        assert np.isfinite(list(history_features(rgb).values())).all()
    with pytest.raises(SynthscopeError, match="Expected uint8 .* Convert to RGB"):
        history_features(np.zeros((80, 80, 3), np.float32))
