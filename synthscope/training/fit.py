"""Train one detector: a readable loop that goes on after a kill, and runs under torchrun.

Selection looks only at images held out of the training split, never at a test split; calibration at others of them.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import torch

from synthscope import runtime
from synthscope.config import configured
from synthscope.detectors.artifact_vit import ArtifactVit
from synthscope.detectors.base import Detector
from synthscope.detectors.card import model_card
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.detectors.sight import mean_seen_share
from synthscope.errors import SynthscopeError
from synthscope.runtime import Progress, seed_for
from synthscope.runtime.files import write_text
from synthscope.training.batches import Batch
from synthscope.training.config import TrainConfig
from synthscope.training.data import LEAST_GROUPS, choose, manifest_digest
from synthscope.training.distributed import World, autocast_dtype, processes
from synthscope.training.features import KeptFeatures
from synthscope.training.feeds import HeldOut, feeds
from synthscope.training.folder import claim, fingerprint, trained_on
from synthscope.training.held_out import calibrate, held_out_figures, held_out_logits, held_out_masks
from synthscope.training.losses import balanced_weights
from synthscope.training.masks import annotate
from synthscope.training.mix import mix_batch
from synthscope.training.objective import Objective, prepare
from synthscope.training.schedule import learning_rate
from synthscope.training.state import State

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
SKEWED = 1.5  # ratio of the classes from which on a run says that there are class weights


def train(
    config: TrainConfig | str | Path,
    manifest: pl.DataFrame,
    out: str | Path,
    *,
    overrides: Sequence[str] | None = None,
    resume: bool = True,
) -> Path:
    """Train a detector and write its folder.

    Args:
        config: What to do; or the name of a recipe, or a .yaml file.
        manifest: Images, with the columns of ``schema.MANIFEST``.
        out: Detector folder. One that holds this very run, finished, is returned at once; an unfinished one goes on.
        overrides: Changes of the recipe, as after ``--set``: ``["steps=200", "optimizer.lr=1e-4"]``.
        resume: False starts this run from the beginning.

    Returns:
        ``out``, which holds the weights with the best held-out figure, their calibration, ``README.md`` (model card),
        ``log.jsonl`` (one line an epoch) and ``training.json`` (the configuration).

    Raises:
        SynthscopeError: A class without images, a folder of another run, or a loss that is not finite.
        UsageError: Unknown recipe, architecture or option, or a precision that the device has not.
    """
    runtime.tune_allocator()
    config = configured(TrainConfig, config, package="synthscope.training", overrides=overrides)
    folder = Path(out)
    parts = choose(manifest, config.data)
    if config.uses_masks:
        parts = annotate(parts, config.annotations)
    with processes() as world, torch.random.fork_rng(devices=[world.device] if world.device.type == "cuda" else []):
        if not (claim(folder, config, manifest_digest(*parts), world=world) and resume):
            _run(config, parts, folder, world=world, resume=resume)
            world.gather(None)  # nobody leaves before the folder is complete
    return folder


def _run(
    config: TrainConfig, parts: tuple[pl.DataFrame, pl.DataFrame], folder: Path, *, world: World, resume: bool
) -> None:
    run = Run(config, parts, folder=folder, world=world)
    if resume and run.checkpoint.is_file():
        run.state.load(run.checkpoint, run.fingerprint)
    run.fit()
    run.finish()


class Run:
    """One training run in one process."""

    def __init__(
        self, config: TrainConfig, parts: tuple[pl.DataFrame, pl.DataFrame], *, folder: Path, world: World
    ) -> None:
        self.config, self.parts, self.folder, self.world = config, parts, folder, world
        self.manifest_sha256 = manifest_digest(*parts)
        self.fingerprint = fingerprint(config, self.manifest_sha256)
        self.checkpoint = folder / CHECKPOINT
        self.dtype = autocast_dtype(config.precision, world.device)
        choice = config.detector
        detector = create_detector(
            choice.architecture, name=config.name, options=choice.options, input=choice.input, seed=config.seed
        )
        prepare(detector, config)
        self.feeds = feeds(config, parts, detector, world=world)
        self.epochs = config.epochs or math.ceil((config.steps or 0) / self.feeds.batches.steps)
        detector.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        scaler = torch.amp.GradScaler(world.device.type, enabled=self.dtype == torch.float16)
        self.state = State(config, detector, scaler)
        self.trained_on = trained_on(parts[0], config, self.manifest_sha256)
        balanced = config.loss.class_weights == "balanced" and not config.data.pairs  # which are of both classes
        weights = balanced_weights(self.trained_on.n_real, self.trained_on.n_ai) if balanced else (1.0, 1.0)
        features = isinstance(self.feeds.train, KeptFeatures)
        self.model = world.wrap(Objective(detector, config, self.dtype, weights, from_features=features))

    def fit(self) -> None:
        """Epochs until the end, or until the held-out figure says stop."""
        self._mention_skew()
        state, config = self.state, self.config
        endless = config.schedule.name == "plateau_drop" or config.stop_after is not None
        total = None if endless else round(self._length() * self.feeds.batches.images)
        with Progress(f"training {config.name}", total) as progress:
            progress.advance(state.epoch * self.feeds.batches.images)
            while not self._ended():
                self._epoch(progress)
                self._judge()
                state.epoch, state.step, state.loss_sum, state.seen = state.epoch + 1, 0, 0.0, 0
                if not self._ended():
                    self._save_checkpoint()

    def _ended(self) -> bool:
        state, patience = self.state, self.config.stop_after
        waited = state.epoch - 1 - state.best.epoch
        stalled = patience is not None and state.epoch > 0 and waited >= patience
        return state.epoch >= self.epochs or state.plateau.stopped or stalled

    def _epoch(self, progress: Progress) -> None:
        state, config = self.state, self.config
        steps = self.feeds.batches.steps
        if config.steps is not None:
            steps = min(steps, config.steps - state.epoch * self.feeds.batches.steps)
        self.model.train()
        self.feeds.batches.epoch, self.feeds.batches.start = state.epoch, state.step
        self._started, self._first = time.monotonic(), state.step
        saved = self._started
        batches = iter(self.feeds.train)
        while state.step < steps:
            self._step(list(islice(batches, self.feeds.batches.micro_batches(state.step))))
            progress.advance(self.feeds.batches.batch_images(state.step))
            state.step += 1
            if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                self._save_checkpoint()
                saved = time.monotonic()
        state.count_losses()
        self.world.average_buffers(state.detector)

    def _step(self, batches: list[Batch]) -> None:
        """One step of the optimiser on this process's micro-batches."""
        state, config, world = self.state, self.config, self.world
        position = (config.seed, state.epoch, state.step, world.rank)
        torch.manual_seed(seed_for("dropout", *position))
        lr = self._learning_rate()
        for group in state.optimizer.param_groups:
            group["lr"] = lr
        for number, (rows, labels, images) in enumerate(batches):
            images, targets = images.to(world.device, non_blocking=True), labels.to(world.device, non_blocking=True)
            if config.augment.mix is not None:
                rng = np.random.default_rng(seed_for("mix", *position, number))
                images, targets = mix_batch(images, targets, mix=config.augment.mix, rng=rng)
            last = number == len(batches) - 1
            with nullcontext() if last or world.size == 1 else self.model.no_sync():  # type: ignore[operator]
                known = None if self.feeds.annotated is None else self.feeds.annotated[rows].to(world.device)
                loss = self.model(images, targets, known)
                # a process's share may be one image smaller: weigh by images, so that their number changes nothing
                weight = len(labels) * world.size / self.feeds.batches.batch_images(state.step)
                state.scaler.scale(loss * weight).backward()
            state.losses.append((loss.detach(), len(labels), state.step, lr))
        state.count_losses(waiting=len(batches) if world.device.type == "cuda" else 0)
        if config.optimizer.clip_grad is not None:
            state.scaler.unscale_(state.optimizer)
            torch.nn.utils.clip_grad_norm_(state.detector.parameters(), config.optimizer.clip_grad)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.optimizer.zero_grad(set_to_none=True)
        if state.average:
            state.average.update(state.detector)

    def _learning_rate(self) -> float:
        state, config = self.state, self.config
        if config.schedule.name == "plateau_drop":
            return state.plateau.lr
        epoch = state.epoch + state.step / self.feeds.batches.steps
        return learning_rate(epoch, lr=config.optimizer.lr, epochs=self._length(), schedule=config.schedule)

    def _length(self) -> float:
        """Epochs of the whole run, with a fraction where it ends after a number of steps."""
        steps = self.config.steps
        return float(self.epochs) if steps is None else steps / self.feeds.batches.steps

    def _judge(self) -> None:
        """Held-out figures, selection, and a line in the log."""
        state = self.state
        seconds = time.monotonic() - self._started
        done = sum(self.feeds.batches.batch_images(step) for step in range(self._first, state.step))
        sums = self.world.gather((state.loss_sum, state.seen))
        choosing = self.feeds.choosing
        figures = held_out_figures(choosing.labels, self._score(state.judged, choosing, self.dtype))
        figures |= self._score_masks(state.judged, choosing, self.dtype)
        line = {
            "epoch": state.epoch + 1,
            "loss": sum(loss for loss, _ in sums) / max(sum(seen for _, seen in sums), 1),
            "lr": self._learning_rate(),
            "images_per_second": round(done / max(seconds, 1e-9), 1),
            **{f"held_out_{key}": value for key, value in figures.items()},
        }
        state.log.append(line)
        chosen = -figures["loss"] if self.config.select_on == "loss" else figures[self.config.select_on]
        state.keep_if_best((chosen, -figures["loss"]))
        if self.config.schedule.name == "plateau_drop":
            state.plateau.update(chosen)
        if self.world.rank == 0:
            write_text(self.folder / LOG, "".join(json.dumps(entry) + "\n" for entry in state.log))
            print(
                f"epoch {line['epoch']}: loss {line['loss']:.4f}, held-out balanced accuracy "
                f"{figures['balanced_accuracy']:.4f}, learning rate {line['lr']:.2e}",
                file=sys.stderr,
            )

    def _score(self, detector: Detector, part: HeldOut, dtype: torch.dtype | None) -> np.ndarray:
        return held_out_logits(detector, part.images, count=len(part.labels), world=self.world, dtype=dtype)

    def _score_masks(self, detector: Detector, part: HeldOut, dtype: torch.dtype | None) -> dict[str, float]:
        if part.annotated is None or not isinstance(detector, ArtifactVit) or self.config.task == "authenticity":
            return {}
        ai = part.annotated.numpy() * part.labels > 0
        return held_out_masks(detector, part.images, chosen=ai, world=self.world, dtype=dtype)

    def _save_checkpoint(self) -> None:
        self.state.count_losses()
        if self.world.rank == 0:
            if not self.folder.is_dir():
                raise SynthscopeError(f"Expected the folder {self.folder} of this run, got none any more. Restore it.")
            self.state.save(self.checkpoint, self.fingerprint)

    def finish(self) -> None:
        """Write the detector with the best weights; its calibration, in float32, says where its threshold is."""
        detector, part = self.state.load_best(), self.feeds.calibrating
        logits = self._score(detector, part, None)
        chose = part is self.feeds.choosing and len(self.state.log) > 1  # one epoch is no choice
        calibration = calibrate(part.labels, logits, prior=self.config.calibration.prior, chose_epoch=chose)
        figures = held_out_figures(part.labels, logits / calibration.temperature + calibration.bias)
        figures |= self._score_masks(detector, part, None)
        update = {
            "calibration": calibration,
            "threshold": calibration.threshold,
            "trained_on": self.trained_on,
            "licence": self.config.licence,
        }
        detector.config = detector.config.model_copy(update=update)
        if self.world.rank == 0:
            seen = mean_seen_share(self.parts[1], detector.config.input)
            save_detector(detector, self.folder, card=model_card(detector.config, figures, seen_share=seen))
            self.checkpoint.unlink(missing_ok=True)
            if chose:
                print(
                    f"calibrated on the {calibration.n_real} real and {calibration.n_ai} AI images that chose the "
                    f"epoch, which flatters p_ai: a half of them alone would have fewer than {LEAST_GROUPS} "
                    f"independent images of a class. Raise data.holdout, or train on more images.",
                    file=sys.stderr,
                )

    def _mention_skew(self) -> None:
        n_real, n_ai, config = self.trained_on.n_real, self.trained_on.n_ai, self.config
        skewed = max(n_real, n_ai) > SKEWED * min(n_real, n_ai) and config.task != "artifacts" and not config.data.pairs
        if skewed and config.loss.class_weights == "none" and self.world.rank == 0:
            print(
                f"{n_real} real and {n_ai} AI images to train on: --set loss.class_weights=balanced gives both classes "
                f"the same weight.",
                file=sys.stderr,
            )
