"""Tables and arrays of mean residual spectra: radial profiles, peaks, one line a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.runtime import whole_file
from synthscope.studies.frequency.peaks import find_peaks, name_trace
from synthscope.studies.frequency.study import Spectrum

PEAKS = pl.Schema(
    {
        "source": pl.String,
        "fx": pl.Float64,  # cycles a pixel
        "fy": pl.Float64,
        "ratio": pl.Float64,  # over the surroundings
        "z": pl.Float64,  # of its logarithm, robust
        "period": pl.Int64,  # pixels of the finest grid with this frequency
    }
)


def profile_table(spectra: list[Spectrum], *, denoiser: str, order: str) -> pl.DataFrame:
    """Radial profiles as rows, one for each source and ring: amplitude in grey levels, with its 95 % interval."""
    tables = []
    for s in spectra:
        amplitude, low, high = s.profile
        columns = {"frequency": s.frequency, "amplitude": amplitude, "ci_low": low, "ci_high": high}
        table = pl.DataFrame(columns, nan_to_null=True).with_row_index("radius")
        known = {"source": s.source, "label": s.label, "order": order, "denoiser": denoiser, "n": s.n, "size": s.size}
        tables.append(table.select(*(pl.lit(value).alias(name) for name, value in known.items()), *table.columns))
    return pl.concat(tables)


def peak_table(spectra: list[Spectrum]) -> pl.DataFrame:
    """Peaks as rows (``PEAKS``), the strongest of each source first."""
    rows = [(s.source, p.fx, p.fy, p.ratio, p.z, p.period) for s in spectra for p in find_peaks(s.amplitude)]
    return pl.DataFrame(rows, schema=PEAKS, orient="row")


def summary_table(spectra: list[Spectrum]) -> pl.DataFrame:
    """One row for each source: images, size, and what its peaks look like."""
    rows = []
    for s in spectra:
        peaks = find_peaks(s.amplitude)
        strongest = (f"({peaks[0].fx:.3f}, {peaks[0].fy:.3f})", round(peaks[0].z, 1)) if peaks else (None, None)
        rows.append((s.source, s.n, s.n_small, s.size, *strongest, name_trace(peaks)))
    heads = ("source", "images", "too small", "size", "strongest (fx, fy)", "z", "trace")
    return pl.DataFrame(rows, schema=list(heads), orient="row")


def save_spectra(spectra: list[Spectrum], path: str | Path) -> None:
    """Write ``.npz``: ``sources``, and for the i-th ``amplitude_i`` and ``log10_amplitude_i``, float32 ``(S, S)``."""
    arrays: dict[str, NDArray[Any]] = {"sources": np.array([s.source for s in spectra])}
    for i, s in enumerate(spectra):
        arrays[f"amplitude_{i}"] = s.amplitude.astype(np.float32)
        arrays[f"log10_amplitude_{i}"] = np.log10(s.amplitude + 1e-6).astype(np.float32)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
