"""Assignments are balanced for any numbers, and nobody gets an image twice or one that was barred."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.annotations.project.assign import assign, in_turn
from synthscope.errors import UsageError


def images(counts: dict[tuple[str, str], int]) -> pl.DataFrame:
    rows = [(f"{g}/{c}/{i}", g, f"{g}\n{c}") for (g, c), n in counts.items() for i in range(n)]
    return pl.DataFrame(rows, ["path", "generator", "cell"], orient="row")


def spread(counts: Counter) -> int:
    return max(counts.values()) - min(counts.values())


@given(st.integers(2, 5), st.integers(4, 60), st.sampled_from([0.0, 0.1, 0.25, 0.5]), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_everybody_gets_as_many(people, n, overlap, seed) -> None:
    names = [f"p{i}" for i in range(people)]
    table = images({("a", "x"): n, ("a", "y"): n, ("b", "x"): 2 * n})
    given_ = assign(table, names, overlap=overlap, seed=seed)
    assert given_.equals(assign(table.sample(fraction=1, shuffle=True, seed=1), names, overlap=overlap, seed=seed))
    assert given_.is_unique().all()
    looks = given_["path"].value_counts()
    assert set(looks["path"]) == set(table["path"])
    assert looks.filter(count=2).height == round(overlap * 4 * n) and looks["count"].max() <= 2
    assert spread(Counter(given_["annotator"])) <= 1
    by_generator = Counter(zip(given_["annotator"], given_["path"].str.head(1), strict=True))
    for generator in "ab":
        assert (
            max(by_generator[name, generator] for name in names) - min(by_generator[name, generator] for name in names)
            <= 3
        )
    pairs = Counter(frozenset(own["annotator"]) for _, own in given_.group_by("path") if own.height == 2)
    if len(pairs) == people * (people - 1) // 2:
        assert spread(pairs) <= 2


def test_every_beginning_is_balanced() -> None:
    import numpy as np

    table = in_turn(images({("a", "x"): 40, ("a", "y"): 5, ("b", "x"): 9}), np.random.default_rng(0))
    assert Counter(table.head(10)["cell"]) in (
        Counter({"a\nx": 3, "a\ny": 2, "b\nx": 5}), Counter({"a\nx": 2, "a\ny": 3, "b\nx": 5}),
    )  # fmt: skip
    assert table["path"].n_unique() == 54


def test_so_many_each() -> None:
    table = images({("a", "x"): 200, ("b", "x"): 200})
    given_ = assign(table, ["p", "q", "r"], overlap=0.2, per_annotator=40)
    assert given_["annotator"].value_counts()["count"].to_list() == [40, 40, 40]
    assert given_["path"].n_unique() == 100 and (given_["path"].value_counts()["count"] == 2).sum() == 20


def test_nobody_gets_back_what_they_marked() -> None:
    table = images({("a", "x"): 30})
    barred = {path: frozenset({"p"}) for path in table["path"].to_list()[:12]}
    given_ = assign(table, ["p", "q"], barred=barred)
    assert not set(given_.filter(annotator="p")["path"]) & set(barred)
    assert Counter(given_["annotator"]) == {"p": 15, "q": 15}
    with pytest.raises(UsageError, match="who have not marked a/x/0 before, got 0"):
        assign(table, ["p"], barred={"a/x/0": frozenset({"p"})})


def test_what_cannot_be_is_said() -> None:
    table = images({("a", "x"): 3})
    with pytest.raises(UsageError, match="different names"):
        assign(table, ["p", "p"])
    with pytest.raises(UsageError, match="overlap between 0 and 1"):
        assign(table, ["p"], overlap=0.5)
