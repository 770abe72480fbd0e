"""Overlays draw what is there, examples are the ones the rule names, and their numbers are the measures'."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from PIL import Image

from synthscope.annotations import CATEGORIES
from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.localization.maps import relevance_mass
from synthscope.report.choice import Choice
from synthscope.report.heatmaps import examples
from synthscope.report.heatmaps.figure import heatmaps_figure, save_picture
from synthscope.report.heatmaps.overlays import SIDE, Panel, Region, annotated, colour_of, overlay, relative, tiles
from synthscope.report.heatmaps.side_by_side import Side, side_by_side
from synthscope.report.page.run import has_heatmaps
from tests.report.made_heatmaps import HEIGHT, WIDTH, half_map, make_heatmaps, make_verdicts

RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
HEAT = RNG.normal(size=(40, 60)).astype(np.float32)
BOX = np.zeros((40, 60), bool)
BOX[10:30, 20:50] = True


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 100), st.integers(0, 2**31))
def test_colours_do_not_depend_on_the_scale_of_a_map(factor: float, seed: int) -> None:
    heat = np.random.default_rng(seed).normal(size=(12, 9)).astype(np.float32)
    once, scaled = relative(heat), relative(np.float32(factor) * heat)
    np.testing.assert_allclose(once, scaled, atol=1e-5)
    assert once.min() == 0 and once.max() == 1
    np.testing.assert_array_equal(once[heat <= 0], 0)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 100), st.integers(0, 2**31))
def test_both_sides_of_a_signed_map_mirror_each_other(factor: float, seed: int) -> None:
    heat = np.random.default_rng(seed).normal(size=(12, 9)).astype(np.float32)
    heat[0, 0] = 0
    values = relative(np.float32(factor) * heat, signed=True)
    assert np.abs(values).max() == 1 and values[0, 0] == 0
    np.testing.assert_array_equal(values, -relative(np.float32(-factor) * heat, signed=True))
    np.testing.assert_allclose(values * np.abs(heat).max(), heat, rtol=1e-5)


def test_what_is_not_seen_is_outside_of_a_frame_and_of_the_heatmap() -> None:
    window = slice(10, 30), slice(20, 60)
    wild = HEAT.copy()
    wild[:10] = 1000
    found = tiles(Panel("d", IMAGE, wild, window, [Region(None, BOX)]), side=60)
    cut = tiles(Panel("d", IMAGE[window], HEAT[window], None, [Region(None, BOX[window])]), side=60)
    for name in ("heatmap", "both"):
        np.testing.assert_array_equal(found[name], cut[name])
    assert found["heatmap"].shape == (30, 60, 3)
    inside, outside = found["image"][14:26, 24:56], found["image"][:7]
    np.testing.assert_array_equal(inside, IMAGE[14:26, 24:56])
    assert (outside >= IMAGE[:7]).all() and outside.mean() > IMAGE[:7].mean() + 40
    frame = found["image"][10, 25:55]
    assert (frame == 255).all()  # a white line


def test_heat_is_the_colour_map_over_the_grey_image() -> None:
    grey = IMAGE @ np.array([0.299, 0.587, 0.114])
    for name, signed, values in (("inferno", False, (0.0, 1.0)), ("managua_r", True, (1.0, -1.0))):
        heat = HEAT.copy()
        heat[0, 0] = -np.abs(HEAT).max() if HEAT.max() == np.abs(HEAT).max() else np.abs(HEAT).max()
        drawn = overlay(IMAGE, heat, (), signed=signed).astype(int)
        for value in values:
            place = (value + 1) / 2 if signed else value
            colour, opacity = 255 * np.array(matplotlib.colormaps[name](place)[:3]), 0.35 + 0.45 * abs(value)
            places = relative(heat, signed=signed) == value
            expected = (1 - opacity) * grey[places][:, None] + opacity * colour
            assert places.any()
            np.testing.assert_allclose(drawn[places], expected, atol=0.51)
    constant = overlay(IMAGE, np.ones_like(HEAT), ())
    np.testing.assert_array_equal(constant, overlay(IMAGE, np.zeros_like(HEAT), ()))


def test_outlines_lie_on_the_border_of_the_region_alone() -> None:
    plain, outlined = overlay(IMAGE, HEAT, ()), overlay(IMAGE, HEAT, [Region(None, BOX)])
    changed = (plain != outlined).any(axis=2)
    assert changed[10, 25] and changed[29, 25] and changed[20, 20] and changed[20, 49]
    assert not changed[14:26, 24:46].any() and not changed[:7].any() and not changed[:, :17].any()
    np.testing.assert_array_equal(overlay(IMAGE, None, ()), IMAGE)


def test_annotations_are_tinted_in_the_colour_of_their_category() -> None:
    drawn = annotated(IMAGE, [Region("low-level-color", BOX)])
    tint = np.array(colour_of("low-level-color"))
    expected = 0.7 * IMAGE[13, 24] + 0.3 * tint
    np.testing.assert_allclose(drawn[13, 24], expected, atol=0.51)
    np.testing.assert_array_equal(drawn[:7], IMAGE[:7])
    assert len({colour_of(name) for name in [*(c.label for c in CATEGORIES), None]}) == 8


def test_tiles_have_one_size_and_lose_no_region() -> None:
    large = np.full((1000, 600, 3), 120, np.uint8)
    dot = np.zeros((1000, 600), bool)
    dot[503, 301] = True
    found = tiles(Panel("d", large, np.zeros((1000, 600), np.float32), None, [Region("low-level-symbol", dot)]))
    assert list(found) == ["image", "annotation", "heatmap", "both"]
    assert {tile.shape for tile in found.values()} == {(SIDE, 125, 3)}
    assert (found["annotation"] != found["image"]).any() and (found["both"] != found["heatmap"]).any()
    small = tiles(Panel("d", IMAGE, HEAT, None, ()))
    assert list(small) == ["image", "heatmap"] and small["image"].shape == (139, SIDE, 3)
    assert list(tiles(Panel("d", IMAGE, None, None, ()))) == ["image"]


@pytest.mark.filterwarnings("ignore:Glyph")
def test_the_figure_says_its_numbers_and_is_small(tmp_path: Path) -> None:
    smooth = np.linspace((0, 40, 90), (200, 120, 250), 60).astype(np.uint8)[None].repeat(40, axis=0)
    warm = smooth[..., 0].astype(np.float32)
    panels = [Panel("a$b$\n", smooth, HEAT, None, [Region("low-level-color", BOX)], "mass 0.123"),
              Panel("second", smooth, warm, None, [Region(None, BOX)], "mass 0.456")]  # fmt: skip
    figure = heatmaps_figure(panels, rule="by a rule")
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {"mass 0.123", "mass 0.456", "by a rule", "second", "Image", "3 Color", "no category"} <= words
    first = save_picture(figure, tmp_path / "a.png").read_bytes()
    assert len(first) <= 300_000 and Image.open(tmp_path / "a.png").width >= 500
    assert save_picture(heatmaps_figure(panels, rule="by a rule"), tmp_path / "b.png").read_bytes() == first
    with pytest.raises(SynthscopeError, match="at most 100 bytes"):
        save_picture(figure, tmp_path / "c.png", max_bytes=100)
    assert not (tmp_path / "c.png").exists()


def test_best_median_and_worst_are_those_of_the_measure(tmp_path: Path) -> None:
    masses = [0.5, 0.9, -1.0, 0.2, 0.7, 0.6]  # the third is blank
    paths = make_heatmaps(tmp_path, {("d@1", "gradcam"): masses}, conditions=("none", "jpeg:q=65"))
    make_verdicts(tmp_path, {"d@1": [2.0, -1.0, 2.0, 2.0, 2.0, 2.0]}, paths)
    [exhibit] = examples.gallery(tmp_path).exhibits
    assert exhibit.rule == (
        "Best, median and worst lift among 5 annotated images. Left out: 1 whose heatmap has nothing positive."
    )
    assert [(e.rank, Path(e.path).name) for e in exhibit.examples] == [
        ("best", "001.png"), ("median", "005.png"), ("worst", "003.png")
    ]  # fmt: skip
    best = exhibit.examples[0]
    assert best.about == "001.png, gen, called real, p(AI) 0.269"
    assert [tile.title for tile in best.tiles][-1] == "jpeg:q=65" and "Spearman with clean 1.00" in best.tiles[
        -1
    ].numbers
    from synthscope.detectors.input import InputConfig, place

    config = InputConfig(resize=8, resize_mode="square", crop=None)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:, : WIDTH // 2] = True
    expected = relevance_mass(place(half_map(0.9), config, (HEIGHT, WIDTH))[0], mask)
    assert abs(expected - 0.9) < 0.05  # but for the bilinear edge
    assert f"Relevance mass {expected:.3f}, chance 0.500" in best.tiles[2].numbers
    assert all(tile.alt and tile.uri.startswith("data:image/jpeg;base64,") for tile in best.tiles)


def test_files_and_their_number_can_be_chosen_and_the_page_says_so(tmp_path: Path) -> None:
    paths = make_heatmaps(tmp_path, {("d@1", "gradcam"): [0.5, 0.9, -1.0, 0.2, 0.7, 0.6]})
    [exhibit] = examples.gallery(tmp_path, Choice("00[0245].png", 3)).exhibits
    assert [(e.rank, e.path) for e in exhibit.examples] == [("chosen", paths[i]) for i in (0, 2, 4)]
    assert exhibit.rule == "Chosen by hand, not by a rule: 3 of 4 files that match 00[0245].png."
    assert [len(e.examples) for e in examples.gallery(tmp_path, Choice("*.png")).exhibits] == [6]
    [exhibit] = examples.gallery(tmp_path, Choice(limit=1)).exhibits
    assert [e.rank for e in exhibit.examples] == ["best"] and exhibit.rule.startswith("Best, median and worst")


def test_evidence_against_is_drawn_where_the_explainer_gives_some(tmp_path: Path) -> None:
    pairs = {("d@1", "gradcam"): [0.2, 0.5], ("d@1", "occlusion"): [-1.0, -2.0]}
    make_heatmaps(tmp_path, pairs, annotated=False)
    grey = examples.gallery(tmp_path)
    assert [meaning for _, meaning in grey.bars] == ["relevance, least to greatest"]
    signs = {"sign": {"gradcam": "non-negative", "occlusion": "signed"}}
    (tmp_path / "explain.json").write_text(json.dumps(signs))
    found = examples.gallery(tmp_path)
    assert [meaning for _, meaning in found.bars][1] == "evidence for real, none, evidence for AI"
    for before, after in zip(grey.exhibits, found.exhibits, strict=True):
        same = [a.tiles[-1].uri == b.tiles[-1].uri for a, b in zip(before.examples, after.examples, strict=True)]
        assert same == [before.explainer.startswith("gradcam")] * 2  # all of the other's relevance speaks for real


def test_fewer_images_than_ranks_and_images_that_are_gone(tmp_path: Path) -> None:
    paths = make_heatmaps(tmp_path, {("d@1", "gradcam"): [0.4, 0.6, 0.8]})
    Path(paths[2]).unlink()
    [exhibit] = examples.gallery(tmp_path).exhibits
    assert [(e.rank, e.path) for e in exhibit.examples] == [("best", paths[1]), ("median", paths[0])]


def test_first_seeds_and_every_detector_go_first(tmp_path: Path) -> None:
    detectors = ["a.all.seed0@1", "a.all.seed1@2", "b.all.seed0@3", "b.all.seed1@4"]
    make_heatmaps(tmp_path, {(d, e): [0.5] for d in detectors for e in ("gradcam", "occlusion")})
    found = examples.gallery(tmp_path)
    assert found.notes == ["6 of 8 pairs of detector and explainer are shown."]
    shown = [(exhibit.detector, exhibit.explainer.partition(",")[0]) for exhibit in found.exhibits]
    assert shown[:4] == [("a.all.seed0", "gradcam"), ("b.all.seed0", "gradcam"), ("a.all.seed0", "occlusion"),
                         ("b.all.seed0", "occlusion")]  # fmt: skip
    assert found.categories == [("#cc79a7", "3 Color")]


def test_without_annotations_images_are_drawn_by_hash(tmp_path: Path) -> None:
    make_heatmaps(tmp_path, {("d@1", "gradcam"): [0.4, 0.6, 0.8, 0.9]}, annotated=False)
    [exhibit] = examples.gallery(tmp_path).exhibits
    assert len(exhibit.examples) == 3 and "hash" in exhibit.rule
    assert [tile.title for tile in exhibit.examples[0].tiles] == ["Image", "Heatmap"]


def test_the_picture_has_the_median_difference_among_those_called_ai(tmp_path: Path) -> None:
    masses = {("a@1", "gradcam"): [0.9, 0.8, 0.7, 0.6, 0.9], ("b@2", "gradcam"): [0.1, 0.6, 0.6, 0.3, 0.8]}
    paths = make_heatmaps(tmp_path, masses)  # differences .8 .2 .1 .3 .1
    rows = Side(tmp_path, "a", "gradcam"), Side(tmp_path, "b@2", "gradcam")
    panels, rule = side_by_side(*rows)
    assert "among 5 that are annotated" in rule
    np.testing.assert_array_equal(panels[0].rgb, np.array(Image.open(paths[1])))
    make_verdicts(tmp_path, {"a@1": [1.0, -1.0, 1.0, 1.0, 1.0], "b@2": [1.0, 1.0, 1.0, 1.0, -1.0]}, paths)
    panels, rule = side_by_side(*rows)
    assert "among 3 that both call AI" in rule
    np.testing.assert_array_equal(panels[1].rgb, np.array(Image.open(paths[3])))
    assert [panel.title for panel in panels] == ["a, gradcam", "b, gradcam"]
    with pytest.raises(UsageError, match="Did you mean"):
        side_by_side(rows[0], Side(tmp_path, "b", "gradcamm"))


def test_twins_of_another_run_are_measured_against_the_first(tmp_path: Path) -> None:
    make_heatmaps(tmp_path / "one", {("a@1", "gradcam"): [0.9, 0.8, 0.7]})
    twins = make_heatmaps(tmp_path / "two", {("b@2", "gradcam"): [0.5, 0.7, 0.1]}, annotated=False)
    panels, _ = side_by_side(Side(tmp_path / "one", "a", "gradcam"), Side(tmp_path / "two", "b", "gradcam"))
    np.testing.assert_array_equal(panels[1].rgb, np.array(Image.open(twins[0])))  # .4, .1, .6
    assert panels[1].regions and panels[1].numbers.startswith("Relevance mass 0.5")


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(SynthscopeError, match="synthscope explain"):
        examples.gallery(tmp_path)
    make_heatmaps(tmp_path, {("d@1", "gradcam"): [0.5]})
    table = pl.read_parquet(tmp_path / "explanations.parquet")
    table.with_columns(input=pl.lit(None, pl.String)).write_parquet(tmp_path / "explanations.parquet")
    with pytest.raises(SynthscopeError, match="place in their images"):
        examples.gallery(tmp_path)
    assert not has_heatmaps(tmp_path)
    table.write_parquet(tmp_path / "explanations.parquet")
    assert has_heatmaps(tmp_path)
    Path(table["path"][0]).unlink()
    found = examples.gallery(tmp_path)
    assert found.exhibits == [] and "can be read" in found.notes[0]
