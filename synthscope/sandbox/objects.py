"""The main objects of the sandbox, with countable legs, petals, spokes and words.

A drawing is in local units: x to the right of the foot, y up from the ground, the whole about one unit high. The same
thing with wrong structure has a leg too many, petals missing, two spouts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from synthscope.sandbox import living, made
from synthscope.sandbox.shapes import Part


@dataclass(frozen=True)
class Thing:
    """A kind of main object: its name, its index among the sorted ImageNet synsets, how to draw it."""

    name: str
    class_index: int
    draw: Callable[[Generator, bool], list[Part]]  # the flag asks for wrong structure
    height: float = 1.0  # relative to the standard height of a main object


THINGS = (
    Thing("daisy", 985, living.daisy, 1.1),
    Thing("dining table", 532, made.table, 0.8),
    Thing("ram", 348, living.ram, 0.9),
    Thing("street sign", 919, made.street_sign, 1.15),
    Thing("umbrella", 879, made.umbrella),
    Thing("pinwheel", 723, made.pinwheel, 1.1),
    Thing("analog clock", 409, made.clock, 1.1),
    Thing("car wheel", 479, made.wheel, 0.85),
    Thing("teapot", 849, made.teapot, 0.8),
    Thing("zebra", 340, living.zebra, 0.9),
    Thing("traffic light", 920, made.traffic_light, 1.15),
    Thing("mushroom", 947, living.mushroom, 0.95),
)
