"""Artifacts change what their polygons say, and nothing else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.sandbox.artifacts import FREQUENCIES, draw_with_artifacts, keep_visible
from synthscope.sandbox.lettering import WORDS, Word, misspell, strokes
from synthscope.sandbox.objects import THINGS
from synthscope.sandbox.render import render
from synthscope.sandbox.scene import SETTINGS, sample_scene

SIZE = 96


def rasterise(polygons, height, width):
    """Official X-AIGD rasterisation: truncate, clip, fill with boundary."""
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        points = np.clip(polygon.astype(np.int32), 0, (width - 1, height - 1))
        cv2.fillPoly(mask, [points], 1)
    return mask.astype(bool)


@pytest.mark.parametrize("width", [SIZE, SIZE * 5 // 4])
def test_polygons_hold_every_change_and_little_else(width):
    seen, shares = set(), []
    for seed in range(40):
        scene = sample_scene(seed % len(THINGS), seed, seed + 100)
        sound = render(scene, width, SIZE)
        picture, artifacts = draw_with_artifacts(
            scene, width, SIZE, count=1 + seed % 4, rng=np.random.default_rng(seed)
        )
        changed = np.any(picture != sound, axis=2)
        region = rasterise([artifact.points for artifact in artifacts], SIZE, width)
        assert not np.any(changed & ~region)
        for artifact in artifacts:
            assert len(artifact.points) >= 3
            own = rasterise([artifact.points], SIZE, width)
            assert changed[own].mean() > 0.25
        seen |= {artifact.label for artifact in artifacts}
        shares.append(changed[region].mean())
    assert seen == set(FREQUENCIES)
    assert np.mean(shares) > 0.8


def test_every_kind_asked_for_is_visible():
    """Nearly always: a patch of smooth sky may have nothing to spoil."""
    drawn = []
    for seed in range(40):
        scene = sample_scene(seed % len(THINGS), seed, seed)
        _, artifacts = draw_with_artifacts(scene, SIZE, SIZE, count=3, rng=np.random.default_rng(seed))
        drawn.append(len({artifact.label for artifact in artifacts}))
    assert np.mean(drawn) > 2.9


def test_keep_visible_finds_a_square_and_drops_a_speck():
    before = np.full((100, 100, 3), 0.25, np.float32)
    after = before.copy()
    after[20:40, 30:60] = 0.5
    after[80, 80] = 0.9
    merged, outlines = keep_visible(before, after)
    assert len(outlines) == 1
    assert (outlines[0].min(axis=0) == (30, 20)).all() and (outlines[0].max(axis=0) == (59, 39)).all()
    expected = before.copy()
    expected[20:40, 30:60] = 0.5
    assert (merged == expected).all()


@pytest.mark.parametrize("thing", range(len(THINGS)), ids=[thing.name for thing in THINGS])
def test_wrong_structure_shows_on_every_thing(thing):
    scene = sample_scene(thing, 3, 4)
    _, outlines = keep_visible(render(scene, 128, 128), render(replace(scene, wrong_structure=True), 128, 128))
    assert outlines


def test_a_wrong_shadow_falls_on_the_other_side():
    scene = replace(sample_scene(10, 3, 4), word=None, setting="street", x=0.0, lean=0.8)
    sound, wrong = (render(replace(scene, wrong_shadow=flag), 128, 128) for flag in (False, True))
    right = np.s_[round(scene.horizon * 128) + 4 : 122, 80:126]
    left = np.s_[round(scene.horizon * 128) + 4 : 122, 2:48]
    assert sound[right].mean() < wrong[right].mean() and sound[left].mean() > wrong[left].mean()


def test_scenes_of_one_caption_share_what_it_tells():
    first, second = sample_scene(2, 7, 1), sample_scene(2, 7, 2)
    assert first.prompt == second.prompt and first != second
    assert np.any(render(first, 64, 64) != render(second, 64, 64))
    assert {sample_scene(0, seed, 0).setting for seed in range(60)} == set(SETTINGS)


@given(st.sampled_from(WORDS), st.integers(0, 1000))
def test_a_misspelling_keeps_the_letters_and_is_no_word(word, seed):
    wrong = misspell(word, np.random.default_rng(seed))
    assert wrong != word and wrong not in WORDS and set(wrong) == set(word) and len(wrong) - len(word) in (0, 1)


@given(st.sampled_from(WORDS), st.integers(0, 10**6))
def test_lettering_stays_near_its_box(word, malformed):
    points = np.concatenate(strokes(Word(word, malformed), (1.0, 2.0), (4.0, 1.0)))
    assert (points >= (0.9, 1.9)).all() and (points <= (5.1, 3.1)).all()
