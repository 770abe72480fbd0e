"""What makes real and AI images comparable: sizes, JPEG quality, crop, and numbers of each class."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from synthscope.config import Config, validate
from synthscope.errors import UsageError, suggest

Side = Annotated[int, Field(ge=1, le=8192)]
Quality = Annotated[int, Field(ge=1, le=100)]


class Protocol(Config):
    """Which images are comparable, and what is done to them.

    A JPEG file of fitting quality counts and stays as it is, whatever its label; a lossless AI image is compressed at
    the quality of one of the reals, so that both classes have the same qualities; other files don't count. A crop moves
    the 8-pixel grid of JPEG, in all AI images by the same amount where they have one size, in reals by many. A detector
    that sees whole crops can learn that: ``grid=16`` leaves both grids in place, and random crops in training hide it.
    """

    min: Side = 1  # of both sides, in pixels
    max: Side = 8192
    quality: tuple[Quality, Quality] = (96, 96)  # lowest and highest of the JPEG files that count
    crop: Side | None = None  # centre crop of both classes to this many pixels a side, after the compression
    grid: Side = 1  # the corner of the crop is a multiple of this; 1 = the paper's
    pooled: bool = False  # reals of all subsets serve every subset
    reals: Annotated[int, Field(ge=1)] | None = None  # at most so many of each subset and split
    balance: Literal["class", "subset"] = "class"  # as many real as AI images of each ImageNet class, or of each subset

    @field_validator("max", "quality", "crop")
    @classmethod
    def _in_order(cls, value: Any, info: ValidationInfo) -> Any:
        low, high = value if info.field_name == "quality" else (info.data.get("min", 1), value)
        if info.field_name == "crop" and value is not None and value > low:
            raise ValueError("at most min, or smaller images would stay as they are")
        if info.field_name != "crop" and low > high:
            raise ValueError("the smaller limit comes first")
        return value


PROTOCOLS = {  # "Fake or JPEG?" (Grommelt et al., arXiv 2403.17608) and its code
    "size_constrained": Protocol(min=450, max=550, crop=450, pooled=True),
    "jpeg96": Protocol(reals=37_000),
}


def protocol_named(name: str, changes: dict[str, Any]) -> Protocol:
    """A protocol of the paper with some values changed; where it crops, a new ``min`` is the new ``crop`` too.

    >>> protocol_named("size_constrained", {"min": 200}).crop
    200

    Raises:
        UsageError: An unknown protocol, key or value.
    """
    if name not in PROTOCOLS:
        raise UsageError(f"Expected a protocol, got {name!r}. {suggest(name, PROTOCOLS)}")
    base = PROTOCOLS[name]
    if base.crop is not None and "min" in changes:
        changes = {"crop": changes["min"]} | changes
    return validate(Protocol, base.model_dump() | changes, f"protocol {name}")
