"""Spec against numpy's spectra, torchvision's ResNet-34 and the boxes of the published code."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope import runtime
from synthscope.config import load_recipe
from synthscope.detectors.hub import create_detector
from synthscope.detectors.spec import band_mask, log_spectrum, outer_percentiles
from synthscope.errors import UsageError
from synthscope.schema import MANIFEST, conform
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train

REAL = Path(__file__).parents[3] / "shared" / "images"


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth shapes and a little grain, uint8 ``(height, width, 3)``."""
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.normal(128, 900, (height, width, 3)), (0, 0), 6)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def naive_spectrum(rgb: np.ndarray, box: tuple[slice | None, slice | None] = (None, None)) -> np.ndarray:
    """The specification, channel by channel in float64; ``box`` is what to keep and what to drop, shifted."""
    channels = []
    for channel in range(3):
        logs = np.log(np.abs(np.fft.fft2(rgb[..., channel] / 255.0)) + 1e-3)
        low, high = np.percentile(logs, 5), np.percentile(logs, 95)
        scaled = np.clip(2 * ((logs - low) / (high - low) - 0.5), -1, 1)
        if box != (None, None):
            shifted = np.fft.fftshift(scaled)
            kept = shifted.copy() if box[0] is None else np.zeros_like(shifted)
            if box[0] is not None:
                kept[box[0], box[0]] = shifted[box[0], box[0]]
            if box[1] is not None:
                kept[box[1], box[1]] = 0
            scaled = np.fft.ifftshift(kept)
        channels.append(scaled)
    return np.stack(channels)


def batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def test_the_network_is_torchvisions_resnet34_with_the_published_keys() -> None:
    detector = create_detector("spec").eval()
    theirs = runtime.import_torchvision().models.resnet34(num_classes=1).eval()
    state = detector.net.state_dict()
    assert state.keys() == theirs.state_dict().keys() and len(state) == 218
    assert sum(p.numel() for p in detector.parameters()) == 21_285_698 - 513  # one output less
    theirs.load_state_dict(state)
    images = batch(photograph(64, 64), noise(64, 64, 3))
    with torch.no_grad():
        torch.testing.assert_close(
            detector(images), theirs(log_spectrum(images.double() / 255))[:, 0], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("size", [(224, 224), (64, 97), (33, 50), (51, 35), (2, 3), (1, 7), (7, 1)])
def test_the_spectrum_is_the_published_formula_in_batches_of_any_size(size: tuple[int, int]) -> None:
    images = [noise(*size, 3, seed=seed) for seed in (0, 1)]
    images += [photograph(*size)] if min(size) > 9 else []
    expected = np.stack([naive_spectrum(rgb) for rgb in images])
    ours = log_spectrum(batch(*images).double() / 255)
    assert ours.dtype == torch.float32
    assert np.abs(ours.numpy() - expected).max() < 1e-7  # half a unit in the last place of float32 near 1 is 3e-8
    torch.testing.assert_close(log_spectrum(batch(images[1]).double() / 255), ours[1:2], rtol=0, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(0, 60), st.floats(0, 49), st.integers(0, 99))
def test_percentiles_are_numpys(once: int, twice: int, percent: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=once + twice).round(1).astype(np.float32)  # with ties
    whole = np.concatenate([values, values[once:]])
    ours = outer_percentiles(torch.from_numpy(values[:once]), torch.from_numpy(values[once:]), percent=percent)
    expected = np.percentile(whole.astype(float), [percent, 100 - percent])
    assert [p.item() for p in ours] == pytest.approx(expected.tolist(), abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 24), st.integers(4, 24), st.integers(-30, 30), st.integers(-30, 30), st.integers(0, 99))
def test_the_spectrum_ignores_where_things_are(height: int, width: int, down: int, right: int, seed: int) -> None:
    images = torch.from_numpy(noise(1, 3, height, width, seed=seed)).double() / 255
    shifted = log_spectrum(images.roll((down, right), (-2, -1)))
    torch.testing.assert_close(shifted, log_spectrum(images), rtol=0, atol=1e-6)
    torch.testing.assert_close(log_spectrum(images.flip(-1, -2)), log_spectrum(images), rtol=0, atol=1e-6)


BOXES = {  # of the published code at 224, shifted: kept, dropped
    "low": (slice(57, 177), None),
    "mid": (slice(21, 203), slice(57, 177)),
    "high": (None, slice(21, 203)),
}


@pytest.mark.parametrize("band", BOXES)
def test_bands_are_the_published_boxes(band: str) -> None:
    rgb = photograph(224, 224)
    detector = create_detector("spec", options={"band": band, "low_box": "published"})
    expected = naive_spectrum(rgb, BOXES[band])
    assert np.abs(detector.features(batch(rgb))[0].numpy() - expected).max() < 1e-7
    kept, dropped = BOXES[band]
    box = tuple(slice(47, 177) if part == slice(57, 177) else part for part in (kept, dropped))
    detector = create_detector("spec", options={"band": band})
    assert np.abs(detector.features(batch(rgb))[0].numpy() - naive_spectrum(rgb, box)).max() < 1e-7


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["centred", "published"]))
def test_bands_part_the_spectrum_and_scale_with_it(height: int, width: int, low_box: str) -> None:
    masks = {name: band_mask(height, width, band=name, low_box=low_box) for name in ("all", "low", "mid", "high")}
    assert masks["all"].all() and masks["all"].shape == (height, width)
    assert torch.equal(masks["low"].int() + masks["mid"].int() + masks["high"].int(), masks["all"].int())
    if min(height, width) >= 100:
        assert masks["low"][0, 0] and masks["high"][height // 2, width // 2]
        least, most = (0.29, 0.38) if low_box == "centred" else (0.26, 0.40)
        assert all(least < masks[name].float().mean() < most for name in ("low", "mid", "high"))


def test_channels_without_a_spectrum_give_zeros_and_everything_has_a_gradient() -> None:
    ramp = np.broadcast_to(np.arange(97, dtype=np.uint8)[:, None], (97, 97))  # all but a line of its spectrum is 0
    dot = np.full((97, 97), 254, np.uint8)
    dot[3, 5] = 255
    images = batch(photograph(97, 97), np.stack([np.full((97, 97), 77, np.uint8), ramp, dot], -1)).float()
    images.requires_grad_()
    spectrum = log_spectrum(images / 255)
    assert torch.isfinite(spectrum).all() and spectrum[0].std() > 0.3
    assert not spectrum[1].any()
    detector = create_detector("spec").eval()
    detector(images).sum().backward()
    assert images.grad is not None and torch.isfinite(images.grad).all()
    assert images.grad[0].abs().sum() > 0 and not images.grad[1].any()


def test_the_gradient_of_the_spectrum_is_that_of_finite_differences() -> None:
    image = torch.from_numpy(noise(1, 1, 9, 12)).float() / 255
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 1, 9, 12))).float()
    image.requires_grad_()
    (log_spectrum(image) * weights).sum().backward()
    step = 1e-3
    for row, column in [(0, 0), (4, 7), (8, 11)]:
        values = []
        for sign in (step, -step):
            moved = image.detach().clone()
            moved[0, 0, row, column] += sign
            values.append((log_spectrum(moved) * weights).sum().item())
        assert image.grad is not None
        assert image.grad[0, 0, row, column].item() == pytest.approx(
            (values[0] - values[1]) / 2 / step, rel=0.1, abs=0.05
        )


def test_autocast_leaves_the_spectrum_in_float32() -> None:
    images = batch(photograph(40, 40)) / 255
    with torch.autocast("cpu", torch.bfloat16):
        spectrum = log_spectrum(images.bfloat16().float())
    assert spectrum.dtype == torch.float32
    torch.testing.assert_close(spectrum, log_spectrum(images.bfloat16().float()))


def test_pixels_and_channel_order_are_those_of_the_published_code() -> None:
    rgb = noise(16, 16, 3)
    pixels = create_detector("spec", options={"feature": "pixels"}).features(batch(rgb))
    assert np.array_equal(pixels[0].numpy(), ((rgb / 255 - 0.5) * 2).transpose(2, 0, 1).astype(np.float32))
    detector, flipped = create_detector("spec").eval(), create_detector("spec", options={"channels": "bgr"}).eval()
    with torch.no_grad():
        assert torch.equal(flipped.features(batch(rgb)), detector.features(batch(rgb[..., ::-1].copy())))
        flipped.net.conv1.weight.copy_(detector.net.conv1.weight.flip(1))  # the order is that of conv1, nothing else
        torch.testing.assert_close(flipped(batch(rgb)), detector(batch(rgb)), rtol=1e-4, atol=1e-5)
    with pytest.raises(UsageError, match=r"'band'.*pixels have no bands"):
        create_detector("spec", options={"feature": "pixels", "band": "low"})


def test_the_input_is_the_centre_of_a_square_of_256() -> None:
    rgb = noise(300, 410, 3)
    ours = create_detector("spec").preprocess(rgb).permute(1, 2, 0).numpy()
    assert np.array_equal(ours, cv2.resize(rgb, (256, 256))[16:240, 16:240])


def test_images_of_any_size_and_type_give_one_logit_each_whatever_the_batch() -> None:
    first, second = create_detector("spec", seed=3).eval(), create_detector("spec", seed=3).eval()
    for size in [(32, 32), (45, 70)]:
        images = batch(*(noise(*size, 3, seed=seed) for seed in range(3)))
        with torch.no_grad():
            logits = first(images)
            assert logits.shape == (3,) and logits.std() > 0
            assert torch.equal(second(images), logits)
            torch.testing.assert_close(first(images[1:2]), logits[1:2], rtol=0, atol=1e-5)
            torch.testing.assert_close(first(images.float()), logits)
            torch.testing.assert_close(first(images.to(memory_format=torch.channels_last)), logits, rtol=0, atol=1e-5)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the shared test images beside the repository")
def test_the_spectrum_of_real_images_is_numpys() -> None:
    files = sorted(REAL.glob("*/val/*/*"))[::80]
    detector = create_detector("spec")
    images = [detector.preprocess(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)) for file in files]
    ours = detector.features(torch.stack(images)).numpy()
    for spectrum, image in zip(ours, images, strict=True):
        assert np.abs(spectrum - naive_spectrum(image.permute(1, 2, 0).numpy())).max() < 1e-7


def test_the_recipes_train(tmp_path: Path) -> None:
    rows = []
    for number in range(32):
        ai, path = number % 2, tmp_path / f"{number:02}.png"
        pixels = noise(20, 20, 3, seed=number).repeat(2, 0).repeat(2, 1) if ai else noise(40, 40, 3, seed=number)
        assert cv2.imwrite(str(path), pixels)  # up-sampling leaves zeros and replicas in the spectrum
        rows.append({"path": str(path), "label": ai, "split": "train"})
    manifest = conform(pl.DataFrame(rows), MANIFEST, "test")
    small = ["data.holdout=0.25", "data.workers=0", "precision=fp32", "detector.options={}", "detector.input.crop=32"]
    published = ["epochs=1", "batch_size=12"]
    for name, changes in (("spec", published), ("cpu_spec", ["steps=8", "batch_size=8"])):
        config = load_recipe(TrainConfig, name, package="synthscope.training", overrides=[*small, *changes])
        folder = train(config, manifest, tmp_path / name)
        losses = [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] / 2
