"""Mean spectrum of the noise residuals of every source (GenImage, arXiv 2306.08571, Fig. 2), with its radial profile.

The paper averages the residuals of 1000 random images and takes the Fourier transform of the mean; it publishes
neither denoiser nor size nor colours. Images are read once and summed as they come, never held together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import fft
from scipy.stats import t

from synthscope.data.degrade.recipe import Recipe, parse_recipe, read_viewed
from synthscope.data.in_work import image_task
from synthscope.errors import SynthscopeError, UnreadableImageError, UsageError
from synthscope.runtime import Progress, seed_for
from synthscope.runtime.threads import in_threads
from synthscope.studies.frequency.residuals import denoiser_named

Floats = NDArray[np.float64]
Order = Literal["average_then_fft", "fft_then_average"]
ORDERS: tuple[Order, ...] = ("average_then_fft", "fft_then_average")
GROUPS = 20  # of images; the jackknife leaves out one at a time
LOOKED_AT = 15  # images that tell the size of a source
GRID = 16  # pixels; crops start on it, so that the blocks of a JPEG file stay in step from image to image


@dataclass(frozen=True)
class Spectrum:
    """The mean residual spectrum of one source. Amplitudes are of the orthonormal DFT, in grey levels of 0..255."""

    source: str
    label: int
    n: int  # images in the mean
    n_small: int  # images left out because a side is shorter than ``size``
    size: int  # pixels a side
    amplitude: Floats  # (size, size), centred: the zero frequency is at [size // 2, size // 2]
    profile: Floats  # (3, size // 2 + 1): ring means at 0, 1 … cycles an image, and their 95 % interval; NaN = none
    errors: tuple[tuple[str, str], ...] = ()  # (path, why) of images that could not be read

    @property
    def frequency(self) -> Floats:
        """Cycles a pixel of the rings of ``profile``."""
        return np.arange(self.size // 2 + 1) / self.size


def residual_spectra(
    manifest: pl.DataFrame,
    *,
    n: int = 1000,
    size: int = 256,
    denoiser: str = "median",
    order: Order = "average_then_fft",
    real: Literal["pooled", "subset"] = "pooled",
    seed: int = 0,
    workers: int | None = None,
) -> list[Spectrum]:
    """Mean residual spectrum of every generator and of the real images.

    Of each source the first ``n`` usable images in an order drawn by hash, seen through their view and cropped in the
    centre, so the choice depends neither on the order of rows nor on ``workers``. A source whose images are smaller
    than ``size`` keeps their size (the median short side of its first 15, cut to a multiple of 16): BigGAN stays at
    128, since enlarging would move its peaks. The amplitude is the mean of the channels' amplitudes.

    ``average_then_fft`` shows what is the same in every image, above a floor that falls like 1 / sqrt(n): compare
    sources at equal n. ``fft_then_average`` shows what every image has by itself, in whatever phase.

    Intervals: a jackknife over 20 groups of images (Busing, Meijer and van der Leeden 1999) of the log amplitude,
    with Student's t; null with a single image.

    Args:
        manifest: Columns of ``schema.MANIFEST``.
        n: Images a source.
        size: Side of the crop in pixels.
        denoiser: ``median`` or ``wavelet``, see ``residuals``.
        order: Of averaging and transforming.
        real: One spectrum of all real images, or one for each subset.
        seed: Of the draw.
        workers: Threads; None = one a core.

    Raises:
        UsageError: Unknown denoiser or order, or a number out of range.
        SynthscopeError: No image of a source can be used.
    """
    denoiser_named(denoiser)
    if order not in ORDERS or real not in ("pooled", "subset"):
        raise UsageError(f"Expected order {' or '.join(ORDERS)} and real pooled or subset, got {order}, {real}.")
    if n < 1 or size < 16:
        raise UsageError(f"Expected n of 1 or more and a size of 16 pixels or more, got {n} and {size}. Change them.")
    sources = list(_sources(manifest, real, seed))
    with Progress("residuals", sum(min(n, len(images)) for _, _, images in sources)) as progress:
        return [
            _spectrum(name, label, images, n, size, denoiser, order, workers, progress)
            for name, label, images in sources
        ]


Images = list[tuple[str, Recipe]]  # path, view


def _sources(manifest: pl.DataFrame, real: str, seed: int) -> Iterator[tuple[str, int, Images]]:
    """(name, label, images in drawn order): generators by name, then the real images."""
    generator = pl.coalesce("generator", "subset", pl.lit("AI"))
    subset = pl.lit("real") if real == "pooled" else pl.format("real, {}", pl.col("subset").fill_null("every subset"))
    table = manifest.filter(pl.col("error").is_null()).with_columns(
        pl.col("view").fill_null("none"), _source=pl.when(pl.col("label") == 1).then(generator).otherwise(subset)
    )
    table = table.unique(["_source", "path", "view"], keep="first", maintain_order=True)
    if table.is_empty():
        raise SynthscopeError("Expected images to analyse, got none that can be used. Check the source and the filter.")
    views = {view: parse_recipe(view) for view in table["view"].unique()}
    for label, source in table.select("label", "_source").unique().sort(-pl.col("label"), "_source").iter_rows():
        pairs = table.filter(label=label, _source=source).select("path", "view").rows()
        pairs.sort(key=lambda row: (seed_for(seed, "/".join(row[0].rsplit("/", 3)[-3:])), row))
        yield source, label, [(path, views[view]) for path, view in pairs]


@dataclass
class _Sum:
    """Sum over some images, and those left out."""

    total: Floats
    n: int = 0
    n_small: int = 0
    errors: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: _Sum) -> _Sum:
        n_small, errors = self.n_small + other.n_small, self.errors + other.errors
        return _Sum(self.total + other.total, self.n + other.n, n_small, errors)


def _spectrum(
    source: str, label: int, images: Images, n: int, size: int, denoiser: str, order: Order, workers: int | None,
    progress: Progress,
) -> Spectrum:  # fmt: skip
    if (native := _native_size(images)) < size:
        size = max(native // GRID * GRID, GRID)
    groups = [_sum([], size, denoiser, order)] * GROUPS
    while images and (need := n - sum(group.n for group in groups)):  # again for images that were left out
        batch, images = images[:need], images[need:]
        shares = [batch[g::GROUPS] for g in range(GROUPS)]
        for g, part in enumerate(in_threads(lambda share: _sum(share, size, denoiser, order), shares, workers)):
            groups[g] = groups[g] + part
            progress.advance(part.n)
    whole = sum(groups[1:], groups[0])
    if not whole.n:
        raise SynthscopeError(
            f"Expected images of {source} that can be read, got none of {len(whole.errors) + whole.n_small}. "
            f"Leave the source out with --where."
        )
    profile = _profile(whole, [group for group in groups if group.n], order)
    centred = np.fft.fftshift(_amplitude_of(whole.total / whole.n, order))
    return Spectrum(source, label, whole.n, whole.n_small, size, centred, profile, whole.errors)


def _native_size(images: Images) -> int:
    """Median short side of the first images that can be read; 1 if none can."""
    sides = []
    for path, view in images[:LOOKED_AT]:
        try:
            sides.append(min(read_viewed(path, view).shape[:2]))
        except UnreadableImageError:
            continue
    return int(np.median(sides)) if sides else 1


@image_task()
def _residual(
    path: str, view: Recipe, size: int, crop: Recipe, residual: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> np.ndarray | None:
    """Noise of the centre of an image, ``(3, size, size)``; None where it is smaller."""
    rgb = read_viewed(path, view)
    if min(rgb.shape[:2]) < size:
        return None
    return np.ascontiguousarray(residual(crop.apply(rgb, key="")).transpose(2, 0, 1))


def _sum(images: Images, size: int, denoiser: str, order: Order) -> _Sum:
    """Residuals, or their half-plane amplitudes, of some images, summed in float64."""
    crop, residual = parse_recipe(f"crop:size={size},grid={GRID}"), denoiser_named(denoiser)
    result, errors = _Sum(np.zeros((3, size, size) if order == "average_then_fft" else (size, size // 2 + 1))), []
    for path, view in images:
        try:
            planes = _residual(path, view, size, crop, residual)
        except UnreadableImageError as error:
            errors.append((path, str(error)))
            continue
        if planes is None:
            result.n_small += 1
            continue
        result.total += planes if order == "average_then_fft" else half_amplitude(planes)
        result.n += 1
    result.errors = tuple(errors)
    return result


def half_amplitude(planes: NDArray[Any]) -> NDArray[Any]:
    """Mean over channels of the orthonormal DFT's amplitudes: ``(C, S, S)`` to the half plane ``(S, S // 2 + 1)``."""
    return np.abs(fft.rfft2(planes, norm="ortho")).mean(axis=0)


def _amplitude_of(mean: Floats, order: Order) -> Floats:
    """The whole plane ``(S, S)`` of a mean residual or of a mean half plane, the zero frequency first."""
    half = half_amplitude(mean) if order == "average_then_fft" else mean
    mirrored = np.roll(half[::-1, 1 : (len(half) + 1) // 2][:, ::-1], 1, axis=0)
    return np.concatenate([half, mirrored], axis=1)


def radial_profile(amplitude: Floats) -> Floats:
    """Mean over rings one bin wide of a spectrum ``(S, S)`` whose zero frequency comes first: ``(S // 2 + 1,)``."""
    side = len(amplitude)
    bins = np.fft.fftfreq(side, 1 / side)
    ring = np.rint(np.hypot(bins[:, None], bins[None, :])).astype(int).ravel()
    return (np.bincount(ring, amplitude.ravel()) / np.bincount(ring))[: side // 2 + 1]


def _profile(whole: _Sum, groups: list[_Sum], order: Order) -> Floats:
    """Ring means and their interval, from leaving out one group at a time."""

    def log_profile(total: Floats, n: int) -> Floats:
        return np.log(radial_profile(_amplitude_of(total / n, order)) + 1e-12)

    value = log_profile(whole.total, whole.n)
    if len(groups) < 2:
        return np.stack([np.exp(value), *np.full((2, len(value)), np.nan)])
    shares = np.array([whole.n / group.n for group in groups])[:, None]
    without = np.stack([log_profile(whole.total - group.total, whole.n - group.n) for group in groups])
    pseudo = shares * value - (shares - 1) * without
    centre = len(groups) * value - ((1 - 1 / shares) * without).sum(axis=0)
    error = np.sqrt((((pseudo - centre) ** 2) / (shares - 1)).mean(axis=0))
    half = t.ppf(0.975, len(groups) - 1) * error
    return np.exp(np.stack([value, value - half, value + half]))
