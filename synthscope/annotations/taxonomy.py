"""The seven categories of perceptual artifacts in three levels (X-AIGD, arXiv 2601.19430), in their official order."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

LEVELS = ("Low-level Distortions", "High-level Semantics", "Cognitive-level Counterfactuals")


@dataclass(frozen=True)
class Category:
    """One kind of artifact."""

    label: str  # the official string
    name: str  # as viewers show it
    level: str  # one of LEVELS
    number: int  # 1..7, also the key in annotation tools


CATEGORIES: tuple[Category, ...] = (
    Category("low-level-edge_shape", "Edge & Shape", LEVELS[0], 1),
    Category("low-level-texture", "Texture", LEVELS[0], 2),
    Category("low-level-color", "Color", LEVELS[0], 3),
    Category("low-level-symbol", "Symbol", LEVELS[0], 4),
    Category("high-level-semantics", "Semantics", LEVELS[1], 5),
    Category("cognitive-level-commonsense", "Commonsense", LEVELS[2], 6),
    Category("cognitive-level-physics", "Physics", LEVELS[2], 7),
)
CONFIDENCE = {"sure": 1.0, "unsure": 0.5, "no artifact": 0.0}  # the scale of X-AIGD's review of regions
LABELS = tuple(category.label for category in CATEGORIES)
BY_LABEL = {category.label: category for category in CATEGORIES}
_NAMES = {name.casefold(): c.label for c in CATEGORIES for name in (c.label, c.name)}
_PREFIXES = ("low-level-", "high-level-", "cognitive-level-")


def recognise(label: str | None) -> tuple[str | None, str | None]:
    """A label of another tool as ``(category, text)``: ours where that is sure, else kept as text.

    A misspelt label of ours stays a category, so that ``annotate validate`` finds it.

    >>> recognise("Edge & Shape"), recognise("hand")
    (('low-level-edge_shape', None), (None, 'hand'))
    """
    key = (label or "").strip().casefold()
    if key in _NAMES:
        return _NAMES[key], None
    return (label, None) if key.startswith(_PREFIXES) else (None, label or None)


def confidence_of(text: str) -> float:
    """A confidence as tools write it: a word of ``CONFIDENCE``, or a number.

    >>> confidence_of("unsure"), confidence_of("0.25")
    (0.5, 0.25)
    """
    return CONFIDENCE[text] if text in CONFIDENCE else float(text)


def confidence_word(value: float | None) -> str | None:
    """The word of a confidence; None where it has none."""
    return next((word for word, known in CONFIDENCE.items() if known == value), None)


def label_studio_config() -> str:
    """Labelling configuration (XML) of the taxonomy for Label Studio: polygons, boxes, brushes, reason, confidence."""
    return (files("synthscope.annotations") / "label_studio.xml").read_text(encoding="utf-8")
