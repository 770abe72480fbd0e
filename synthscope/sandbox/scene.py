"""What a sandbox picture shows: a main object in a setting, under one sun, sometimes beside a signboard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthscope.runtime import seed_for
from synthscope.sandbox.lettering import WORDS, Word
from synthscope.sandbox.objects import THINGS, Thing

SETTINGS = {
    "meadow": "in a meadow",
    "lake": "by a lake",
    "beach": "on a beach",
    "street": "in a street",
    "room": "in a room",
}


@dataclass(frozen=True)
class Scene:
    """A description complete enough to draw; lengths are fractions of the image height, ``y`` points down.

    The last fields are what can be wrong with it, all false in a sound scene.
    """

    thing_index: int  # into THINGS
    setting: str
    word: Word | None
    meaning: int  # seed of colours and part counts: what a caption would tell
    layout: int  # seed of positions and textures: what it would not
    x: float  # foot of the main object, from the centre line
    foot: float
    height: float
    board_x: float  # foot of the signboard, from the centre line
    horizon: float
    lean: float  # horizontal run of a shadow for each unit of height; the sun stands on the other side
    length: float  # vertical run
    wrong_structure: bool = False
    floating: tuple[float, float, float] | None = None  # x, y, height of a second thing in mid-air
    wrong_shadow: bool = False
    wrong_reflection: bool = False

    @property
    def thing(self) -> Thing:
        """The kind of the main object."""
        return THINGS[self.thing_index]

    @property
    def shore(self) -> float:
        """Where dry ground begins: below the water, or at the horizon."""
        return self.horizon + 0.32 * (1 - self.horizon) if self.has_water else self.horizon

    @property
    def has_water(self) -> bool:
        """Whether the scene has a surface that mirrors."""
        return self.setting in ("lake", "beach")

    @property
    def prompt(self) -> str:
        """Caption of the scene."""
        sign = f" with a sign that reads {self.word.letters}" if self.word else ""
        return f"photo of a {self.thing.name} {SETTINGS[self.setting]}{sign}"


def sample_scene(thing_index: int, meaning: int, layout: int) -> Scene:
    """A random sound scene. Two scenes of one ``meaning`` share the caption, the colours and the part counts.

    >>> sample_scene(0, 1, 2).prompt == sample_scene(0, 1, 3).prompt
    True
    """
    rng = np.random.default_rng(seed_for(meaning, "meaning"))
    setting = list(SETTINGS)[rng.integers(len(SETTINGS))]
    word = WORDS[rng.integers(len(WORDS))]
    signed = rng.random() < 0.6 or THINGS[thing_index].name == "street sign"
    rng = np.random.default_rng(seed_for(layout, "layout"))
    thing, side = THINGS[thing_index], rng.choice([-1, 1])
    x, scale, board_x = rng.uniform(-0.12, 0.12), 1.0, 0.0
    if signed and thing.name != "street sign":  # which is its own signboard
        x, scale, board_x = side * rng.uniform(0.17, 0.22), 0.85, -side * rng.uniform(0.25, 0.29)
    return Scene(
        thing_index=thing_index,
        setting=setting,
        word=Word(word) if signed else None,
        meaning=meaning,
        layout=layout,
        x=float(x),
        foot=float(rng.uniform(0.82, 0.9)),
        height=float(rng.uniform(0.52, 0.62)) * thing.height * scale,
        board_x=float(board_x),
        horizon=float(rng.uniform(0.42, 0.55)),
        lean=float(rng.choice([-1, 1]) * rng.uniform(0.5, 0.9)),
        length=float(rng.uniform(0.1, 0.2)),
    )
