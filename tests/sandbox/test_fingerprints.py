"""Camera and decoders: each leaves its own trace, families share theirs, and all vanish when the camera is shared."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synthscope.sandbox import numerics
from synthscope.sandbox.camera import encode, photograph, to_display
from synthscope.sandbox.generators import GENERATORS, fit_generators
from synthscope.sandbox.images import Studio
from synthscope.sandbox.layouts import Plan
from synthscope.sandbox.render import render
from synthscope.sandbox.scene import sample_scene

SIZE, COUNT = 128, 48
PLAN = Plan(size=SIZE, classes=10, seed=1, formats="aligned")


@pytest.fixture(scope="module")
def decoders():
    return fit_generators(1, SIZE)


def spectrum(data):
    """Log power in 32 x 32 windows of the decoded file, averaged: the periodic traces at 2, 4 and 8 pixels are bins."""
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE).astype(np.float32)
    window = np.outer(np.hanning(33)[:-1], np.hanning(33)[:-1])
    blocks = np.stack([grey[i : i + 32, j : j + 32] for i in range(0, 97, 16) for j in range(0, 97, 16)])
    blocks = (blocks - blocks.mean(axis=(1, 2), keepdims=True)) * window
    return np.log(np.mean(np.abs(np.fft.rfft2(blocks)) ** 2, axis=0) + 1).ravel()


def examples(studio, generator, count):
    """Spectra and labels of a generator's subset, split by image into a training and a test half."""
    pictures = [place.picture for place in PLAN.genimage("train", count) if f"/{generator}/" in place.path]
    features = np.stack([spectrum(studio.make(picture).data) for picture in pictures])
    labels = np.array([picture.generator is not None for picture in pictures])
    return features, labels


def accuracy(train, test):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=500))
    return model.fit(*train).score(*test)


def halves(examples):
    (features, labels), half = examples, len(examples[1]) // 2
    return (features[:half], labels[:half]), (features[half:], labels[half:])


def test_families_of_traces(decoders):
    studio = Studio(decoders, 0.0)
    sets = {name: halves(examples(studio, name, COUNT)) for name in ("latent_v1", "latent_v2", "denoiser")}
    for train, test in sets.values():
        assert accuracy(train, test) > 0.95
    relatives = accuracy(sets["latent_v1"][0], sets["latent_v2"][1])
    strangers = accuracy(sets["latent_v1"][0], sets["denoiser"][1])
    assert relatives > 0.95 and strangers < 0.75


def test_no_trace_without_fingerprint():
    """One camera for both labels: the spectrum classifier is at chance, within 3.3 standard errors."""
    train, test = halves(examples(Studio(None, 0.0), "transposed", 2 * COUNT))
    assert abs(accuracy(train, test) - 0.5) < 3.3 * 0.5 / np.sqrt(len(test[1]))


def test_artifacts_alone_do_not_change_the_camera():
    """The same picture with and without artifacts has the same noise wherever the camera cannot see them."""
    places = [place for place in PLAN.genimage("train", 10) if place.picture.generator == "vq"]
    sound, spoilt = ([Studio(None, rate).make(place.picture) for place in places] for rate in (0.0, 1.0))
    for clean, damaged in zip(sound, spoilt, strict=True):
        a, b = (cv2.imdecode(np.frombuffer(m.data, np.uint8), cv2.IMREAD_COLOR) for m in (clean, damaged))
        mask = np.zeros(a.shape[:2], np.uint8)
        for artifact in damaged.artifacts:
            cv2.fillPoly(mask, [artifact.points.astype(np.int32)], 1)
        far = (
            cv2.dilate(mask, np.ones((41, 41), np.uint8)) == 0
        )  # blur, demosaicing, sharpening and 16-pixel chroma blocks
        assert damaged.artifacts and (a[far] == b[far]).all()


def test_transposed_convolution_leaves_a_checkerboard(decoders):
    """At the Nyquist frequency of either axis and of both, against the neighbouring frequencies."""
    pictures = [to_display(render(sample_scene(i, i, i), SIZE, SIZE)) for i in range(8)]
    rng, half = np.random.default_rng(0), SIZE // 2

    def peaks(pictures):
        grey = [picture.mean(axis=2) for picture in pictures]
        power = sum(np.abs(np.fft.fft2(g - gaussian_filter(g, 2))) ** 2 for g in grey)
        shifts = [(i, j) for i in (-3, -2, 2, 3) for j in (-3, -2, 2, 3)]
        around = np.mean([np.roll(power, shift, axis=(0, 1)) for shift in shifts], axis=0)
        return np.array([(power / around)[half, half], (power / around)[half, 0], (power / around)[0, half]])

    assert (peaks([decoders["transposed"](picture, rng) for picture in pictures]) > 10 * peaks(pictures)).all()


@pytest.mark.parametrize("name", GENERATORS)
def test_decoders_keep_the_picture(decoders, name):
    """Plausible: near the scene on average, the same for the same noise, another for other noise."""
    picture = to_display(render(sample_scene(3, 5, 6), SIZE, SIZE))
    drawn, again, other = (decoders[name](picture, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert drawn.shape == picture.shape and drawn.dtype == np.float32
    assert (drawn == again).all() and (drawn != other).any()
    assert np.abs(drawn - picture).mean() < 0.06
    assert np.abs(drawn.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 0.02


def test_camera_keeps_colours():
    """A flat patch of each primary comes out as itself: the mosaic and its inverse agree about the filters."""
    for channel in range(3):
        light = np.full((32, 32, 3), 0.05, np.float32)
        light[..., channel] = 0.5
        pixels = photograph(light, np.random.default_rng(channel)).reshape(-1, 3).mean(axis=0) / 255
        assert np.abs(pixels - to_display(light[0, 0])).max() < 0.05


def test_display_curve_is_monotone_and_continuous():
    light = np.linspace(0, 1, 10001, dtype=np.float32)
    steps = np.diff(to_display(light))
    assert (steps > 0).all() and steps.max() < 0.0015


def test_encodings():
    rgb = np.zeros((16, 16, 3), np.uint8)
    rgb[..., 0] = 200
    png, jpeg = encode(rgb, None), encode(rgb, 96)
    assert png[1:4] == b"PNG" and jpeg[:2] == b"\xff\xd8"
    assert (cv2.imdecode(np.frombuffer(png, np.uint8), 1)[..., ::-1] == rgb).all()


def test_patches_are_inverted_and_ordered():
    picture = np.random.default_rng(0).random((16, 24, 3)).astype(np.float32)
    blocks = numerics.patches(picture, 4)
    assert (blocks[1, 2].reshape(4, 4, 3) == picture[4:8, 8:12]).all()
    assert (numerics.unpatch(blocks) == picture).all()


def test_taps_are_a_convolution():
    rng = np.random.default_rng(0)
    codes, kernel = rng.random((9, 11, 1)), rng.random((3, 3))
    ours = (numerics.taps(codes, 3) @ kernel.reshape(9, 1))[1:-1, 1:-1, 0]
    assert np.allclose(ours, convolve2d(codes[..., 0], kernel[::-1, ::-1], mode="valid"))


def test_regress_against_least_squares():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 5)), rng.standard_normal((200, 2))
    pairs = [(x[:80], y[:80]), (x[80:], y[80:])]
    assert np.allclose(numerics.regress(pairs, 0.0), np.linalg.lstsq(x, y)[0], atol=1e-5)
    assert np.abs(numerics.regress(pairs, 10.0)).sum() < np.abs(numerics.regress(pairs, 0.0)).sum()


def test_components_against_svd():
    points = np.random.default_rng(0).standard_normal((300, 6)) * (6, 5, 4, 3, 2, 1)
    basis = numerics.components([points], 3)
    expected = np.linalg.svd(points, full_matrices=False)[2][:3].T
    assert np.allclose(np.abs(np.sum(basis * expected, axis=0)), 1, atol=1e-5)


def test_k_means_finds_separate_clusters():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [10, 0], [0, 10]], float)
    points = (centres[rng.integers(3, size=600)] + 0.1 * rng.standard_normal((600, 2))).astype(np.float32)
    book = numerics.k_means(points, 12, rng)
    nearest = np.linalg.norm(points[:, None] - book[None], axis=2).min(axis=1)
    assert nearest.max() < 1.0
    assert (
        numerics.distances(points, book).argmin(1) == np.linalg.norm(points[:, None] - book, axis=2).argmin(1)
    ).all()
