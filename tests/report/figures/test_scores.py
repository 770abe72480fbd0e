"""Figures: what they say, that they say it the same way twice, and that odd input draws too."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from synthscope.report.figures import predictions as curves
from synthscope.report.figures import scores as figures
from synthscope.report.figures import style
from tests.report.made_runs import SUBSETS, make_audit, make_predictions, make_scores


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def value(scores: pl.DataFrame, **where: str) -> float:
    return scores.filter(**where)["value"].item()


def test_matrix_prints_percent_with_one_decimal_in_genimage_order(scores: pl.DataFrame) -> None:
    shown = texts(figures.matrix_figure(scores, "accuracy"))
    assert [text for text in shown if text in ("Midjourney", "SD V1.4", "ADM", "mean")] == [
        "Midjourney", "SD V1.4", "ADM", "mean",
    ]  # fmt: skip
    for detector in scores["detector"].unique():
        for test in [*SUBSETS, "mean"]:
            where = {"metric": "accuracy", "view": "none", "condition": "none", "detector": detector, "test_set": test}
            assert f"{100 * value(scores, **where):.1f}" in shown
    assert "resnet50.adm" in shown and "npr" in shown


def test_dots_stand_at_the_scores_with_their_intervals(scores: pl.DataFrame) -> None:
    figure = figures.interval_figure(scores, "balanced_accuracy")
    assert [axes.get_title("left") for axes in figure.axes] == ["Midjourney", "SD V1.4", "ADM", "mean"]
    panel = figure.axes[2]
    drawn = {round(float(line.get_xdata()[0]), 9) for line in panel.lines if line.get_marker() == "o"}
    rows = scores.filter(metric="balanced_accuracy", view="none", condition="none", test_set="ADM")
    assert drawn == {round(v, 9) for v in rows["value"]}
    segments = {tuple(np.round(path.vertices[:, 0], 9)) for c in panel.collections for path in c.get_paths()}
    assert segments == {(round(a, 9), round(b, 9)) for a, b in rows.select("ci_low", "ci_high").rows()}
    filled = [line.get_markerfacecolor() != "white" for line in panel.lines if line.get_marker() == "o"]
    assert filled == [True, False]  # the first detector was trained on ADM


def test_degradations_are_compared_on_the_images_that_were_degraded(tmp_path: Path) -> None:
    predictions = make_predictions(tmp_path)
    some = predictions.filter((pl.col("condition") == "none") | (pl.col("subset") == "ADM"))
    for table, expected in ((predictions, "on mean"), (some, "on ADM")):
        figure = figures.degradation_figure(make_scores(table), "balanced_accuracy")
        assert [axes.get_title("left") for axes in figure.axes] == ["clean", "lr:64", "jpeg:q=30"]
        assert all(name.endswith(expected) for name in (t.get_text() for t in figure.axes[0].get_yticklabels()))
    clean = {line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"}
    rows = make_scores(some).filter(metric="balanced_accuracy", view="none", condition="none", test_set="ADM")
    assert clean == set(rows["value"])


def test_roc_has_the_area_of_the_scores(predictions: pl.DataFrame, scores: pl.DataFrame) -> None:
    figure = curves.roc_figure(predictions)
    assert [axes.get_title("left") for axes in figure.axes] == ["Midjourney", "SD V1.4", "ADM"]
    curve = next(line for line in figure.axes[2].lines if len(line.get_xdata()) > 2)
    area = np.trapezoid(curve.get_ydata(), curve.get_xdata())
    where = {"metric": "auroc", "view": "none", "condition": "none", "test_set": "ADM"}
    assert area == pytest.approx(value(scores, **where, detector="resnet50.adm@11111111"))
    assert "20 real + 20 AI" in texts(figure)


@pytest.mark.parametrize("column", ["subset", "generator"])
def test_shared_real_images_count_in_every_test_set(predictions: pl.DataFrame, column: str) -> None:
    shared = predictions.with_columns(
        subset=pl.when(pl.col("label") == 1).then("subset"),
        path=pl.when(pl.col("label") == 1).then("path").otherwise(pl.col("path") + pl.col("subset")),
    )
    shown = texts(curves.roc_figure(shared, by=column))
    assert shown.count("60 real + 20 AI") == 3
    assert "real" not in shown


def test_reliability_dots_are_the_bins(tmp_path: Path) -> None:
    one = make_predictions(tmp_path, detectors={"d@1": None}, n=50)
    figure = curves.reliability_figure(one)
    rows = one.filter(view="none", condition="none")
    p, truth = rows["p_ai"].to_numpy().astype(float), rows["label"].to_numpy()
    dots = figure.axes[0].collections[-1].get_offsets()
    edges = np.linspace(0, 1, 16)
    expected = [
        (p[inside].mean(), truth[inside].mean())
        for low, high in pairwise(edges)
        if (inside := (p >= low) & (p < high)).any()
    ]
    np.testing.assert_allclose(np.asarray(dots), expected, atol=1e-6)


def test_histograms_are_shares_of_each_class(tmp_path: Path) -> None:
    uneven = make_predictions(tmp_path, detectors={"d@1": None})
    uneven = uneven.filter((pl.col("label") == 0) | pl.col("path").str.ends_with("0.png"))
    axes = curves.logit_histogram(uneven).axes[0]
    for patch in (patch for patch in axes.patches if patch.get_fill()):
        x, y = patch.get_xy().T
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert area / np.diff(np.unique(x)).mean() == pytest.approx(1)
    assert len(axes.patches) == 4


def test_audit_colours_what_exceeds_the_line() -> None:
    table = pl.concat(
        [make_audit(0.93).with_columns(view=pl.lit("none")), make_audit(0.52).with_columns(view=pl.lit("v"))]
    )
    figure = figures.audit_figure(table)
    raw, aligned = ({patch.get_facecolor() for patch in axes.patches} for axes in figure.axes)
    assert len(raw) == len(aligned) == 1 and raw != aligned
    assert [axes.get_title("left") for axes in figure.axes] == ["raw", "v"]
    assert figure.axes[0].patches[0].get_width() == pytest.approx(0.43)


def test_audit_shows_the_history_beside_the_attributes() -> None:
    table = make_audit(0.52)
    history = table.filter(attributes="all").with_columns(
        attributes=pl.lit("history"), balanced_accuracy=pl.Series([0.9] + [0.55] * len(SUBSETS))
    )
    (axes,) = figures.audit_figure(pl.concat([table, history])).axes
    (diamonds,) = (found for found in axes.collections if isinstance(found, PathCollection))
    assert np.asarray(diamonds.get_offsets())[:, 0].tolist() == [0.9] + [0.55] * len(SUBSETS)
    assert len({tuple(colour) for colour in diamonds.get_facecolors()}) == 2
    assert len(axes.patches) == len(SUBSETS) + 1


def test_too_much_is_cut_with_a_note(tmp_path: Path) -> None:
    def clean(detectors: int, subsets: int) -> pl.DataFrame:
        return make_predictions(
            tmp_path, detectors={f"detector{i}@{i}": None for i in range(detectors)}, n=2, conditions=("none",),
            views=("none",), subsets=[f"set{i}" for i in range(subsets)],
        )  # fmt: skip

    tall, wide = clean(50, 2), clean(1, 26)
    assert "48 of 50 detectors shown." in texts(figures.matrix_figure(make_scores(tall)))[-1]
    assert "48 of 50 rows shown." in " ".join(texts(figures.interval_figure(make_scores(tall))))
    assert any("6 of 50 detectors shown." in text for text in texts(curves.roc_figure(tall)))
    shown = texts(figures.matrix_figure(make_scores(wide)))
    assert "24 of 26 test sets shown." in shown[-1] and "mean" in shown and "set24" not in shown


def test_files_are_the_same_bytes_for_the_same_numbers(scores: pl.DataFrame, tmp_path: Path) -> None:
    first = style.save_figure(figures.matrix_figure(scores), tmp_path / "a" / "matrix")
    second = style.save_figure(figures.matrix_figure(scores), tmp_path / "b" / "matrix")
    assert [path.name for path in first] == ["matrix.png", "matrix.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[1].read_text().startswith("<svg ") and "http" not in first[1].read_text().split(">", 1)[1]


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")
@pytest.mark.parametrize("name", [r"$\frac{1}$", "a$b", "</text><script>x</script>", "new\nline\x00", "名" * 90])
def test_hostile_names_are_drawn_as_they_are(tmp_path: Path, name: str) -> None:
    import xml.etree.ElementTree as ElementTree

    table = make_predictions(
        tmp_path, detectors={name: name}, subsets=[name], conditions=("none",), views=("none",), n=3
    )
    for figure in (figures.matrix_figure(make_scores(table)), curves.roc_figure(table), curves.logit_histogram(table)):
        ElementTree.fromstring(style.to_svg(figure))


def test_nothing_to_draw_says_so(predictions: pl.DataFrame, scores: pl.DataFrame) -> None:
    none, empty = scores.clear(), predictions.clear()
    drawn = [
        figures.matrix_figure(none), figures.interval_figure(none), figures.degradation_figure(none),
        figures.matrix_figure(scores, view="absent"), figures.audit_figure(make_audit().clear()),
        curves.roc_figure(empty), curves.reliability_figure(empty), curves.logit_histogram(empty),
    ]  # fmt: skip
    assert all("no " in " ".join(texts(figure)) for figure in drawn)


@pytest.mark.parametrize("labels", [(0,), (1,)])
def test_one_class_draws(tmp_path: Path, labels: tuple[int, ...]) -> None:
    one = make_predictions(tmp_path, labels=labels)
    table = make_scores(one)
    assert table.filter(metric="balanced_accuracy")["value"].is_null().all()
    for figure in (
        figures.matrix_figure(table), figures.matrix_figure(table, "auroc"), figures.interval_figure(table),
        figures.degradation_figure(table), curves.roc_figure(one), curves.reliability_figure(one),
        curves.logit_histogram(one), curves.reliability_figure(one.with_columns(p_ai=pl.lit(None, dtype=pl.Float32))),
    ):  # fmt: skip
        figure.draw_without_rendering()
