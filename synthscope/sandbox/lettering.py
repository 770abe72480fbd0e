"""Words for signboards in a stroke alphabet, well formed, misspelt or malformed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

WORDS = (
    "CAFE", "OPEN", "PARK", "HOTEL", "BEACH", "TAXI", "BOOKS", "MUSIC", "FARM", "BREAD", "FRUIT", "STOP",
    "EXIT", "BIKES", "SHOES", "LAKE", "NORTH", "MARKET", "GARDEN", "MUSEUM",
)  # fmt: skip

# Strokes as runs of grid points "xy", x in 0..2, y in 0..4 upwards.
_ALPHABET = {
    "A": "0003142320 0222", "B": "00041423120212211000", "C": "24040020", "D": "00041423211000", "E": "24040020 0212",
    "F": "240400 0212", "G": "240400202212", "H": "0004 2024 0222", "I": "1014", "J": "24211001", "K": "0004 240220",
    "L": "040020", "M": "0004122420", "N": "00042024", "O": "0004242000", "P": "0004242202", "Q": "0004242000 1120",
    "R": "0004242202 1220", "S": "240402222000", "T": "0424 1410", "U": "04002024", "V": "041024", "W": "0400122024",
    "X": "0024 0420", "Y": "041224 1210", "Z": "04240020",
}  # fmt: skip


@dataclass(frozen=True)
class Word:
    """Letters A-Z; a non-zero ``malformed`` seeds the distortion of their shapes."""

    letters: str
    malformed: int = 0


def strokes(word: Word, corner: tuple[float, float], size: tuple[float, float]) -> list[np.ndarray]:
    """Polylines ``(n, 2)`` of a word, filling the box of ``size`` (width, height) whose lower left is ``corner``."""
    advance = size[0] / len(word.letters)
    scale = np.array([advance * 0.68 / 2, size[1] / 4])
    rng = np.random.default_rng(word.malformed)
    lines = []
    for i, letter in enumerate(word.letters):
        runs = _glyph(letter) if not word.malformed else _malform(letter, rng)
        offset = np.array([corner[0] + i * advance + advance * 0.16, corner[1]])
        lines += [run * scale + offset for run in runs]
    return lines


def _glyph(letter: str) -> list[np.ndarray]:
    return [
        np.array([[int(c) for c in run[i : i + 2]] for i in range(0, len(run), 2)], float)
        for run in _ALPHABET[letter].split()
    ]


def _malform(letter: str, rng: Generator) -> list[np.ndarray]:
    """The glyph with a foreign stroke through it and its corners pulled about: nothing a reader could name."""
    foreign = _glyph(sorted(_ALPHABET)[rng.integers(len(_ALPHABET))])[0]
    runs = [*_glyph(letter), (2, 4) - foreign[:3]]
    return [np.clip(run + rng.uniform(-0.9, 0.9, run.shape), (-0.2, -0.3), (2.2, 4.3)) for run in runs]


def misspell(letters: str, rng: Generator) -> str:
    """A wrong spelling of a word: one letter doubled, or two neighbours exchanged; never another word of :data:`WORDS`.

    >>> misspell("CAFE", np.random.default_rng(0)) in WORDS
    False
    """
    swaps = [letters[:i] + letters[i + 1] + letters[i] + letters[i + 2 :] for i in range(len(letters) - 1)]
    doubles = [letters[:i] + letters[i] + letters[i:] for i in range(len(letters))]
    wrong = [word for word in (*swaps, *doubles) if word != letters and word not in WORDS]
    return wrong[rng.integers(len(wrong))]
