"""Recipe strings to image operations: ``lr:112``, ``jpeg:q=65|blur:sigma=3``, ``jpeg@1..5``, ``genimage``, ``signal``.

A recipe is a chain of steps applied left to right to uint8 RGB pixels at native size, before a detector's own
transform. Its canonical text is the id that tables store.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from synthscope.data.degrade import DEGRADATIONS
from synthscope.data.degrade.chains import NAMED
from synthscope.data.degrade.codecs import encoder_versions as encoder_versions
from synthscope.data.degrade.step import Step
from synthscope.data.degrade.windows import Window
from synthscope.data.images import read_file, read_rgb
from synthscope.data.in_work import image_task
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime import seed_for

_UNDRAWN = np.random.default_rng(0)  # for steps that draw nothing: making one takes as long as a small crop


@dataclass(frozen=True)
class Recipe:
    """A chain of steps; ``str(recipe)`` is its id, with parameters in fixed order and defaults left out.

    >>> str(parse_recipe(" jpeg:subsampling=420,q=65 | lr:112"))
    'jpeg:q=65|lr:112'
    """

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "|".join(map(str, self.steps)) or "none"

    @property
    def local(self) -> bool:
        """Whether a part of the result needs but a part of the image, at the same place."""
        return all(step.reach is not None for step in self.steps)

    def apply(self, rgb: np.ndarray, *, key: str, seed: int = 0, window: Window | None = None) -> np.ndarray:
        """Degrade one image, deterministically.

        Args:
            rgb: uint8 ``(H, W, 3)``; never modified, but returned as it is where nothing changes.
            key: Identifies the image, such as the SHA-256 of its file.
            seed: Chooses the noise, together with ``key`` and the recipe.
            window: The part of the result that is asked for: the same pixels, at less work where the recipe is
                :attr:`local`; all of it if None.

        Returns:
            uint8 ``(H', W', 3)``.

        Raises:
            SynthscopeError: Pixels of another shape or type.
            UnreadableImageError: A size that a step cannot produce or its file format cannot hold.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise SynthscopeError(f"Expected uint8 (H, W, 3) pixels, got {rgb.dtype} {rgb.shape}. Convert to RGB.")
        part = self._needed(window, *rgb.shape[:2]) if window and self.local else None
        rgb = rgb if part is None else part.of(rgb)
        draws = any(step.draws for step in self.steps)
        rng = np.random.default_rng(seed_for(seed, key, str(self))) if draws else _UNDRAWN
        for step in self.steps:
            rgb = step.apply(rgb, rng)
        if window is None:
            return rgb
        return (window if part is None else window.within(part)).of(rgb)

    def _needed(self, window: Window, height: int, width: int) -> Window:
        for step in reversed(self.steps):
            window = window.grown(step.reach or 0, height, width)
        return window

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what :meth:`apply` makes of an image of ``height`` x ``width`` pixels.

        >>> parse_recipe("crop:size=450,grid=16|resize:scale=0.5").shape_after(512, 400)
        (225, 200)
        """
        for step in self.steps:
            height, width = step.shape_after(height, width)
        return height, width


def parse_recipe(text: str) -> Recipe:
    """The one recipe that ``text`` spells.

    Raises:
        UsageError: Unknown operation or parameter, a value missing or out of range, or a text that means several
            recipes (``social``, ``jpeg@1..5``).
    """
    recipes = _recipes(text)
    if len(recipes) != 1:
        raise UsageError(f"Expected one recipe, got {text!r}, which means {len(recipes)}. Name one of them.")
    return recipes[0]


@image_task()
def read_viewed(path: str | Path, view: Recipe, *, seed: int = 0) -> np.ndarray:
    """Decode an image and apply its view, seeded by the bytes of the file as everywhere.

    Returns:
        uint8 ``(H, W, 3)``.

    Raises:
        UnreadableImageError: No image, or one that the view cannot be applied to.
    """
    data, sha256 = read_file(path)
    return view.apply(read_rgb(data, name=path), key=sha256, seed=seed)


def expand(texts: list[str]) -> list[str]:
    """Canonical ids of all recipes that ``texts`` spell, each once, in order.

    >>> expand(["none", "jpeg@2..3", "genimage|none"])[:4]
    ['none', 'jpeg:q=75', 'jpeg:q=50', 'lr:112']
    """
    return list(dict.fromkeys(str(recipe) for text in texts for recipe in _recipes(text)))


def _recipes(text: str) -> list[Recipe]:
    """All recipes of a text: every step is one or several alternatives, a chain is their product."""
    choices = [_alternatives(step.strip()) for step in text.split("|")]
    chains = ("|".join(chain).split("|") for chain in itertools.product(*choices))
    return [Recipe(tuple(_step(step) for step in chain if step != "none")) for chain in chains]


def _alternatives(step: str) -> tuple[str, ...]:
    if step in NAMED:
        return tuple(str(recipe) for text in NAMED[step] for recipe in _recipes(text))
    op, at, severities = step.partition("@")
    if not at:
        return (step,)
    first, _, last = severities.partition("..")
    ladder = _kind(op, step).ladder
    if not ladder:
        raise UsageError(f"Expected a degradation with a ladder, got {step!r}. Write {op}:… with its parameters.")
    levels = [str(level) for level in range(1, len(ladder) + 1)]
    if first not in levels or (last or first) not in levels or int(last or first) < int(first):
        raise UsageError(f"Expected {op}@1 to {op}@{len(ladder)} or {op}@1..{len(ladder)}, got {step!r}. Change it.")
    return tuple(f"{op}:{ladder[level - 1]}" for level in range(int(first), int(last or first) + 1))


def _kind(op: str, step: str) -> type[Step]:
    if op not in DEGRADATIONS:
        advice = suggest(op, ["none", *NAMED, *DEGRADATIONS])
        raise UsageError(f"Expected a degradation in step {step!r}, got {op!r}. {advice}")
    return DEGRADATIONS[op]


def _step(text: str) -> Step:
    op, _, parameters = text.partition(":")
    kind = _kind(op.strip(), text)
    values: dict[str, str] = {}
    for position, parameter in enumerate(parameters.split(",") if parameters.strip() else []):
        name, equals, value = (part.strip() for part in parameter.partition("="))
        if not equals and position == 0 and kind.positional:
            name, value = kind.positional, name
        if not value or name in values:
            raise UsageError(f"Expected name=value pairs in step {text!r}, got {parameter!r}. Give each name once.")
        values[name] = value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = max(error.errors(), key=lambda problem: problem["type"] == "extra_forbidden")  # a typo explains more
        name = str(problem["loc"][0])
        if problem["type"] == "extra_forbidden":
            advice = suggest(name, kind.model_fields)
            raise UsageError(f"Expected a parameter of {op!r} in step {text!r}, got {name!r}. {advice}") from None
        if problem["type"] == "missing":
            raise UsageError(f"Expected {name!r} in step {text!r}, got no value. Write {op}:{name}=….") from None
        raise UsageError(
            f"Expected a valid {name!r} in step {text!r}, got {values[name]!r}: {problem['msg']}. Change the value."
        ) from None
    except SynthscopeError as error:
        raise UsageError(f"Expected {error} in step {text!r}, got several or none. Give one.") from None
