"""Whether a JPEG file was compressed more than once, by the gaps and peaks that the first steps left in its histograms.

Coefficients that were rounded to multiples of one step and then of another fall into some bins twice as often and into
some never (Lukas & Fridrich 2003; Popescu & Farid 2004). What they were before is estimated from the same picture on a
grid shifted by half a block, which no compression has rounded (Fridrich, Goljan & Hogea 2002). From this follows how
each histogram looks after one compression, and after one at every quality of libjpeg before it; the likelihoods decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.special import ndtr, xlogy

from synthscope.data.history.coefficients import block_dct
from synthscope.data.images import opened
from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.jpeg_tables import Tables, standard_luma

FREQUENCIES = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))  # (row, column) in a block
LOWEST = 40  # earlier qualities up to this are not looked for
FEWEST = 300  # coefficients beyond zero below which nothing is said
LARGEST = 512  # pixels of a side that are looked at
LEVEL = 0.1  # share explained from which a file is called twice compressed; none of 216 of the split train reached it
# python benchmarks/provenance.py IMAGES --every 2
ERROR_RATES = (
    "Of 856 files compressed once, 0.1 % are called twice compressed (107 generated images: 1 of 428; 107 halved "
    "photographs: 0 of 428); of 3,852 compressed at a lower quality before, 98 % are found; of 2,140 at a higher, 22 %."
)
_REACH, _FINE = 128, 2  # density of |coefficient| up to 128, in bins of a half
_NOISE = ((0.5, 0.5), (2.0, 0.5))  # standard deviation and weight: pixels are rounded in between, some colours clipped
_OTHERWISE = 0.1  # weight of a single compression in every hypothesis, so that no bin is impossible


def recompression_finding(data: bytes, tables: Tables) -> Iterator[Finding]:
    """One sentence, and the measured error rates; none where the picture has too little to judge by."""
    luma = decoded_luma(data)
    if luma is None or not tables or min(luma.shape) < 24 or min(tables[0]) < 1:
        return
    score, quality, counted = evidence_of_two(luma, tables[0])
    if counted < FEWEST:
        return
    if score >= LEVEL:
        claim = f"The file was compressed at least twice: before, at about quality {quality} of libjpeg."
    else:
        claim = "No earlier compression found; one at the same or a higher quality leaves little trace."
    detail = {"explained by two": f"{score:.2f}", "level": f"{LEVEL:.2f}", "error rates": ERROR_RATES}
    yield Finding(source="JPEG", claim=claim, detail=detail)


def evidence_of_two(luma: np.ndarray, table: tuple[int, ...]) -> tuple[float, int, int]:
    """How much better two compressions explain a picture than one.

    Args:
        luma: uint8 ``(H, W)``, the decoded Y of the file; at least 24 pixels a side.
        table: Its 64 luma steps, row by row.

    Returns:
        What the best earlier quality explains of what one compression leaves unexplained, as a share of its deviance
        (at most 1, below 0 where two explain less); that quality; and over how many coefficients beyond zero.
    """
    height, width = (length // 8 * 8 for length in luma.shape)
    plane = luma[:height, :width].astype(np.float32)
    on, off = block_dct(plane), block_dct(plane[4:-4, 4:-4])
    gain, misfit, counted = np.zeros(len(standard_luma())), 0.0, 0
    for row, column in FREQUENCIES:
        step = table[8 * row + column]
        bins = np.rint(np.abs(on[:, row, column]) / step).astype(np.int64)
        most = int(_REACH / step - 0.5)
        histogram = np.bincount(bins[(bins >= 1) & (bins <= most)], minlength=most + 1)[1:]
        density = _density(off[:, row, column])
        single = _once(density, step, most)
        counted += (n := int(histogram.sum()))
        misfit += float(xlogy(histogram, histogram / (max(n, 1) * single)).sum())
        for earlier in np.unique(standard_luma()[LOWEST:, row, column]):
            twice = _twice(density, int(earlier), step, most)
            better = histogram @ np.log((1 - _OTHERWISE) * twice / single + _OTHERWISE)
            gain[standard_luma()[:, row, column] == earlier] += better
    best = len(gain) - 1 - int(gain[:LOWEST:-1].argmax())  # of qualities with the same steps, the highest
    return float(gain[best] / max(misfit, 1.0)), best + 1, counted


def decoded_luma(data: bytes) -> np.ndarray | None:
    """The middle of the Y plane as the decoder has it, uint8, whole blocks; None where the file has none."""
    with opened(data) as image:
        image.draft("L", image.size)
        image.load()
        if image.mode != "L":
            return None
        left, top = (max(0, (length - LARGEST) // 2) // 8 * 8 for length in image.size)
        return np.asarray(image.crop((left, top, min(left + LARGEST, image.width), min(top + LARGEST, image.height))))


def _density(values: np.ndarray) -> np.ndarray:
    """Of ``|values|``, float64 ``(_REACH * _FINE,)``; smooth, the more so the fewer there are."""
    places = np.minimum(np.abs(values) * _FINE, _REACH * _FINE - 1).astype(np.int64)
    return _smoothing() @ np.bincount(places, minlength=_REACH * _FINE) + 1e-6


@cache
def _smoothing() -> np.ndarray:
    """Columns that spread a bin over its neighbours, by half a unit and a tenth of its value."""
    x = (np.arange(_REACH * _FINE) + 0.5) / _FINE
    width = 0.5 + 0.1 * x
    kernel = np.exp(-0.5 * ((x[:, None] - x) / width) ** 2) + np.exp(-0.5 * ((x[:, None] + x) / width) ** 2)
    return kernel / kernel.sum(0)


def _within(density: np.ndarray, step: int, most: int) -> np.ndarray:
    """Mass that rounds to 0..most steps."""
    whole = np.concatenate([[0.0], np.cumsum(density)])
    edges = np.concatenate([[0.0], (np.arange(most + 1) + 0.5) * step * _FINE])
    return np.diff(np.interp(edges, np.arange(len(whole)), whole))


def _once(density: np.ndarray, step: int, most: int) -> np.ndarray:
    """Probabilities of 1..most after one compression, given that it is one of these."""
    mass = _within(density, step, most)[1:]
    return mass / mass.sum()


def _twice(density: np.ndarray, earlier: int, step: int, most: int) -> np.ndarray:
    """The same after two."""
    mass = _within(density, earlier, int(_REACH / earlier - 0.5))
    at = np.arange(len(mass)) * float(earlier)
    edges = (np.arange(most + 1) + 0.5)[:, None] * step
    found = np.zeros(most)
    for noise, weight in _NOISE:
        up, down = ndtr((edges - at) / noise), ndtr((-edges - at) / noise)  # beyond -edge it counts as positive
        found += weight * (np.diff(up - down, axis=0) @ mass)
    return found / max(found.sum(), 1e-12)
