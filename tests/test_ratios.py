import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ratios import ROW, Ratio, entry, ratios, worse

NAMES = st.text("abc ,()_", min_size=1, max_size=20).map(str.strip).filter(bool)


@given(NAMES, st.floats(1e-3, 1e4), NAMES)
def test_what_a_benchmark_prints_is_read_again(what: str, value: float, against: str) -> None:
    (found,) = ratios(f"some text\n{Ratio(what, value, against)}\nmore")
    assert (found.what, found.against) == (what, against)
    assert found.value == pytest.approx(value, rel=6e-3)
    (kept,) = ratios(entry([found], "abc1234"), ROW)
    assert kept == found


def test_a_ratio_that_fell_is_held_against_the_newest_entry() -> None:
    history = entry([Ratio("predict", 0.9, "the floor")], "new") + entry([Ratio("predict", 0.5, "the floor")], "old")
    assert worse([Ratio("predict", 0.73, "the floor")], history, 0.2) == []
    assert worse([Ratio("predict", 0.71, "the floor")], history, 0.2) == [(Ratio("predict", 0.71, "the floor"), 0.9)]
    assert worse([Ratio("predict", 0.1, "a plain loop")], history, 0.2) == [], "another comparison"
