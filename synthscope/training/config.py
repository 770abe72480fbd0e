"""What a training run is made of; recipes are YAML files with these keys."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from synthscope.config import Config, Seed
from synthscope.training.alignment import Align
from synthscope.training.augment import PairStep, RandAugment, RandomResize, SimplestPatch, Step
from synthscope.training.contrast import Contrast
from synthscope.training.losses import Loss
from synthscope.training.mix import FeatureMix, Mix
from synthscope.training.schedule import Schedule


class DetectorChoice(Config):
    """Architecture, its options, and the fields of its input that differ from its own."""

    architecture: str
    options: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    input: dict[str, Any] = Field(default_factory=dict)


class Data(Config):
    """Which rows of the manifest to train on, and how many to hold out: half to choose the epoch, half to calibrate."""

    subsets: tuple[str, ...] | None = None  # None = all; a real image without a subset belongs to every one
    split: str = "train"
    view: str | None = None  # only rows of this view; None = all
    max_per_class: int | None = Field(default=None, ge=2)  # with pairs: real images
    pairs: bool = False  # every real image stands beside an AI image of its own group, and what is drawn is the same
    holdout: float = Field(default=0.1, gt=0, lt=1)  # by group, stratified by label and subset
    seed: Seed = 0  # of the sample and the hold-out
    repeats: int = Field(default=1, ge=1)  # augmented copies an image an epoch; the epoch keeps its length
    # these three never change results
    workers: int = Field(default=0, ge=0)  # decoding processes; 0 = threads of the training process
    cache_megabytes: int = Field(default=1024, ge=0)  # decoded images kept, in memory or in the folder, or features
    cache_folder: str | None = None  # where decoded images are kept for later runs, too; None = in memory


class Augmentation(Config):
    """Steps of every image; further views of it (for the jsd loss) take ``view_steps`` too; then the batch is mixed.

    Of pairs, the AI image takes ``pair_steps`` first. Copies at other sizes take the same steps with the same draws.
    """

    pair_steps: tuple[PairStep, ...] = ()
    copies: tuple[RandomResize, ...] = ()  # each image, resized by each of these, is trained on too
    steps: tuple[Step, ...] = ()  # none = the detector's own preprocessing
    views: int = Field(default=1, ge=1, le=8)
    view_steps: tuple[Step, ...] = ()  # of all views but the first
    mix: Mix | None = None
    mix_features: FeatureMix | None = None  # of probes

    @property
    def looks(self) -> int:
        """Tensors that one image becomes."""
        return self.views + len(self.copies)


class Optimizer(Config):
    """Weight decay spares one-dimensional parameters and those that the detector names."""

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)  # sgd, always Nesterov's
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    clip_grad: float | None = Field(default=None, gt=0)  # norm of all gradients


class CalibrationChoice(Config):
    """What the stored calibration, and with it the threshold, is fitted for."""

    prior: float = Field(default=0.5, gt=0, lt=1)  # share of AI images where p_ai holds; training sets don't tell it


class TrainConfig(Config):
    """A training run. The same configuration, manifest and kind of machine give the same weights."""

    name: str
    detector: DetectorChoice
    data: Data = Data()
    augment: Augmentation = Augmentation()
    loss: Loss = Field(default=Loss(), validate_default=True)
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    epochs: int | None = Field(default=None, ge=1)  # with the cooldown; exactly one of epochs and steps
    steps: int | None = Field(default=None, ge=1, validate_default=True)
    batch_size: int = Field(default=64, ge=1)  # images an optimiser step, over all processes and micro-batches
    accumulate: int = Field(default=1, ge=1)  # micro-batches an optimiser step
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    ema: float | None = Field(default=None, gt=0, lt=1)  # decay of the averaged weights that are judged and kept
    select_on: Literal["balanced_accuracy", "loss", "iou"] = "balanced_accuracy"  # of the held-out images, every epoch
    stop_after: int | None = Field(default=None, ge=1)  # epochs without a better held-out figure
    calibration: CalibrationChoice = CalibrationChoice()
    seed: Seed = 0
    checkpoint_minutes: float = Field(default=10.0, gt=0)  # also at the end of every epoch
    licence: str | None = None  # of the weights, which the training images may bind; for the model card
    task: Literal["authenticity", "artifacts", "both"] = "authenticity"  # what the losses are of; X-AIGD's AJ and PAD
    artifact_weight: float = Field(default=1.0, gt=0)  # of the loss of the artifact masks
    annotations: str | None = None  # table of artifact regions; read where the task or the alignment needs masks
    init_from: str | None = None  # detector folder whose backbone's weights to start from, or CO-SPY's branches
    freeze: Literal["none", "backbone"] = "none"
    align: Align | None = Field(default=None, validate_default=True)
    contrast: Contrast | None = None  # of the embeddings of detectors that have one

    @property
    def aligned(self) -> Align | None:
        """The alignment term, None where there is none or its source is."""
        return self.align if self.align is not None and self.align.source != "none" else None

    @property
    def uses_masks(self) -> bool:
        """Whether training looks at artifact annotations."""
        return self.task != "authenticity" or self.aligned is not None

    @field_validator("steps")
    @classmethod
    def _one_length(cls, steps: int | None, info: ValidationInfo) -> int | None:
        if (info.data.get("epochs") is None) == (steps is None):
            raise ValueError("give exactly one of epochs and steps")
        return steps

    @field_validator("loss")
    @classmethod
    def _views_fit(cls, loss: Loss, info: ValidationInfo) -> Loss:
        augment = info.data.get("augment", Augmentation())
        if (augment.views > 1) != (loss.name == "jsd"):
            raise ValueError("loss jsd needs augment.views of 2 or more, other losses exactly 1")
        if augment.views == 1 and augment.view_steps:
            raise ValueError("augment.view_steps need loss jsd and augment.views of 2 or more")
        if augment.views > 1 and augment.mix:
            raise ValueError("augment.mix cannot be combined with loss jsd")
        if augment.copies and (augment.views > 1 or augment.mix or augment.mix_features):
            raise ValueError("augment.copies need augment.views 1, augment.mix and augment.mix_features null")
        if augment.pair_steps and not info.data.get("data", Data()).pairs:
            raise ValueError("augment.pair_steps need data.pairs=true")
        return loss

    @field_validator("contrast")
    @classmethod
    def _classes_are_whole(cls, contrast: Contrast | None, info: ValidationInfo) -> Contrast | None:
        augment = info.data.get("augment", Augmentation())
        if contrast is not None and (augment.mix or augment.mix_features or augment.views > 1):
            raise ValueError("contrast needs augment.mix null, augment.mix_features null and augment.views 1")
        return contrast

    @field_validator("align")
    @classmethod
    def _masks_can_follow(cls, align: Align | None, info: ValidationInfo) -> Align | None:
        told = info.data
        aligned = align is not None and align.source != "none"
        if aligned and told.get("task") == "artifacts":
            raise ValueError("align needs the logit of an authenticity head: task authenticity or both")
        if aligned and told.get("freeze") == "backbone":
            raise ValueError("align changes the backbone's attention and needs freeze none")
        if told.get("select_on") == "iou" and told.get("task") == "authenticity":
            raise ValueError("select_on iou needs task artifacts or both")
        augment = told.get("augment", Augmentation())
        if not aligned and told.get("task", "authenticity") == "authenticity":
            return align
        if augment.mix or augment.mix_features or augment.looks > 1 or told.get("data", Data()).pairs:
            raise ValueError("masks need augment.mix null, no mixed features, views or copies, and data.pairs=false")
        if lost := [step.step for step in augment.steps if isinstance(step, RandAugment | SimplestPatch)]:
            raise ValueError(f"masks cannot follow the augmentation {lost[0]}")
        return align
