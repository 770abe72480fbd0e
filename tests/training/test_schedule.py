"""Learning rates against timm's schedulers, and CNNSpot's stopping rule by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synthscope import runtime
from synthscope.training.schedule import PlateauDrop, Schedule, learning_rate

RULE = Schedule(name="plateau_drop", min_lr=1e-6)


@pytest.mark.parametrize("prefix", [False, True])
def test_cosine_is_timms_at_whole_epochs(prefix: bool) -> None:
    runtime.import_timm()
    from timm.scheduler import CosineLRScheduler

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.05)
    theirs = CosineLRScheduler(
        optimizer,
        t_initial=200 - 3 * prefix,
        lr_min=1e-6,
        warmup_t=3,
        warmup_lr_init=1e-4,
        warmup_prefix=prefix,
    )
    schedule = Schedule(warmup_epochs=3, warmup_lr=1e-4, min_lr=1e-6, cooldown_epochs=10, warmup_prefix=prefix)
    for epoch in range(211):
        theirs.step(epoch)
        expected = optimizer.param_groups[0]["lr"]
        assert learning_rate(epoch, lr=0.05, epochs=210, schedule=schedule) == pytest.approx(expected, rel=1e-9)


def test_constant_with_and_without_warm_up() -> None:
    schedule = Schedule(name="constant", warmup_epochs=2)
    assert [learning_rate(e, lr=4.0, epochs=9, schedule=schedule) for e in (0, 1, 2, 9)] == [0, 2, 4, 4]


def test_milestones_are_torchs() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1e-3)
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer, [6, 11], gamma=0.1)
    schedule = Schedule(name="constant", milestones=(6, 11))
    for epoch in range(15):
        expected = optimizer.param_groups[0]["lr"]
        for step in (0.0, 0.99):
            assert learning_rate(epoch + step, lr=1e-3, epochs=15, schedule=schedule) == pytest.approx(expected)
        optimizer.step()
        theirs.step()
    with pytest.raises(ValidationError, match="for the schedule constant"):
        Schedule(milestones=(6,))


def test_the_rate_drops_after_five_idle_epochs_and_stops_below_the_least() -> None:
    rule = PlateauDrop(1e-4, RULE)
    assert rule.update(0.9) == 1e-4
    assert [rule.update(0.9005) for _ in range(5)] == [1e-4] * 4 + [1e-5]  # 0.0005 is no improvement
    assert not rule.stopped
    assert [rule.update(0.9015) for _ in range(5)][-1] == 1e-6  # nor is 0.0015 after a drop
    assert not rule.stopped  # 1e-6 itself is used
    assert rule.update(0.91) == 1e-6 and rule.waited == 0
    assert [rule.update(0.91) for _ in range(5)][-1] == pytest.approx(1e-7)
    assert rule.stopped


def test_the_best_score_survives_a_drop() -> None:
    rule = PlateauDrop(1e-4, RULE)
    for score in [0.95] + [0.5] * 5:
        rule.update(score)
    assert rule.drops == 1 and rule.best == 0.95
    rule.update(0.6)  # the published code would call this the best, its stopper being new
    assert rule.best == 0.95 and rule.waited == 1


@given(st.lists(st.floats(0, 1), max_size=60), st.integers(0, 60))
def test_a_resumed_rule_goes_on_as_if_nothing_had_happened(scores: list[float], cut: int) -> None:
    whole, first = PlateauDrop(1e-4, RULE), PlateauDrop(1e-4, RULE)
    rates = [whole.update(score) for score in scores]
    before = [first.update(score) for score in scores[:cut]]
    second = PlateauDrop(1e-4, RULE)
    second.load_state_dict(first.state_dict())
    assert before + [second.update(score) for score in scores[cut:]] == rates
