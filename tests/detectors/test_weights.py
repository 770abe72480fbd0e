"""What keeps weights from being exactly those of a network, in words."""

from __future__ import annotations

import torch

from synthscope.detectors.weights import misfit, unusable

WANTED = {"fc.weight": torch.zeros(1, 8), "fc.bias": torch.zeros(1)}


def test_what_does_not_fit_is_told_in_words() -> None:
    assert misfit(WANTED, WANTED) is None
    assert misfit(WANTED | {"extra": torch.zeros(1)}, WANTED) == "none missing and 1 (extra) unexpected"
    assert misfit({"fc.bias": torch.zeros(1)}, WANTED) == "1 (fc.weight) missing and none unexpected"
    wide = WANTED | {"fc.weight": torch.zeros(1, 9)}
    assert misfit(wide, WANTED) == "shape (1, 9) instead of (1, 8) for fc.weight"
    integers = WANTED | {"fc.bias": torch.zeros(1, dtype=torch.int64)}
    assert misfit(integers, WANTED) == "torch.int64 instead of torch.float32 for fc.bias"
    assert misfit({key: value.half() for key, value in WANTED.items()}, WANTED) is None


def test_numbers_that_are_not_finite_cannot_be_used() -> None:
    broken = WANTED | {"fc.bias": torch.tensor([torch.nan])}
    assert misfit(broken, WANTED) is None and unusable(WANTED, WANTED) is None
    assert unusable(broken, WANTED) == "numbers that are not finite in fc.bias"
    assert unusable({}, WANTED) == misfit({}, WANTED)
