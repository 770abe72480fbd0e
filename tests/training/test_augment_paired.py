"""DDA's and B-Free's changes of the AI image of a pair, against their formulas written anew."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter
from scipy import fftpack

from synthscope.training.augment import PairStep, RandomCrop, Sharpen
from synthscope.training.augment.paired import frequency_mix, paste_back, pixel_mix

RNG = np.random.default_rng(0)
AI, REAL = (RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8) for _ in range(2))


def applied(quality: int | None = None, *, seed: int = 0, **step: Any) -> np.ndarray:
    return TypeAdapter(PairStep).validate_python(step)(AI, REAL, np.random.default_rng(seed), quality)


def test_the_frequency_mix_is_that_of_the_cosine_transforms() -> None:
    def transform(channel: np.ndarray, inverse: bool = False) -> np.ndarray:
        one = fftpack.idct if inverse else fftpack.dct
        return one(one(channel.T, norm="ortho").T, norm="ortho")

    weight = 0.3141592  # of the real image; no halves to be rounded either way
    wanted = np.empty_like(AI)
    for channel in range(3):
        ai, real = (transform(image[..., channel].astype(float)) for image in (AI, REAL))
        mixed = transform(weight * real + (1 - weight) * ai, inverse=True)
        wanted[..., channel] = np.round(np.clip(mixed, 0, 255))
    assert np.abs(frequency_mix(AI, REAL, weight).astype(int) - wanted).max() <= 1
    assert (frequency_mix(AI, REAL, weight) == wanted).mean() > 0.99
    # a transform of every frequency alike and linear: the mean of the pixels, weighed the other way round
    assert np.abs(frequency_mix(AI, REAL, weight).astype(int) - pixel_mix(AI, REAL, 1 - weight)).max() <= 1
    assert np.array_equal(frequency_mix(AI, REAL, 0), AI) and np.array_equal(frequency_mix(AI, REAL, 1), REAL)


def test_the_pixel_mix_is_a_mean_by_hand() -> None:
    ai, real = np.full((1, 1, 3), 200, np.uint8), np.uint8([[[0, 100, 255]]])
    assert pixel_mix(ai, real, 0.25).tolist() == [[[50, 125, 241]]]  # 241.25
    assert np.array_equal(pixel_mix(AI, REAL, 0), REAL) and np.array_equal(pixel_mix(AI, REAL, 1), AI)


@pytest.mark.parametrize(("step", "mix"), [("pixel_mix", pixel_mix), ("frequency_mix", frequency_mix)])
def test_a_mix_draws_its_share(step: str, mix: Any) -> None:
    assert np.array_equal(applied(step=step, p=0), AI)
    rng = np.random.default_rng(5)
    rng.random()
    share = rng.uniform(0, 0.8)
    assert np.array_equal(applied(step=step, p=1, seed=5), mix(AI, REAL, share))
    assert np.array_equal(applied(step=step, p=1, share=[1, 1]), mix(AI, REAL, 1))


def test_a_part_stays_generated_and_the_rest_is_the_original() -> None:
    mask = np.zeros((21, 34), bool)
    mask[3:9, 30:] = True
    mixed = paste_back(AI, REAL, mask)
    assert np.array_equal(mixed[3:9, 30:], AI[3:9, 30:])
    mixed[3:9, 30:] = REAL[3:9, 30:]
    assert np.array_equal(mixed, REAL)
    for seed in range(20):
        step = applied(step="paste_back", p=1, area=[0.3, 0.4], ratio=[0.5, 1], seed=seed)
        kept = (step != REAL).any(2)
        rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 0.25 < height * width / kept.size < 0.45 and 0.45 < height / width < 1.1
        assert (step == AI).all(2)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_compression_is_that_of_the_photograph() -> None:
    def through_pillow(quality: int) -> np.ndarray:
        data = BytesIO()
        Image.fromarray(AI).save(data, "JPEG", quality=quality)
        return np.asarray(Image.open(data))

    for quality, wanted in ((55, through_pillow(55)), (None, through_pillow(96)), (100, AI)):
        assert np.array_equal(applied(quality, step="jpeg_like_real", p=1), wanted)
    assert np.array_equal(applied(55, step="jpeg_like_real", p=0), AI)


def test_an_order_is_drawn() -> None:
    steps = [{"step": "pixel_mix", "p": 1, "share": [0.5, 0.5]}, {"step": "jpeg_like_real", "p": 1}]
    found = {applied(10, step="random_order", steps=steps, seed=seed).tobytes() for seed in range(20)}
    compressed = applied(10, step="jpeg_like_real", p=1)
    first = pixel_mix(compressed, REAL, 0.5)
    second = TypeAdapter(PairStep).validate_python(steps[1])(pixel_mix(AI, REAL, 0.5), REAL, RNG, 10)
    assert found == {first.tobytes(), second.tobytes()}


def test_a_small_image_is_laid_in_the_middle_of_black() -> None:
    step = RandomCrop(step="random_crop", size=40, small="pad_centre")
    found = step(AI, np.random.default_rng(0), None)
    assert np.array_equal(found[9:30, 3:37], AI) and found.astype(int).sum() == AI.astype(int).sum()
    wide = RandomCrop(step="random_crop", size=30, small="pad_centre")(AI, np.random.default_rng(0), None)
    assert wide.shape == (30, 30, 3) and not wide[:4].any() and not wide[25:].any()


def test_an_unsharp_mask_adds_what_a_blur_takes() -> None:
    edge = np.zeros((31, 61, 3), np.uint8)
    edge[:, 30:] = 100
    found = Sharpen(step="sharpen", factor=(2, 2), sigma=3.0)(edge, np.random.default_rng(0), None)
    from scipy.special import erf

    blurred = 50 * (1 + erf((np.arange(61) - 29.5) / (3 * 2**0.5)))  # of an ideal edge
    wanted = np.clip(edge[15, :, 0] + 2 * (edge[15, :, 0] - blurred), 0, 255)
    assert np.abs(found[15, :, 0] - wanted)[10:50].max() < 3
