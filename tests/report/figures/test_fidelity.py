"""The figure of fidelity: what is drawn where, and figures without NIQE or with many detectors."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from synthscope.report.figures.fidelity import _spread, fidelity_figure
from synthscope.report.figures.style import to_svg
from synthscope.schema import PREDICTIONS, conform
from synthscope.studies.fidelity.images import IMAGES
from synthscope.studies.fidelity.study import fidelity, generator_means, with_fidelity


def tables(detectors: int, *, niqe: bool = True) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng, n = np.random.default_rng(0), 24
    paths = [f"/{i}.png" for i in range(n)]
    quality = rng.normal(4, 1, n) if niqe else [None] * n
    images = {"path": paths, "view": "none", "par": np.maximum(rng.normal(0, 0.1, n), 0), "niqe": quality}
    rows = [
        {"path": path, "label": 1, "generator": f"$g{i % 4}", "detector": f"d{k}@{k}", "logit": rng.normal()}
        for k in range(detectors)
        for i, path in enumerate(paths)
    ]
    predictions, table = conform(pl.DataFrame(rows), PREDICTIONS, "t"), conform(pl.DataFrame(images), IMAGES, "t")
    found = fidelity(predictions, table, permutations=9, resamples=9)
    return found, generator_means(with_fidelity(predictions, table))


def test_each_generator_is_a_mark_at_its_recall() -> None:
    table, means = tables(2)
    par, niqe, groups = fidelity_figure(table, means).axes
    rows = means.filter(detector="d0@0")
    assert sorted(zip(*par.lines[0].get_data(), strict=True)) == sorted(rows.select("par", "correct").rows())
    assert sorted(zip(*niqe.lines[1].get_data(), strict=True)) == sorted(
        means.filter(detector="d1@1").select("niqe", "correct").rows()
    )
    recalls = table.filter(pl.col("metric").is_in(["recall_clean", "recall_artifacts"]))["value"]
    assert sorted(line.get_ydata()[0] for line in groups.lines) == sorted(recalls)  # type: ignore[index]
    assert [text.get_text() for text in par.texts] == [rf"\$g{name}" for name in
            means.filter(detector="d0@0").sort("par")["generator"].str.slice(2)]  # fmt: skip


def test_without_niqe_and_with_many_detectors() -> None:
    table, means = tables(10, niqe=False)
    figure = fidelity_figure(table, means)
    assert len(figure.axes[0].lines) == 8 and "8 of 10 detectors shown" in figure.get_supxlabel()
    assert not figure.axes[1].texts and "<svg" in to_svg(figure)


@pytest.mark.parametrize("places", [[0.5] * 13, [0.0, 0.01, 0.99, 1.0], [1.0] * 40, []])
def test_names_do_not_touch(places: list[float]) -> None:
    spread = _spread(list(places))
    assert len(spread) == len(places) and all(0 <= place <= 1 for place in spread)
    assert all(np.diff(spread) >= min(0.055, 1 / max(len(places), 1)) - 1e-9)
