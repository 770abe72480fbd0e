"""What is done to an image: the attacks of a run, each with its control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.degrade.sizes import Display, LowResolution, Resize
from synthscope.detectors.base import Detector
from synthscope.generation.contract import Permission
from synthscope.generation.reconstruct.autoencoder import factor_of, find_autoencoder, load_autoencoder, round_trip
from synthscope.studies.attacks.gradient import image_seed, mi_fgsm, noise, pgd

Image = NDArray[np.uint8]
PLAIN = "resize:scale=0.5", "phone_screenshot", "crop:frac=0.9", "jpeg:q=75"
IN_ONE_PIECE = 4_000_000  # pixels that go through an autoencoder without tiles, as when fakes are reconstructed
SCALES = Display, LowResolution, Resize  # the whole picture at another size, which a resize brings back


@dataclass(frozen=True)
class Attack:
    """One attack. ``apply(rgb, sha256, target)`` gives the attacked uint8 ``(H', W', 3)`` pixels."""

    name: str  # none | noise | pgd | wrong_sign | transfer | search | jitter | regenerate | plain
    apply: Callable[[Image, str, Detector], Image]
    by: str = ""  # the surrogate, the recipe, or the autoencoder
    budget: int = 0  # grey levels; 0 = the attack has none
    blind: bool = True  # looks at no detector, so photographs go through it, too
    moves: bool = False  # shows another part of the scene, so that pixels cannot be compared


def gradient_attacks(budgets: Sequence[int], steps: int, seed: int) -> list[Attack]:
    """PGD and noise at every budget, and PGD the wrong way at the largest."""

    def descend(budget: int, name: str, rgb: Image, sha256: str, target: Detector) -> Image:
        own = image_seed(seed, name, budget, sha256)
        return pgd(rgb, target, budget=budget, steps=steps, seed=own, towards_ai=name == "wrong_sign")

    def shake(budget: int, rgb: Image, sha256: str, target: Detector) -> Image:
        return noise(rgb, budget=budget, seed=image_seed(seed, "noise", budget, sha256))

    attacks = [Attack("noise", partial(shake, budget), budget=budget, blind=False) for budget in budgets]
    attacks += [Attack("pgd", partial(descend, budget, "pgd"), budget=budget, blind=False) for budget in budgets]
    for budget in [max(budgets)] if budgets else []:
        attacks.append(Attack("wrong_sign", partial(descend, budget, "wrong_sign"), budget=budget, blind=False))
    return attacks


def transfer_attacks(name: str, surrogate: Detector, budgets: Sequence[int], steps: int) -> list[Attack]:
    """MI-FGSM on another detector, which is called ``name``, at every budget."""

    def transfer(budget: int, rgb: Image, sha256: str, target: Detector) -> Image:
        return mi_fgsm(rgb, surrogate, budget=budget, steps=steps)

    return [Attack("transfer", partial(transfer, budget), name, budget, blind=False) for budget in budgets]


def recipe_attack(name: str, text: str, seed: int) -> Attack:
    """A chain of degradations, ``plain``, of the ``search`` or the one that it found (``jitter``)."""
    recipe = parse_recipe(text)

    def degrade(rgb: Image, sha256: str, target: Detector) -> Image:
        return recipe.apply(rgb, key=sha256, seed=seed)

    return Attack(
        name, degrade, str(recipe), moves=any(step.moves and not isinstance(step, SCALES) for step in recipe.steps)
    )


def regeneration(target: str, device: torch.device) -> Attack:
    """There and back through an autoencoder of diffusers: a folder, or a pipeline's with one inside. No download.

    Raises:
        SynthscopeError: No autoencoder of pictures there.
    """
    checkpoint = find_autoencoder(target, Permission())
    model = load_autoencoder(checkpoint.folder).to(device)
    factor, tiled = factor_of(model), hasattr(model, "use_tiling")

    def regenerate(rgb: Image, sha256: str, target: Detector) -> Image:
        return round_trip(model, rgb, factor, tiles=tiled and rgb.shape[0] * rgb.shape[1] > IN_ONE_PIECE)

    digest = checkpoint.revision.rpartition(":")[2][:8]
    return Attack("regenerate", regenerate, f"{checkpoint.folder.resolve().name}@{digest}")


UNTOUCHED = Attack("none", lambda rgb, sha256, target: rgb)
