"""Configurations: strict pydantic models, read from YAML recipes, changed by ``--set key.path=value``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime.files import read_text, reason

Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what numpy, torch and the tables can hold


class Config(BaseModel):
    """Base of every configuration: unknown keys are errors, values do not change after construction."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=Config)


def recipe_names(package: str) -> list[str]:
    """Names of the YAML recipes that ship in ``package``, such as ``synthscope.training``."""
    folder = files(package) / "recipes"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_summary(recipe: str, package: str) -> str:
    """First sentence of the comment at the top of a shipped recipe."""
    text = (files(package) / "recipes" / f"{recipe}.yaml").read_text(encoding="utf-8")
    lines = takewhile(lambda line: line.startswith("#"), text.splitlines())
    comment = " ".join(line.lstrip("# ") for line in lines)
    return re.split(r"(?<=[^A-Z\d.]\.) |(?<=\?) ", comment, maxsplit=1)[0].rstrip(".")


def load_recipe(kind: type[C], recipe: str | Path, *, package: str, overrides: list[str] | None = None) -> C:
    """Read a recipe by file path or by shipped name, apply ``a.b=c`` overrides and validate.

    Values of overrides are YAML: ``seed=3``, ``optimizer.lr=1e-4``, ``train.subsets=[ADM]``.
    Raises ``UsageError`` for a missing recipe, broken YAML, an unknown key (with the nearest known one) or a bad value.
    """
    text, origin = _read(recipe, package)
    try:
        tree = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: such as a 13th month
        raise UsageError(f"Expected YAML in {origin}, got: {reason(error)}. Mend the file.") from error
    if not isinstance(tree, dict):
        raise UsageError(f"Expected keys and values in {origin}, got {type(tree).__name__}. Mend the file.")
    for override in overrides or []:
        _override(tree, override)
    return validate(kind, tree, origin)


def configured(kind: type[C], config: C | str | Path, *, package: str, overrides: Sequence[str] | None = None) -> C:
    """``config`` itself, or the recipe of that name or file, with ``overrides``; see :func:`load_recipe`.

    Raises:
        UsageError: As :func:`load_recipe`; or overrides of what is no recipe.
    """
    if isinstance(config, str | Path):
        return load_recipe(kind, config, package=package, overrides=list(overrides or ()))
    if overrides:
        raise UsageError(
            f"Expected overrides of a recipe's name or file, got {overrides[0]} beside a {kind.__name__}. "
            f"Change that one with model_copy(update={{…}})."
        )
    return config


def validate(kind: type[C], tree: dict[str, Any], origin: str) -> C:
    """``kind`` built from plain values; the first problem becomes a ``UsageError`` naming ``origin`` and the key."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            advice = suggest(str(problem["loc"][-1]), _keys_beside(kind, problem["loc"]))
            raise UsageError(f"Expected a known key in {origin}, got {key!r}. {advice}") from None
        raise UsageError(
            f"Expected a valid {key!r} in {origin}, got {problem['input']!r}: {problem['msg']}. Change the value."
        ) from None


def _read(recipe: str | Path, package: str) -> tuple[str, str]:
    path = Path(recipe)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise UsageError(f"Expected a recipe file, got {path}, which does not exist. Check the path.")
        try:
            return read_text(path, what="YAML in", advice="Save it in UTF-8."), str(path)
        except SynthscopeError as error:
            raise UsageError(str(error)) from error
    shipped = files(package) / "recipes" / f"{recipe}.yaml"
    if not shipped.is_file():
        advice = suggest(str(recipe), recipe_names(package))
        raise UsageError(f"Expected a recipe name or a .yaml file, got {str(recipe)!r}. {advice}")
    return shipped.read_text(), f"recipe {recipe}"


def _override(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UsageError(f"Expected --set key.path=value, got {override!r}. Put an equals sign after the key.")
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise UsageError(
                f"Expected a group of keys at {parent!r} in --set {override}, got a value. Shorten the key."
            )
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"Expected YAML in --set {override}, got {value!r}. Quote the value.") from None


def _keys_beside(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    model: Any = kind
    for part in location[:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        if field is None:
            break
        arguments = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)), model)
    return list(model.model_fields)
