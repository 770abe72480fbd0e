"""Masks that data sets store as image files, each with its own rule of what counts as inside."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synthscope.data.images import opened, read_file
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.runtime.told import reading

Rule = Literal["nonzero", "zero_one", "bright"]


def read_mask(source: str | Path | bytes, *, rule: Rule, name: str | Path = "the given bytes") -> NDArray[np.bool_]:
    """Decode a mask.

    Args:
        source: A path, or the bytes of a file.
        rule: ``nonzero``: any stored value above 0, of a palette the index. ``zero_one``: the same, and other values
            than 0 and 1 are an error (255 often means "ignore"). ``bright``: the mean of red, green and blue is above
            127.5 (OpenSDI, ``data/hf_datasets.py``). Transparency says nothing.
        name: What errors call the bytes.

    Returns:
        bool ``(H, W)``.

    Raises:
        UnreadableImageError: Missing or not an image.
        SynthscopeError: Values that the rule forbids.
    """
    from PIL import Image

    where = name if isinstance(source, bytes) else source
    data = source if isinstance(source, bytes) else read_file(source)[0]
    try:
        with reading(where), opened(data) as image:
            if rule == "bright":
                return np.asarray(image.convert("RGB")).sum(axis=2, dtype=np.uint32) > 3 * 127.5
            bands = [image.getchannel(band) for band in image.getbands() if band != "A"]
            values = np.asarray(Image.merge("RGB", bands) if len(bands) == 3 else bands[0])
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise UnreadableImageError(f"Expected a mask in {where}, got {error}. Replace or remove it.") from error
    if rule == "zero_one" and values.size and values.max() > 1:
        raise SynthscopeError(
            f"Expected a mask of the values 0 and 1 in {where}, got {values.max()}. "
            "Name the layout whose masks these are, or convert them."
        )
    inside: NDArray[np.bool_] = values > 0
    return np.logical_or.reduce(inside, axis=2) if inside.ndim == 3 else inside
