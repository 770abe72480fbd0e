"""Residual spectra: known sinusoids give their peaks, noise averages away, and nothing depends on the workers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import uniform_filter

from synthscope.data.manifest import load_manifest
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform
from synthscope.studies.frequency.peaks import find_peaks, name_trace, period
from synthscope.studies.frequency.residuals import DENOISERS, denoiser_named, wavelet_residual
from synthscope.studies.frequency.spectra import peak_table, profile_table, save_spectra, summary_table
from synthscope.studies.frequency.study import ORDERS, half_amplitude, radial_profile, residual_spectra

SIDE = 64


def write(folder: Path, name: str, images: list[np.ndarray], label: int) -> list[dict[str, object]]:
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for i, pixels in enumerate(images):
        path = folder / f"{name}_{i:03}.png"
        Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(path)
        subset = name if label else None
        rows.append({"path": str(path), "label": label, "generator": name, "subset": subset, "split": "val"})
    return rows


def noise(rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    return rng.normal(128, 20, (side, side, 3))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Noise as real images, noise with a wave of period 8 px, and a small source; one file is broken."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    wave = 6 * np.sin(2 * np.pi * np.arange(SIDE + 9) / 8)[None, :, None]
    rows = write(folder, "real", [noise(rng) for _ in range(24)], 0)
    rows += write(folder, "waves", [noise(rng, SIDE + 9) + wave for _ in range(24)], 1)
    rows += write(folder, "little", [noise(rng, 40) for _ in range(4)], 1)
    (folder / "broken.png").write_bytes(b"no image")
    rows.append(rows[-1] | {"path": str(folder / "broken.png")})
    return conform(pl.DataFrame(rows), MANIFEST, "test")


@pytest.mark.parametrize("denoiser", DENOISERS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_wave_has_its_peak_and_noise_has_none(images: pl.DataFrame, denoiser: str, order: str) -> None:
    spectra = residual_spectra(images, n=20, size=SIDE, denoiser=denoiser, order=order, workers=2)  # type: ignore[arg-type]
    found = {s.source: s for s in spectra}
    assert list(found) == ["little", "waves", "real"] and [s.label for s in spectra] == [1, 1, 0]
    strongest = find_peaks(found["waves"].amplitude)[0]
    assert (strongest.fx, strongest.fy, strongest.period) == (1 / 8, 0.0, 8)
    assert find_peaks(found["real"].amplitude) == []
    assert (found["waves"].n, found["little"].n, found["little"].size) == (20, 4, 32)
    assert [Path(path).name for path, _ in found["little"].errors] == ["broken.png"]


@pytest.mark.parametrize("order", ORDERS)
def test_neither_workers_nor_row_order_nor_other_sources_change_a_bit(images: pl.DataFrame, order: str) -> None:
    options = {"n": 10, "size": SIDE, "order": order}
    one = residual_spectra(images, **options, workers=1)  # type: ignore[arg-type]
    three = residual_spectra(images.sample(fraction=1, shuffle=True, seed=1), **options, workers=3)  # type: ignore[arg-type]
    alone = residual_spectra(images.filter(label=0), **options)  # type: ignore[arg-type]
    for a, b in zip([*one, one[-1]], [*three, *alone], strict=True):
        assert a.source == b.source and (a.amplitude == b.amplitude).all() and (a.profile == b.profile).all()
    other = residual_spectra(images.filter(label=0), **options, seed=1)[0]  # type: ignore[arg-type]
    assert (other.amplitude != alone[0].amplitude).any()


@pytest.mark.parametrize("order", ORDERS)
def test_against_the_plainest_code(images: pl.DataFrame, order: str) -> None:
    real = images.filter(label=0)
    (ours,) = residual_spectra(real, n=1000, size=SIDE, order=order)  # type: ignore[arg-type]
    pixels = [cv2.imread(path) for path in real["path"]]
    residuals = [p.astype(float) - cv2.medianBlur(p, 3) for p in pixels]

    def spectrum(residual: np.ndarray) -> np.ndarray:
        channels = [np.abs(np.fft.fft2(residual[..., c])) / SIDE for c in range(3)]
        return np.fft.fftshift(np.mean(channels, axis=0))

    average_first = order == "average_then_fft"
    plain = spectrum(np.mean(residuals, 0)) if average_first else np.mean([spectrum(r) for r in residuals], 0)
    assert np.allclose(ours.amplitude, plain, rtol=1e-4, atol=1e-4)
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    rings = [plain[np.rint(np.hypot(x, y)) == r].mean() for r in range(SIDE // 2 + 1)]
    assert np.allclose(ours.profile[0], rings, rtol=1e-4)


def test_average_of_noise_falls_like_one_over_root_n(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    images = conform(pl.DataFrame(write(tmp_path, "real", [noise(rng) for _ in range(64)], 0)), MANIFEST, "test")
    for order, ratio in zip(ORDERS, (4, 1), strict=True):
        four, all_64 = (residual_spectra(images, n=n, size=SIDE, order=order)[0].profile[0, 8:].mean() for n in (4, 64))
        assert four / all_64 == pytest.approx(ratio, rel=0.08)


def test_interval_covers_the_truth_of_noise(tmp_path: Path) -> None:
    """20 draws of 10 of 200 images: the interval of the mean amplitude of all holds about 95 % of the rings."""
    rng = np.random.default_rng(4)
    rows = write(tmp_path, "real", [rng.normal(128, rng.uniform(5, 40), (32, 32, 3)) for _ in range(200)], 0)
    images = conform(pl.DataFrame(rows), MANIFEST, "test")
    truth = residual_spectra(images, n=200, size=32, order="fft_then_average")[0].profile[0]
    hits = []
    for seed in range(20):
        _, low, high = residual_spectra(images, n=10, size=32, order="fft_then_average", seed=seed)[0].profile
        hits.append((low <= truth) & (truth <= high))
    assert 0.85 < np.mean(hits) <= 1.0
    assert np.isnan(residual_spectra(images, n=1, size=32)[0].profile[1:]).all()


def test_upsampling_leaves_what_theory_says(tmp_path: Path) -> None:
    """A transposed convolution whose taps overlap unevenly rings at Nyquist (Odena et al. 2016); nearest enlargement
    dips there, as its kernel (1, 1) is zero, though the median's kinks fill the dip in part."""
    rng = np.random.default_rng(5)

    def transposed(small: np.ndarray) -> np.ndarray:
        spread = np.zeros((SIDE, SIDE, 3))
        spread[::2, ::2] = small
        return uniform_filter(spread, (3, 3, 0), mode="wrap") * 4

    half = [rng.normal(110, 25, (SIDE // 2, SIDE // 2, 3)) for _ in range(20)]
    rows = write(tmp_path, "transposed", [transposed(small) for small in half], 1)
    rows += write(tmp_path, "nearest", [small.repeat(2, 0).repeat(2, 1) for small in half], 1)
    rows += write(tmp_path, "real", [noise(rng) for _ in range(20)], 0)
    images = conform(pl.DataFrame(rows), MANIFEST, "test")
    nearest, uneven, plain = residual_spectra(images, n=20, size=SIDE, order="fft_then_average")
    found = find_peaks(uneven.amplitude)
    assert {(p.fx, p.fy) for p in found} >= {(0.5, 0.0), (0.0, 0.5), (0.5, 0.5)}
    assert name_trace(found).startswith("grid of period 2 px")
    dip, level = (s.amplitude[0].mean() / s.amplitude[SIDE // 4].mean() for s in (nearest, plain))
    assert dip < 0.5 and level > 0.9
    assert all(0.5 not in (p.fx, p.fy) for p in find_peaks(nearest.amplitude))


def test_fingerprints_of_the_sandbox(tmp_path: Path) -> None:
    """Against the very scenes they draw: a transposed convolution rings at period 2, which the detector finds in two
    dozen pictures; patches of 4 x 4 pixels lift the frequencies of period 4, which takes more pictures to find."""
    from synthscope.sandbox.camera import to_display
    from synthscope.sandbox.generators import fit_generators
    from synthscope.sandbox.render import render
    from synthscope.sandbox.scene import sample_scene

    decoders, rng = fit_generators(1, 128), np.random.default_rng(0)
    scenes = [to_display(render(sample_scene(i % 10, i, i), 128, 128)) for i in range(24)]
    rows = write(tmp_path, "real", [255 * scene for scene in scenes], 0)
    for name in ("transposed", "vq"):
        rows += write(tmp_path, name, [255 * decoders[name](scene, rng) for scene in scenes], 1)
    images = conform(pl.DataFrame(rows), MANIFEST, "test")
    spectra = {s.source: s for s in residual_spectra(images, size=128, order="fft_then_average")}
    assert name_trace(find_peaks(spectra["transposed"].amplitude)).startswith("grid of period 2 px")
    assert "grid" not in name_trace(find_peaks(spectra["real"].amplitude))
    gain = np.log(spectra["vq"].amplitude / spectra["real"].amplitude)
    on_grid = np.array([(0, 32), (32, 0), (32, 32), (32, -32), (32, 64), (64, 32)]) + 64

    def lift(shift: tuple[int, int]) -> float:
        return float(np.mean([gain[tuple((place + shift) % 128)] for place in on_grid]))

    beside = [lift((dy, dx)) for dy in range(-7, 8) for dx in range(-7, 8) if (dy, dx) != (0, 0)]
    assert lift((0, 0)) > np.quantile(beside, 0.995)  # of 224 grids a few bins beside


def test_decoders_of_real_generators() -> None:
    """The grid of a generator is the step of its decoder: 16 pixels for DALL-E mini's VQGAN, 8 for Stable Diffusion."""
    folder = Path(__file__).parents[3] / "shared" / "images"
    if not folder.is_dir():
        pytest.skip(f"no test images at {folder}")
    names = {"dalle_mini": "grid of period 16 px", "sd35_medium": "grid of period 8 px"}
    images = pl.concat([load_manifest(f"genimage:{folder / name}") for name in names])
    spectra = residual_spectra(images.filter(label=1), n=84, denoiser="wavelet", order="fft_then_average")
    found = {s.source: name_trace(find_peaks(s.amplitude)).partition(" (")[0] for s in spectra}
    assert found == names


@settings(max_examples=15, deadline=None)
@given(st.integers(3, 32), st.integers(-31, 32), st.integers(0, 10**6))
def test_any_planted_wave_is_found_once(u: int, v: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE))
    plane = rng.standard_normal((SIDE, SIDE)) + 12 * np.cos(2 * np.pi * (u * x + v * y) / SIDE + 0.3)
    peaks = find_peaks(np.fft.fftshift(np.abs(np.fft.fft2(plane, norm="ortho"))))
    wanted = (u / SIDE, abs(v) / SIDE if u == 32 else v / SIDE)
    assert [(p.fx, p.fy) for p in peaks] == [wanted]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([31, 48, 64]), st.floats(0.1, 50))
def test_peaks_ignore_scale_and_noise(seed: int, side: int, scale: float) -> None:
    plane = np.random.default_rng(seed).standard_normal((side, side))
    amplitude = np.fft.fftshift(np.abs(np.fft.fft2(plane)))
    assert find_peaks(amplitude) == [] == find_peaks(scale * amplitude)
    assert find_peaks(np.zeros((side, side))) == []


@pytest.mark.parametrize("side", [5, 8])
def test_half_plane_and_rings(side: int) -> None:
    planes = np.random.default_rng(0).standard_normal((3, side, side))
    full = np.abs(np.fft.fft2(planes, norm="ortho")).mean(axis=0)
    assert np.allclose(half_amplitude(planes), full[:, : side // 2 + 1])
    assert radial_profile(full)[0] == pytest.approx(full[0, 0])
    around = np.delete(full[np.ix_((-1, 0, 1), (-1, 0, 1))], 4)
    assert radial_profile(full)[1] == pytest.approx(around.mean())


def test_denoisers_leave_a_constant_alone_and_add_no_grid() -> None:
    flat = np.full((SIDE, SIDE, 3), 77, np.uint8)
    middle = np.s_[48:80, 48:80]  # out of reach of the borders
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    for denoise in DENOISERS.values():
        assert np.abs(denoise(flat)).max() < 1e-4
        moved, after = denoise(np.roll(pixels, (1, 3), (0, 1))), np.roll(denoise(pixels), (1, 3), (0, 1))
        assert np.allclose(moved[middle], after[middle], atol=1e-3)
    weak = np.rint(np.random.default_rng(1).normal(128, 3, (SIDE, SIDE, 3))).astype(np.uint8)
    kept = wavelet_residual(weak)
    assert np.corrcoef(kept.ravel(), weak.ravel() - 128.0)[0, 1] > 0.95  # noise below sigma is all residual


def test_periods() -> None:
    assert [period(k / 128, 0.0, 128) for k in (64, 32, 43, 16, 1)] == [2, 4, 3, 8, None]
    assert name_trace([]) == "no peaks"


def test_tables_and_arrays(images: pl.DataFrame, tmp_path: Path) -> None:
    spectra = residual_spectra(images, n=12, size=SIDE, real="subset")
    assert spectra[-1].source == "real, every subset"
    profiles = profile_table(spectra, denoiser="median", order="average_then_fft")
    assert profiles.height == sum(s.size // 2 + 1 for s in spectra)
    known = profiles.drop_nulls()
    assert (known["ci_low"] <= known["amplitude"]).all() and (known["amplitude"] <= known["ci_high"]).all()
    assert peak_table(spectra).filter(source="waves")["period"][0] == 8
    assert summary_table(spectra)["images"].to_list() == [4, 12, 12]
    save_spectra(spectra, tmp_path / "out" / "s.npz")
    with np.load(tmp_path / "out" / "s.npz", allow_pickle=False) as arrays:
        assert arrays["sources"].tolist() == [s.source for s in spectra]
        assert np.allclose(arrays["amplitude_1"], spectra[1].amplitude)


def test_mistakes_are_sentences(images: pl.DataFrame) -> None:
    with pytest.raises(UsageError, match="Did you mean median"):
        residual_spectra(images, denoiser="medan")
    with pytest.raises(UsageError, match="average_then_fft"):
        residual_spectra(images, order="fft")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="n of 1"):
        residual_spectra(images, n=0)
    with pytest.raises(SynthscopeError, match="can be used"):
        residual_spectra(images.filter(label=7))
    with pytest.raises(SynthscopeError, match="none of 1"):
        residual_spectra(images.filter(pl.col("path").str.contains("broken")))
    assert denoiser_named("wavelet") is wavelet_residual
