"""Every figure draws, the same bytes each time, also from odd names and missing numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from synthscope.report.figures.content import content_figure
from synthscope.report.figures.correlation import correlation_figure
from synthscope.report.figures.frequency import profile_figure, spectra_figure
from synthscope.report.figures.scaling import scaling_figure
from synthscope.report.figures.style import save_figure, to_svg
from synthscope.schema import SCORES, conform
from synthscope.studies.correlation import Transfer, correlate
from synthscope.studies.frequency.spectra import profile_table
from synthscope.studies.frequency.study import Spectrum
from synthscope.studies.scaling.table import summarise


def spectra(count: int) -> list[Spectrum]:
    rng = np.random.default_rng(0)
    profile = np.stack([np.full(9, 2.0), np.full(9, 1.0), np.full(9, 3.0)])
    profile[1:, -1] = np.nan
    names = [f"gen$e${i}\n" for i in range(count - 1)] + ["real"]
    return [Spectrum(name, int(name != "real"), 3, 0, 16, rng.random((16, 16)), profile) for name in names]


def correlation(rows: int) -> Figure:
    values = np.random.default_rng(0).random((rows, 4))
    values[0, 0] = np.nan
    transfer = Transfer([f"row{i}" for i in range(rows)], list("abcd"), values)
    return correlation_figure(correlate(transfer), transfer)


def scaling() -> Figure:
    rows = [
        {"subset": "SD V1.4", "classes": c, "per_class": p, "seed": s, "test": t, "train_real": c * p,
         "train_ai": c * p, "n_real": 1, "n_ai": 1, "value": 0.6 + 0.01 * s if c == 10 else None}
        for c in (10, 100) for p in (16, 160) for s in (0, 1) for t in ("identical", "cross")
    ]  # fmt: skip
    return scaling_figure(summarise(pl.DataFrame(rows, infer_schema_length=None)))


def content(value: float | None) -> Figure:
    rows = [
        {"detector": d, "test_set": t, "metric": m, "value": value, "ci_low": value, "ci_high": value}
        for d in ("a@1", "b@2") for t in ("faces", "$art") for m in ("accuracy", "ai_accuracy")
    ]  # fmt: skip
    return content_figure(conform(pl.DataFrame(rows), SCORES, "test"))


FIGURES = {
    "spectra": lambda: spectra_figure(spectra(7), order="average_then_fft", denoiser="median"),
    "one spectrum": lambda: spectra_figure(spectra(1), order="average_then_fft", denoiser="median"),
    "profiles": lambda: profile_figure(profile_table(spectra(9), denoiser="median", order="average_then_fft")),
    "correlation": lambda: correlation(6),
    "no tree": lambda: correlation(1),
    "scaling": scaling,
    "content": lambda: content(0.7),
    "nothing": lambda: content(None),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw_the_same_twice(name: str, tmp_path: Path) -> None:
    first, second = (to_svg(FIGURES[name]()) for _ in range(2))
    assert first == second and first.startswith("<svg")


def test_spectrum_stands_where_its_axes_say() -> None:
    """The zero frequency of a centred spectrum of even size is drawn around 0, 0."""
    (axes, *_) = spectra_figure(spectra(2), order="average_then_fft", denoiser="median").axes
    left, right, bottom, top = axes.images[0].get_extent()
    step = (right - left) / 16
    assert left + 8.5 * step == pytest.approx(0) and top + 8.5 * (bottom - top) / 16 == pytest.approx(0)


def test_saved_in_colour_and_as_vectors(tmp_path: Path) -> None:
    assert [path.suffix for path in save_figure(correlation(5), tmp_path / "c")] == [".png", ".svg"]
