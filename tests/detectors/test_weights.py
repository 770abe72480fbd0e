"""What keeps weights from being exactly those of a network, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synthscope.detectors.hub import create_detector, load_detector, save_detector, weights_digest
from synthscope.detectors.weights import WEIGHTS, misfit, pack_weights, unusable, with_counters
from synthscope.errors import SynthscopeError

WANTED = {"fc.weight": torch.zeros(1, 8), "fc.bias": torch.zeros(1)}


def test_what_does_not_fit_is_told_in_words() -> None:
    assert misfit(WANTED, WANTED) is None
    assert misfit(WANTED | {"extra": torch.zeros(1)}, WANTED) == "extra unexpected"
    assert misfit({"fc.bias": torch.zeros(1)}, WANTED) == "fc.weight missing"
    other = {f"head.{n}": torch.zeros(1) for n in range(4)}
    assert misfit(other, WANTED) == "fc.bias and 1 more missing and head.0 and 3 more unexpected"
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


def test_a_variance_below_zero_cannot_be_used() -> None:
    wanted = {"bn.running_mean": torch.zeros(3), "bn.running_var": torch.ones(3)}
    below = torch.tensor([-1.0, 0.0, 1.0])
    assert unusable(wanted | {"bn.running_mean": below}, wanted) is None
    assert unusable(wanted | {"bn.running_var": below.clamp(min=0)}, wanted) is None
    assert unusable(wanted | {"bn.running_var": below}, wanted) == "a negative variance in bn.running_var"


def test_counters_may_be_absent_together_only() -> None:
    counters = {f"bn{n}.num_batches_tracked": torch.tensor(n) for n in (1, 2)}
    wanted = WANTED | counters
    assert with_counters(wanted, wanted) == wanted
    filled = with_counters(WANTED, wanted)
    assert misfit(filled, wanted) is None and all(filled[key] == 0 for key in counters)
    one = WANTED | {"bn1.num_batches_tracked": torch.tensor(1)}
    assert misfit(with_counters(one, wanted), wanted) == "bn2.num_batches_tracked missing"


def test_float16_weights_are_loaded_exactly_and_keep_their_digest(tmp_path: Path) -> None:
    detector = create_detector("cnn_small", options={"width": 4}, input={"crop": 32})
    whole = len(pack_weights(detector))
    detector.config = detector.config.model_copy(update={"stored": "fp16"})
    save_detector(detector, tmp_path)
    loaded = load_detector(tmp_path)
    assert (tmp_path / WEIGHTS).stat().st_size < 0.75 * whole
    for key, value in detector.state_dict().items():
        stored = value.half().float() if value.is_floating_point() else value
        assert torch.equal(loaded.state_dict()[key], stored), key
    assert weights_digest(loaded) == weights_digest(tmp_path) == weights_digest(detector)


def test_numbers_beyond_float16_are_not_stored_as_infinite(tmp_path: Path) -> None:
    detector = create_detector("cnn_small", options={"width": 4})
    detector.config = detector.config.model_copy(update={"stored": "fp16"})
    with torch.no_grad():
        detector.head.bias.fill_(1e6)
    with pytest.raises(SynthscopeError, match=r"float16 can hold, got numbers that are not finite in head\.bias"):
        save_detector(detector, tmp_path)
