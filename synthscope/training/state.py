"""What a run carries from step to step, and its checkpoint: killed at any moment, it goes on with the same result.

Randomness needs no state: every draw is seeded by its position (epoch, step, image).
"""

from __future__ import annotations

import copy
import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import reason, whole_file
from synthscope.training.config import Optimizer, TrainConfig
from synthscope.training.schedule import PlateauDrop


class Average:
    """Exponential moving average of all weights and running statistics."""

    def __init__(self, detector: Detector, decay: float) -> None:
        self.detector, self.decay = copy.deepcopy(detector).requires_grad_(False), decay

    @torch.no_grad()
    def update(self, detector: Detector) -> None:
        """Take one step towards ``detector``."""
        theirs = detector.state_dict()
        for key, mine in self.detector.state_dict().items():
            if mine.is_floating_point():
                mine.lerp_(theirs[key], 1 - self.decay)
            else:
                mine.copy_(theirs[key])


@dataclass
class Best:
    """The weights with the best held-out figure so far, without frozen ones."""

    score: tuple[float, ...] = (-math.inf,)
    epoch: int = -1
    weights: dict[str, Tensor] = field(default_factory=dict)


class State:
    """Model, optimiser, average, schedule, position, log and best weights."""

    def __init__(self, config: TrainConfig, detector: Detector, scaler: torch.amp.GradScaler) -> None:
        self.detector, self.scaler = detector, scaler
        self.frozen = {name for name, parameter in detector.named_parameters() if not parameter.requires_grad}
        self.optimizer = build_optimizer(config.optimizer, detector)
        self.average = Average(detector, config.ema) if config.ema else None
        self.plateau = PlateauDrop(config.optimizer.lr, config.schedule)
        self.epoch = self.step = 0  # of the next batch
        self.loss_sum, self.seen = 0.0, 0  # of this epoch so far
        self.losses: deque[tuple[Tensor, int, int, float]] = deque()  # not counted yet: loss, images, step, lr
        self.log: list[dict[str, float]] = []
        self.best = Best()

    @property
    def judged(self) -> Detector:
        """The weights that are evaluated and kept: averaged ones where there are any."""
        return self.average.detector if self.average else self.detector

    def count_losses(self, waiting: int = 0) -> None:
        """Add up all losses but the last ``waiting`` ones, which a GPU may still compute: to ask for them stalls it.

        Raises:
            SynthscopeError: One that is not finite.
        """
        while len(self.losses) > waiting:
            loss, images, step, lr = self.losses.popleft()
            if not math.isfinite(value := loss.item()):
                raise SynthscopeError(
                    f"Expected a finite loss, got {value} in epoch {self.epoch + 1}, step {step + 1}, at learning rate "
                    f"{lr:g}. Lower optimizer.lr or set optimizer.clip_grad."
                )
            self.loss_sum, self.seen = self.loss_sum + value * images, self.seen + images

    def keep_if_best(self, score: tuple[float, ...]) -> None:
        """Remember the judged weights if ``score`` beats all before."""
        if score > self.best.score:
            weights = {key: value.detach().cpu().clone() for key, value in self._changing(self.judged).items()}
            self.best = Best(score, self.epoch, weights)

    def load_best(self) -> Detector:
        """The detector with the weights that were best."""
        _put(self.best.weights, self.detector)
        return self.detector

    def _changing(self, detector: Detector) -> dict[str, Tensor]:
        """What training can change. A frozen tower is a gigabyte that a resumed run has anyway."""
        return {key: value for key, value in detector.state_dict().items() if key not in self.frozen}

    def save(self, file: Path, fingerprint: str) -> None:
        """Write the checkpoint, whole or not at all."""
        content = {
            "fingerprint": fingerprint,
            "detector": self._changing(self.detector),
            "average": self._changing(self.average.detector) if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "plateau": self.plateau.state_dict(),
            "position": [self.epoch, self.step, self.loss_sum, self.seen],
            "log": self.log,
            "best": [self.best.score, self.best.epoch, self.best.weights],
        }
        with whole_file(file) as temporary:
            try:
                torch.save(content, temporary)
            except RuntimeError as error:  # of a full disk
                raise OSError(reason(error)) from error

    def load(self, file: Path, fingerprint: str) -> None:
        """Continue from a checkpoint. Raises ``SynthscopeError`` for one of another run or a damaged one."""
        try:
            content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
            if content["fingerprint"] != fingerprint:
                raise SynthscopeError(f"Expected a checkpoint of this run in {file}, got another's. Delete the file.")
            _put(content["detector"], self.detector)
            if self.average:
                _put(content["average"], self.average.detector)
            self.optimizer.load_state_dict(content["optimizer"])
            self.scaler.load_state_dict(content["scaler"])
            self.plateau.load_state_dict(content["plateau"])
            self.epoch, self.step, self.loss_sum, self.seen = content["position"]
            self.log = content["log"]
            self.best = Best(*content["best"])
        except SynthscopeError:
            raise
        except Exception as error:  # a damaged file raises nearly anything
            raise SynthscopeError(
                f"Expected a whole checkpoint in {file}, got: {str(error).partition('.')[0]}. "
                f"Delete it to train from the start."
            ) from error


def _put(changed: dict[str, Tensor], detector: Detector) -> None:
    detector.load_state_dict(detector.state_dict() | changed)


def build_optimizer(config: Optimizer, detector: Detector) -> torch.optim.Optimizer:
    """Two groups of parameters: with weight decay, and without (one-dimensional ones and the detector's own list)."""
    spared = detector.no_decay()
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in detector.named_parameters():
        if parameter.requires_grad:
            groups[parameter.ndim > 1 and name not in spared].append(parameter)
    parameters = [
        {"params": group, "weight_decay": config.weight_decay if decays else 0.0}
        for decays, group in groups.items()
        if group
    ]
    if config.name == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0)
    kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
    return kind(parameters, lr=config.lr, betas=config.betas, eps=config.eps)
