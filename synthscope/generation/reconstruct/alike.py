"""A generator whose pictures are saved like their sources, and what is written beside pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from synthscope.data.images import read_file, read_rgb
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.generation.contract import Generator, Made, Order, Save
from synthscope.generation.reals import copy_real
from synthscope.generation.reconstruct.like_source import save_like
from synthscope.generation.saving import png, save_image
from synthscope.runtime.files import whole_file


class LikeSource:
    """A generator that answers with files of its sources' containers; one that cannot be had is an answer's error."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.name, self.batch = generator.name, generator.batch
        self.needs = tuple(dict.fromkeys((*generator.needs, "source")))

    def facts(self) -> dict[str, Any]:
        """Those of the generator, and that pictures are saved like their sources."""
        return {**self.generator.facts(), "like_source": True}

    def generate(self, orders: Sequence[Order]) -> list[Made]:
        """The generator's answers as files."""
        return [_alike(made, order) for made, order in zip(self.generator.generate(orders), orders, strict=True)]

    def close(self) -> None:
        """Give memory back."""
        self.generator.close()


def _alike(made: Made, order: Order) -> Made:
    if made.rgb is None or made.error is not None:
        return made
    assert order.source is not None
    try:
        return replace(made, file=save_like(made.rgb, read_file(order.source)[0], name=order.source))
    except (UnreadableImageError, SynthscopeError) as error:
        return replace(made, error=str(error))


def saving(*, resave_source: bool = False) -> Save:
    """How pictures are written: with a mask where there is one; perhaps with the copy of the source written anew.

    A source that is written anew has been compressed once more than the photograph, as every block has that a fake
    took over from it.
    """
    return partial(_save, resave_source=resave_source)


def _save(made: Made, order: Order, out: Path, *, resave_source: bool) -> str:
    if made.mask is not None:
        _write(out / str(made.record["mask"]), png(np.repeat(made.mask[..., None], 3, 2).astype(np.uint8) * 255))
    if resave_source and order.source is not None and (real := copy_real(order, out)) is not None:
        data, _ = read_file(order.source)
        _write(out / real, save_like(read_rgb(data, name=order.source), data, name=order.source))
    return save_image(made, order, out)


def _write(path: Path, data: bytes) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(data)
