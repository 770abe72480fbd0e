"""``plot`` draws the figure of a table by its columns, and refuses in a sentence what it has no figure for."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from matplotlib.figure import Figure

import synthscope
from synthscope.data.audit import AUDIT
from synthscope.errors import SynthscopeError, UsageError
from synthscope.report.heatmaps.examples import gallery
from synthscope.report.plot import KINDS
from synthscope.schema import MANIFEST, PREDICTIONS, SCORES
from synthscope.scoring.left_out import LEFT_OUT
from tests.report.made_heatmaps import make_heatmaps

SCHEMAS = {"scores": SCORES, "audit": AUDIT, "predictions": PREDICTIONS, "manifest": MANIFEST, "left_out": LEFT_OUT}
HOSTILE = "<script>alert(1)</script>"


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text")))


def test_the_columns_of_a_table_tell_it_from_all_others() -> None:
    assert SCHEMAS.keys() == KINDS.keys()
    for name, schema in SCHEMAS.items():
        assert [kind for kind, (columns, _) in KINDS.items() if columns <= set(schema)] == [name]


def test_every_kind_of_figure_is_drawn_of_scores() -> None:
    row = {"detector": "one@1", "train_view": "none", "train_set": "adm", "test_set": "adm", "view": "none"}
    row |= {"condition": "none", "metric": "auroc", "value": 0.8125, "ci_low": 0.7, "ci_high": 0.9}
    scores = pl.DataFrame([row | {"n_real": 20, "n_ai": 20}]).select(
        [pl.col(name).cast(kind) if name in {*row, "n_real", "n_ai"} else pl.lit(None, kind).alias(name)
         for name, kind in SCORES.items()]
    )  # fmt: skip
    assert "81.2" in words(synthscope.plot(scores, "matrix", metric="auroc"))
    for kind in KINDS["scores"][1]:
        assert isinstance(synthscope.plot(scores, kind, metric="auroc"), Figure)


def left_out_row(detector: str, part: str, value: float, *, view: str = "aligned", condition: str = "none") -> dict:
    row = {"detector": detector, "train_view": "aligned", "part": part, "test_sets": "adm+biggan", "view": view}
    row |= {"condition": condition, "metric": "auroc", "value": value, "ci_low": value - 0.1, "ci_high": value + 0.1}
    return row


def test_rows_of_a_leave_out_run_stand_in_the_order_of_what_they_are_worth_on_unseen_sets() -> None:
    rows = [
        left_out_row("worse", "unseen", 0.6),
        left_out_row("worse", "seen", 0.9),
        left_out_row("better", "unseen", 0.7),
    ]
    rows += [left_out_row("better", "unseen", 0.65, view="none"), left_out_row("spectrum_lr", "unseen", 0.8)]
    panels = synthscope.plot(pl.DataFrame(rows, schema=LEFT_OUT), metric="auroc").axes
    assert [text.get_text() for text in panels[0].get_yticklabels()] == ["better", "worse", "spectrum_lr (floor)"]
    drawn = [sorted(float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "o") for axes in panels]
    assert drawn == [[0.9], [0.6, 0.7, 0.8], [0.65], []]  # seen; unseen; unseen, raw; degraded


def test_what_has_no_figure_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="got a table with the columns a"):
        synthscope.plot(pl.DataFrame({"a": [1]}))
    with pytest.raises(UsageError, match="Did you mean matrix"):
        synthscope.plot(pl.DataFrame(schema=SCORES), "matrx")
    with pytest.raises(UsageError, match="Did you mean metric"):
        synthscope.plot(pl.DataFrame(schema=SCORES), metrik="auroc")


def test_one_image_is_drawn_under_every_pair(tmp_path: Path) -> None:
    make_heatmaps(tmp_path, {("first@1", "gradcam"): [0.9, 0.2], ("second@2", "rise"): [0.5, 0.5]})
    figure = synthscope.plot(tmp_path, files="001.png")
    told = words(figure)
    assert "first, gradcam" in told and "second, rise" in told and "001.png, chosen by hand." in told
    assert "Relevance mass 0.2" in told and "Relevance mass 0.9" not in told
    with pytest.raises(UsageError, match="match 'no'"):
        synthscope.plot(tmp_path, files="no")
    for image in (tmp_path / "images").rglob("*.png"):
        image.unlink()
    with pytest.raises(SynthscopeError, match="got none any more"):
        synthscope.plot(tmp_path)


def test_a_gallery_shows_itself_and_escapes_what_it_was_given(tmp_path: Path) -> None:
    make_heatmaps(tmp_path, {(f"{HOSTILE}@1", "gradcam"): [0.9, 0.2]}, images=tmp_path / "a'\"><b onclick=x>")
    shown = gallery(tmp_path)._repr_html_()
    assert shown.count("<figure") == sum(len(one.tiles) for one in gallery(tmp_path).exhibits[0].examples) > 0
    assert shown.count("data:image/jpeg;base64,") >= shown.count("<figure")
    assert "<script" not in shown and "onclick=x>" not in shown and "&lt;script&gt;" in shown
