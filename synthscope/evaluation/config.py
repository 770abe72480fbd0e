"""What a benchmark is made of; recipes are YAML files with these keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from synthscope.config import Config
from synthscope.data.degrade import parse_recipe


class SandboxRecipe(Config):
    """The small artificial world to build when a recipe brings its own images."""

    size: int = 128
    classes: int = 10
    train: int = 160
    val: int = 40
    seed: int = 0
    fingerprint: bool = True
    artifacts: bool | float = True
    formats: Literal["raw", "aligned"] = "raw"


class TrainingRow(Config):
    """One training recipe and the subsets to train a detector on, each alone."""

    recipe: str
    subsets: list[str] | None = None  # instead of the benchmark's
    overrides: list[str] = Field(default_factory=list)


class BenchmarkConfig(Config):
    """A benchmark recipe."""

    title: str
    source: str | None = None  # a manifest or LAYOUT:PATH
    sandbox: SandboxRecipe | None = None
    views: list[str] = Field(default_factory=lambda: ["none"])
    train: list[TrainingRow] = Field(default_factory=list)
    subsets: list[str] = Field(default_factory=lambda: ["*"])  # to train on, each alone; "*" = every one
    detectors: list[str] = Field(default_factory=list)  # trained before
    floors: tuple[Literal["metadata", "spectrum_lr"], ...] = ("metadata", "spectrum_lr")  # shown below the detectors
    train_where: str = "split=train"
    test_where: str = "split=val"
    max_per_class: int | None = None  # test images per subset and class
    conditions: list[str] = Field(default_factory=lambda: ["none", "genimage"])
    degrade: Literal["own", "all"] = "own"  # degrade the subsets a detector was trained on, or every subset
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    resamples: int = 2000
    compare: list[tuple[str, str]] = Field(default_factory=list)  # names of detectors, first minus second
    seed: int = 0

    @field_validator("views")
    @classmethod
    def _canonical(cls, views: list[str]) -> list[str]:
        return list(dict.fromkeys(str(parse_recipe(view)) for view in views))
