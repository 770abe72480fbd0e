"""What a detector learns from: one subset, all of them, or all but some that it is then tested on unseen.

Leaving one generator, or one family of generators, out of training tells what a detector knows of generators that it
has never met, where many others have been (leave-one-domain-out; Gulrajani & Lopez-Paz 2021, In Search of Lost Domain
Generalization). Generators of one family share a decoder, so that the next version of a known one is hardly unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from synthscope.data.manifest import in_every_subset
from synthscope.errors import UsageError, suggest
from synthscope.sandbox.generators import FAMILIES
from synthscope.scoring.left_out import ALL_BUT

EACH, TOGETHER = "*", "all"  # words in place of subsets: every one alone; all of them as one
LEAVE_ONE_OUT, LEAVE_FAMILY_OUT = "leave_one_out", "leave_family_out"


@dataclass(frozen=True)
class TrainingSet:
    """Subsets to train one detector on, together."""

    name: str  # in the name of its folder, and where it fails
    subsets: tuple[str, ...] | None = None  # None = all images, also AI images without a subset

    def of(self, images: pl.DataFrame) -> pl.DataFrame:
        """Its rows of some images: of its subsets, and the real images that belong to every subset.

        Real images of a subset that is left out are left out with it.
        """
        if self.subsets is None:
            return images
        return images.filter(pl.col("subset").is_in(self.subsets) | in_every_subset())

    def others(self, images: pl.DataFrame) -> pl.DataFrame:
        """Images of subsets that are not its, and the real images that belong to every subset."""
        if self.subsets is None:
            return images.clear()
        return images.filter(~pl.col("subset").is_in(self.subsets) | in_every_subset())

    def train_set(self, images: pl.DataFrame) -> str:
        """The name in ``schema.PREDICTIONS``: subsets of the images that it has, joined by "+"."""
        return "+".join(sorted(self.of(images)["subset"].drop_nulls().unique())) or self.name


def training_sets(
    wanted: Sequence[str],
    known: Sequence[str],
    families: Mapping[str, Sequence[str]],
    failed: Callable[[str, UsageError], None],
    *,
    where: str = "all",
) -> list[TrainingSet]:
    """The sets that ``wanted`` names, in its order and without repetition.

    Args:
        wanted: Subsets, ``"*"``, ``"all"``, ``"leave_one_out"`` or ``"leave_family_out"``; where a subset is called
            like a word, the subset is meant.
        known: Subsets of the training images.
        families: Of subsets; empty = those of the sandbox, if all subsets are its.
        failed: Called with a name and an error for what there is not.
        where: Which rows of the manifest the training images are, for messages.
    """
    found: list[TrainingSet] = []
    for name in wanted:
        if name in known:
            found.append(TrainingSet(name, (name,)))
        elif name == EACH and known:
            found += [TrainingSet(subset, (subset,)) for subset in known]
        elif name == TOGETHER and known:
            found.append(TrainingSet(TOGETHER))
        elif name in (LEAVE_ONE_OUT, LEAVE_FAMILY_OUT):
            try:
                groups = {n: [n] for n in known} if name == LEAVE_ONE_OUT else families_of(known, families)
                found += _all_but(groups, known, name)
            except UsageError as error:
                failed(name, error)
        else:
            advice = suggest(name, [*known, LEAVE_ONE_OUT, LEAVE_FAMILY_OUT])
            failed(name, UsageError(f"Expected a subset of the training images ({where}), got {name!r}. {advice}"))
    unique: dict[tuple[str, ...] | None, TrainingSet] = {}
    for one in found:
        unique.setdefault(one.subsets, one)
    return list(unique.values())


def families_of(known: Sequence[str], families: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Family -> those of its subsets that are known; families without any are left out.

    Args:
        known: Subsets.
        families: As a recipe names them; empty = the sandbox's, if all subsets are its.

    Raises:
        UsageError: No families, or a subset in none of them or in two.
    """
    if not families and set(known) <= {name for names in FAMILIES.values() for name in names}:
        families = FAMILIES
    if not families:
        raise UsageError(
            "Expected families to leave out, got none. Add families: {NAME: [SUBSET, …], …} to the recipe."
        )
    for subset in known:
        homes = [family for family, names in families.items() if subset in names]
        if len(homes) != 1:
            got = " and ".join(homes) or "none"
            raise UsageError(f"Expected one family for the subset {subset!r}, got {got}. Correct families.")
    found = {family: [subset for subset in known if subset in names] for family, names in families.items()}
    return {family: names for family, names in found.items() if names}


def _all_but(groups: Mapping[str, Sequence[str]], known: Sequence[str], word: str) -> list[TrainingSet]:
    if len(groups) < 2:
        got = ", ".join(groups) or "none"
        raise UsageError(f"Expected two subsets or families for {word}, of which one is left out, got {got}. Add some.")
    return [
        TrainingSet(f"{ALL_BUT}{name}", tuple(sorted(set(known) - set(left_out)))) for name, left_out in groups.items()
    ]
