from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks import scope as benchmark
from synthscope.data.images import read_rgb
from synthscope.inspection.scope import APPLIES, ERROR_RATES, LIMITS, check_scope
from synthscope.sandbox.graphics import KINDS, draw

SHARED = Path(__file__).parents[2].parent / "shared"
needs_images = pytest.mark.skipif(
    not (SHARED / "images_2026").is_dir(), reason="needs shared/images and shared/images_2026 beside the repository"
)
TOLD = re.compile(
    r"applies to (\d+) of (\d+) photographs that its limit was set on, to (\d+) of (\d+) others, "
    r"and to (\d+) of (\d+) drawn [a-z, ]+ \(python benchmarks/scope\.py\)"
)


@cache
def example(kind: str) -> np.ndarray:
    return np.asarray(draw(kind, 1))


def rules(rgb: np.ndarray) -> list[str]:
    return [check.rule for check in check_scope(rgb) if check.applies]


def textured(height: int, width: int) -> np.ndarray:
    """Smooth shapes under grain, as a camera has them."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return (smooth + rng.normal(0, 3, (height, width, 1))).clip(0, 255).astype(np.uint8)


def as_jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return read_rgb(file.getvalue())


def test_every_rule_is_told_for_every_image() -> None:
    checks = check_scope(textured(300, 400))
    assert [check.rule for check in checks] == ["size", *LIMITS]
    for check in checks:
        assert not check.applies and check.sentence.endswith(".") and check.value is not None
        assert check.limit == LIMITS.get(check.rule, 64)


@pytest.mark.parametrize(("side", "applies"), [(63, True), (64, False)])
def test_the_short_side_has_a_limit(side: int, applies: bool) -> None:
    for rgb in (textured(side, 500), textured(500, side)):
        size = check_scope(rgb)[0]
        assert (size.applies, size.value) == (applies, side)
        assert f"{side} pixels" in size.sentence


@pytest.mark.parametrize("quality", [None, 90, 75])
@pytest.mark.parametrize("rule", LIMITS)
def test_a_rule_applies_to_what_it_is_made_for_and_jpeg_leaves_it(rule: str, quality: int | None) -> None:
    rgb = example({"flat": "blank", "screenshot": "chat", "text": "text page", "drawing": "drawing"}[rule])
    check = {check.rule: check for check in check_scope(rgb if quality is None else as_jpeg(rgb, quality))}[rule]
    assert check.applies and check.sentence == APPLIES[rule]
    assert check.value is not None and check.limit is not None and check.value >= check.limit


@pytest.mark.parametrize("quality", [None, 75, 30])
def test_what_looks_like_a_photograph_is_in_scope(quality: int | None) -> None:
    rgb = textured(600, 800)
    cut_out = rgb.copy()
    cut_out[:, :300], cut_out[:150] = 255, 255  # a thing on white
    barred = rgb.copy()
    barred[:80], barred[-80:] = 0, 0  # a film's bars
    for image in (rgb, cut_out, barred):
        assert rules(image if quality is None else as_jpeg(image, quality)) == []


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 3), st.booleans())
def test_flips_and_turns_do_not_change_the_answer(kind: str, turns: int, flip: bool) -> None:
    rgb = example(kind)
    turned = np.ascontiguousarray(np.rot90(rgb[:, ::-1] if flip else rgb, turns))
    assert rules(turned) == rules(rgb)


@needs_images
def test_flips_and_turns_of_photographs_do_not_change_what_is_measured_much() -> None:
    files = benchmark.classes(SHARED / "images", SHARED / "images_2026", held_out=False)["photographs"]
    for path in files[::80]:
        rgb = read_rgb(path)
        for other in (rgb[::-1], rgb[:, ::-1], np.rot90(rgb)):
            for a, b in zip(check_scope(rgb), check_scope(np.ascontiguousarray(other)), strict=True):
                assert a.applies == b.applies
                if a.rule in ("size", "flat", "drawing"):
                    assert a.value == b.value, (path, a.rule)


# The figures


def test_every_error_rate_says_what_it_was_measured_on() -> None:
    assert list(ERROR_RATES) == list(LIMITS)
    assert all(TOLD.fullmatch(text) for text in ERROR_RATES.values())
    assert {check.rule: check.error_rate for check in check_scope(textured(80, 80))} == {"size": "", **ERROR_RATES}


@needs_images
def test_the_figures_of_photographs_are_measured_again() -> None:
    files = benchmark.classes(SHARED / "images", SHARED / "images_2026", held_out=False)["photographs"]
    found = [benchmark.refused(benchmark.of_file(path)) for path in files]
    for rule, text in ERROR_RATES.items():
        told = TOLD.fullmatch(text)
        assert told and (int(told[1]), int(told[2])) == (sum(rule in rules for rules in found), len(files))


@needs_images
def test_the_figure_of_drawn_pages_is_measured_again() -> None:
    rule = "text"  # the others take minutes
    files = benchmark.classes(SHARED / "images", SHARED / "images_2026", held_out=False)["photographs"]
    tasks = [(kind, seed, benchmark.shown(files, seed)) for kind in benchmark.OWN[rule] for seed in benchmark.SEEDS]
    hits = [rule in benchmark.refused(benchmark.drawn(task)) for task in tasks]
    told = TOLD.fullmatch(ERROR_RATES[rule])
    assert told and (int(told[5]), int(told[6])) == (sum(hits), len(hits))
