"""Named recipes and sets: what they spell, what readers see of them, and the page that lists them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.data.align.views import PROTOCOLS, view_id
from synthscope.data.degrade import DEGRADATIONS
from synthscope.data.degrade.chains import CHAINS, NAMED, SETS, chain_notes, chain_words
from synthscope.data.degrade.listing import MARK, markdown, plain
from synthscope.data.degrade.recipe import expand, parse_recipe
from synthscope.errors import UnreadableImageError, UsageError
from tests.data.test_degrade import ONE_OF_EACH, noise_image

PAGE = Path(__file__).parents[2] / "docs" / "degradations.md"


def test_names_are_those_of_nothing_else() -> None:
    assert not set(NAMED) & {*DEGRADATIONS, *PROTOCOLS, "none", "raw"}
    assert SETS == ["genimage", "social", "screenshot", "ladder"]


@pytest.mark.parametrize("name", CHAINS)
def test_a_named_recipe_is_canonical_and_shown_by_its_words(name: str) -> None:
    chain = CHAINS[name]
    assert str(parse_recipe(chain.recipe)) == chain.recipe
    assert expand([name]) == [chain.recipe] and view_id(name) == chain.recipe
    assert chain_words(chain.recipe) == chain.words
    assert "assumed" in chain.source
    assert len({one.words for one in CHAINS.values()} | {one.recipe for one in CHAINS.values()}) == 2 * len(CHAINS)


def test_sets_spell_recipes_each_once() -> None:
    assert len(expand(["social"])) == len(NAMED["social"]) == 10
    assert expand(["screenshot"])[0] == "display:width=1080,height=2340"
    assert len(expand(["ladder"])) == 30
    assert expand(["ladder"])[:2] == ["jpeg:q=90", "jpeg:q=75"]
    assert expand(["signal|whatsapp"]) == [f"{CHAINS['signal'].recipe}|{CHAINS['whatsapp'].recipe}"]
    assert len(expand(["screenshot|jpeg@1..2"])) == 8
    with pytest.raises(UsageError, match="Expected one recipe, got 'social', which means 10"):
        view_id("social")
    with pytest.raises(UsageError, match="Did you mean signal"):
        parse_recipe("signl")


def test_readers_see_words_and_what_they_stand_for() -> None:
    signal = CHAINS["signal"].recipe
    assert chain_notes(["none", "jpeg:q=50"]) == []
    assert chain_notes(["none", signal])[0].endswith(f"Signal-like is {signal}.")


def test_the_page_lists_what_there_is() -> None:
    assert PAGE.read_text(encoding="utf-8").partition(MARK)[2] == f"\n{markdown()}", (
        "Run python -m synthscope.data.degrade.listing."
    )
    draws = [op for op in DEGRADATIONS if DEGRADATIONS[op].draws]
    assert draws == ["noise"] and "only `noise` draws" in PAGE.read_text(encoding="utf-8")


def test_the_list_names_every_step_recipe_and_set() -> None:
    lines = plain().splitlines()
    assert max(map(len, lines)) <= 100
    names = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert names == [*DEGRADATIONS.registered, *CHAINS, *SETS]
    assert any(line.split()[1:4] == ["q", "(1", "to"] for line in lines if line.startswith("  webp"))


QUICK = [text for text in ONE_OF_EACH if not text.startswith(("heic", "lr"))]
EXTRA = ["profile:display_p3", "display:width=37,height=50", "resize:mp=0.001", "resize:wide=9", "rejpeg:q=30,times=2"]
SHORT = ["signal", "deltachat", "rephoto", "mms", "cropped_screenshot"]


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.lists(st.sampled_from(QUICK + EXTRA + SHORT), min_size=1, max_size=3),
    st.integers(0, 9),
)  # fmt: skip
def test_any_chain_on_any_size_gives_the_promised_shape_twice_or_a_sentence(
    height: int, width: int, steps: list[str], seed: int
) -> None:
    recipe, rgb = parse_recipe("|".join(steps)), noise_image(height, width, seed)
    rgb.flags.writeable = False  # a write would raise
    try:
        first = recipe.apply(rgb, key="image")
    except UnreadableImageError as error:
        assert str(error).startswith("Expected")
        return
    assert first.dtype == np.uint8
    assert first.shape == (*recipe.shape_after(height, width), 3)
    assert np.array_equal(first, recipe.apply(rgb, key="image"))


@pytest.mark.parametrize("name", ["social", "screenshot"])
@pytest.mark.parametrize("size", [(1, 1), (7, 3)])
def test_tiny_images_take_every_way(name: str, size: tuple[int, int]) -> None:
    for text in expand([name]):
        recipe = parse_recipe(text)
        assert recipe.apply(noise_image(*size), key="image").shape == (*recipe.shape_after(*size), 3)
