"""What a benchmark is made of; recipes are YAML files with these keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from synthscope.config import Config, Seed
from synthscope.data.align.views import view_id


class SandboxRecipe(Config):
    """The small artificial world to build when a recipe brings its own images."""

    size: int = 128
    classes: int = 10
    train: int = 160
    val: int = 40
    seed: Seed = 0
    fingerprint: bool = True
    artifacts: bool | float = True
    formats: Literal["raw", "aligned"] = "raw"
    layout: Literal["genimage", "xaigd"] = "genimage"  # of the two that a sandbox has, the one to read


class TrainingRow(Config):
    """One training recipe and what to train a detector on."""

    recipe: str  # "{scale}" in it stands for the benchmark's
    name: str | None = None  # of the row; null = the recipe's own
    subsets: list[str] | None = None  # instead of the benchmark's
    overrides: list[str] = Field(default_factory=list)
    start: str | None = None  # name of a row above, from whose backbone of the same subset, view and seed to start


class TestSet(Config):
    """Images of another data set to test on."""

    source: str | None = None  # a manifest or LAYOUT:PATH
    sandbox: SandboxRecipe | None = None
    where: str | None = None  # rows to test on; null = those of the benchmark's test_where, or all where it has none
    max_per_class: int | None = None


class Explain(Config):
    """Heatmaps of annotated test images, scored against their annotations."""

    explainers: list[str]
    conditions: list[str] = Field(default_factory=lambda: ["none"])
    max_images: int | None = None  # drawn by the benchmark's seed; null = all


class Erase(Config):
    """Logits before and after the annotated artifacts, or benign regions of the same shape, are painted over."""

    fills: list[str] = Field(default_factory=lambda: ["inpaint", "blur", "mean"])
    draws: int = Field(default=3, ge=1)  # benign regions an image
    max_images: int | None = None  # as for Explain
    repair: bool = False  # with a sandbox: also compare with the same picture drawn without artifacts


class BenchmarkConfig(Config):
    """A benchmark recipe."""

    title: str
    source: str | None = None  # a manifest or LAYOUT:PATH
    sandbox: SandboxRecipe | None = None
    null_world: bool = False  # only how the images are stored tells the classes apart, see data.null_world
    views: list[str] = Field(default_factory=lambda: ["raw", "aligned"], validate_default=True)  # protocols, recipes
    train: list[TrainingRow] = Field(default_factory=list)
    train_views: list[str] | None = None  # of `views`, those to train in; null = each has detectors of its own
    scale: str = "cpu"  # first word of training recipes that are written "{scale}_…"; X-AIGD's own: xaigd
    # To train on, each alone; "*" = every one; "all" = all together; "leave_one_out" = for every one all the others
    # together; "leave_family_out" = for every family the subsets of all the others together.
    subsets: list[str] = Field(default_factory=lambda: ["*"])
    families: dict[str, list[str]] = Field(default_factory=dict)  # of subsets; the sandbox's own are known
    seeds: list[Seed] = Field(default_factory=list)  # train every row once with each; none = with the recipe's own
    against: str | None = None  # row that the others are compared with, seed by seed
    detectors: list[str] = Field(default_factory=list)  # trained before
    floors: tuple[Literal["metadata", "spectrum_lr"], ...] = ("metadata", "spectrum_lr")  # shown below the detectors
    train_where: str = "split=train"
    test_where: str = "split=val"
    max_per_class: int | None = None  # test images per subset and class
    conditions: list[str] = Field(default_factory=lambda: ["none", "genimage"])
    degrade: Literal["own", "unseen", "all"] = "own"  # subsets a detector was trained on, the others, or every one
    by: Literal["subset", "generator", "split"] = "subset"  # column that names the test sets
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    backend: Literal["eager", "openvino", "onnx", "compile", "auto"] = "eager"  # what runs detectors, see predict
    resamples: int = 2000
    tests: dict[str, TestSet] = Field(default_factory=dict)  # more test sets; the images' own is then called "own"
    annotations: str | None = None  # table of artifact regions, or FORMAT:PATH; null = those of an xaigd: source
    explain: Explain | None = None
    masks: bool = False  # score the masks of detectors that predict artifacts
    erase: Erase | None = None
    costs: bool = False  # parameters and milliseconds an image of every row, beside ResNet-50 in the same run
    fidelity: bool = False  # does the verdict follow artifact ratio or image quality?
    compare: list[tuple[str, str]] = Field(default_factory=list)  # names of detectors, first minus second
    seed: Seed = 0

    @property
    def uses_regions(self) -> bool:
        """Whether a step after the scores reads annotations."""
        return self.masks or self.fidelity or self.explain is not None or self.erase is not None

    @field_validator("views")
    @classmethod
    def _canonical(cls, views: list[str]) -> list[str]:
        return list(dict.fromkeys(map(view_id, views)))

    @field_validator("train_views")
    @classmethod
    def _among_the_views(cls, given: list[str] | None, info: ValidationInfo) -> list[str] | None:
        views = info.data.get("views", [])
        chosen = None if given is None else list(dict.fromkeys(map(view_id, given)))
        if chosen is not None and (not chosen or set(chosen) - set(views) or chosen[0] != views[0]):
            raise ValueError(f"name views of {views}, the first one among them, since its detectors meet all others")
        return chosen
