from __future__ import annotations

import pytest

from synthscope.config import Config, configured, load_recipe
from synthscope.errors import UsageError


class Optimizer(Config):
    lr: float = 0.1
    steps: list[int] = [1]


class Recipe(Config):
    name: str
    optimizer: Optimizer = Optimizer()
    fallback: Optimizer | None = None


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("name: small\noptimizer: {lr: 0.5}\n")
    return path


def load(path, *overrides):
    return load_recipe(Recipe, path, package="synthscope.training", overrides=list(overrides))


def test_reads_and_overrides(recipe):
    assert load(recipe).optimizer.lr == 0.5
    changed = load(recipe, "optimizer.lr=1e-4", "optimizer.steps=[2, 3]", "name=a=b", "fallback.lr=2")
    assert changed.optimizer.lr == 1e-4
    assert changed.optimizer.steps == [2, 3]
    assert changed.name == "a=b"
    assert changed.fallback == Optimizer(lr=2)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimizer.lrr=1", "Did you mean lr"),
        ("optimiser.lr=1", "Did you mean optimizer"),
        ("fallback.step=1", "Did you mean steps"),
        ("optimizer.lr=fast", "Expected a valid 'optimizer.lr'"),
        ("optimizer.lr", "Put an equals sign"),
        ("name.first=1", "Expected a group of keys at 'name'"),
        ("name=[", "Expected YAML in --set"),
    ],
)
def test_bad_overrides_are_one_sentence(recipe, override, sentence):
    with pytest.raises(UsageError, match=sentence):
        load(recipe, override)


def test_missing_and_broken_recipes(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(UsageError, match="recipe name or a .yaml"):
        load("no_such_recipe")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(UsageError, match="Expected YAML"):
        load(broken)
    broken.write_text("- 1")
    with pytest.raises(UsageError, match="keys and values"):
        load(broken)


def test_configurations_do_not_change(recipe):
    with pytest.raises(ValueError, match="frozen"):
        load(recipe).name = "other"


def test_functions_take_recipes_by_name_and_ready_ones(recipe):
    assert configured(Recipe, str(recipe), package="synthscope.training", overrides=["name=b"]).name == "b"
    ready = load(recipe)
    assert configured(Recipe, ready, package="synthscope.training") is ready
    with pytest.raises(UsageError, match="name=b beside a Recipe"):
        configured(Recipe, ready, package="synthscope.training", overrides=["name=b"])
