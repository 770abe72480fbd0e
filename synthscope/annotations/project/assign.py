"""Who looks at which image: as many for each, generators and classes alike, a stated share looked at by two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from synthscope.errors import UsageError
from synthscope.runtime import seed_for

NOBODY: Mapping[str, frozenset[str]] = {}


def assign(
    images: pl.DataFrame,
    annotators: Sequence[str],
    *,
    overlap: float = 0.0,
    per_annotator: int | None = None,
    barred: Mapping[str, frozenset[str]] = NOBODY,
    seed: int = 0,
) -> pl.DataFrame:
    """Images and their annotators.

    Images are taken in turn from generators, and within a generator from classes, until everybody has enough. Of those
    taken, a share ``overlap`` goes to two annotators, who are drawn so that all pairs share equally many; every other
    one to the annotator with the least, first in all, then of the generator, then of the class.

    Args:
        images: Columns ``path`` (unique), ``generator`` and ``cell`` (of class and generator).
        annotators: Their names.
        overlap: Share of the images that two annotators see, 0 to 1.
        per_annotator: Most images an annotator; None = all images are taken.
        barred: Path -> annotators who must not get it, because they have marked it before.
        seed: Of the order of images within a class, and of annotators.

    Returns:
        Columns ``path`` and ``annotator``, each annotator's images in an order that tells nothing.

    Raises:
        UsageError: No or doubled annotators, a share outside 0..1, two annotators wanted where there is one, or an
            image that nobody may get.
    """
    if not annotators or len(set(annotators)) < len(annotators):
        raise UsageError(
            f"Expected different names of annotators, got {', '.join(annotators) or 'none'}. Correct them."
        )
    if not 0 <= overlap <= 1 or (overlap > 0 and len(annotators) < 2):
        raise UsageError(
            f"Expected an overlap between 0 and 1, and two annotators or more for one above 0, got {overlap:g} and "
            f"{len(annotators)}. Correct them."
        )
    rng = np.random.default_rng(seed_for(seed, "assign"))
    taken = in_turn(images, rng)
    if per_annotator is not None:
        taken = taken.head(int(len(annotators) * per_annotator / (1 + overlap) + 1e-9))
    doubled = round(overlap * taken.height)
    names = [annotators[i] for i in rng.permutation(len(annotators))]
    loads = _Loads(names, barred)
    pairs = [loads.give(row, 2) for row in taken.head(doubled).iter_rows(named=True)]
    alone = [
        loads.give(row, 1)
        for row in taken.slice(doubled).sort("generator", "cell", maintain_order=True).iter_rows(named=True)
    ]
    given = [pair for some in (*pairs, *alone) for pair in some]
    table = pl.DataFrame(given, {"path": pl.String, "annotator": pl.String}, orient="row")
    shuffled = table[rng.permutation(table.height).tolist()]
    place = {name: number for number, name in enumerate(annotators)}
    return shuffled.sort(pl.col("annotator").replace_strict(place, return_dtype=pl.Int64), maintain_order=True)


def in_turn(images: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The images in an order whose every beginning is balanced over generators and, within these, over cells."""
    table = images.sort("path")[rng.permutation(images.height).tolist()]
    cells = table["cell"].unique(maintain_order=True)
    table = table.join(cells.to_frame().with_row_index("_cell"), on="cell", maintain_order="left")
    table = table.with_columns(_of_cell=pl.int_range(pl.len()).over("cell")).sort("_of_cell", "_cell")
    generators = table["generator"].unique(maintain_order=True)
    table = table.join(generators.to_frame().with_row_index("_generator"), on="generator", maintain_order="left")
    table = table.with_columns(_of_generator=pl.int_range(pl.len()).over("generator")).sort(
        "_of_generator", "_generator"
    )
    return table.select(images.columns)


class _Loads:
    """What each annotator has so far."""

    def __init__(self, names: Sequence[str], barred: Mapping[str, frozenset[str]]) -> None:
        self.names, self.barred = names, barred
        self.all: Counter[str] = Counter()
        self.within: Counter[tuple[str, str]] = Counter()
        self.pairs: Counter[tuple[str, ...]] = Counter()

    def give(self, row: Mapping[str, str], number: int) -> list[tuple[str, str]]:
        """The image and each of the ``number`` annotators who have the least."""
        path, places = row["path"], (row["generator"], row["cell"])
        able = [name for name in self.names if name not in self.barred.get(path, frozenset())]
        if len(able) < number:
            raise UsageError(
                f"Expected {number} of the annotators {', '.join(self.names)} who have not marked {path} before, got "
                f"{len(able)}. Name others, or lower the overlap."
            )

        def load(some: tuple[str, ...]) -> tuple[int, ...]:
            alike = (sum(self.within[name, place] for name in some) for place in places)
            return (sum(self.all[name] for name in some), self.pairs[some], *alike)

        chosen = min(combinations(able, number), key=load)
        self.pairs[chosen] += number > 1
        for name in chosen:
            self.all[name] += 1
            self.within.update((name, place) for place in places)
        return [(path, name) for name in chosen]
