from __future__ import annotations

import pytest

from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.registry import Registry


@pytest.fixture
def shapes() -> Registry[object]:
    registry: Registry[object] = Registry("shape")
    registry.register("circle", 3.14)
    registry.register("lazy", "math:tau")
    return registry


def test_in_never_raises_and_lists_sorted(shapes):
    assert "circle" in shapes
    assert "square" not in shapes
    assert 7 not in shapes and None not in shapes
    assert list(shapes) == ["circle", "lazy"]


def test_lazy_value_is_imported_on_first_use(shapes):
    import math

    assert shapes["lazy"] == math.tau


def test_duplicate_name_raises(shapes):
    with pytest.raises(UsageError, match="'circle', which is taken"):
        shapes.register("circle", 1)


def test_unknown_name_suggests(shapes):
    with pytest.raises(UsageError, match="Did you mean circle?"):
        shapes["circl"]


def test_decorator_registers(shapes):
    @shapes.add("square")
    def square() -> None: ...

    assert shapes["square"] is square


def test_third_party_file(shapes, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("class Mine: side = 2\n")
    assert shapes[f"{file}:Mine"].side == 2
    with pytest.raises(UsageError, match="Did you mean Mine"):
        shapes[f"{file}:Min"]
    with pytest.raises(UsageError, match="does not exist"):
        shapes[f"{tmp_path}/absent.py:Mine"]


def test_suggest_lists_all_when_nothing_is_near():
    assert suggest("zzz", ["b", "a"]) == "Choose one of: a, b."
    assert suggest("zzz", []) == "There are none to choose from."


def test_a_wrong_line_of_registration_is_named() -> None:
    names: Registry[object] = Registry("explainer")
    names.register("blue", "synthscope.explainers.azure:Blue")
    names.register("red", "synthscope.explainers.rise:Red")
    for name, target in (("blue", "synthscope.explainers.azure:Blue"), ("red", "synthscope.explainers.rise:Red")):
        with pytest.raises(
            SynthscopeError, match=f"Expected {target} for the explainer '{name}', got: .*Mend the line"
        ):
            names[name]
