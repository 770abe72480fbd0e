"""What the tests of the detectors of 2024 and 2025 share: images, import through the public path, equal logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from synthscope.data.images import read_rgb
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.detectors.published import import_checkpoint
from synthscope.detectors.published.table import published
from synthscope.errors import SynthscopeError
from tests.reference.published.plain import Logit, write_images

SIZES = (300, 420), (391, 263), (120, 150)  # wide, tall with odd sides, smaller than every crop
State = Mapping[str, Tensor]


def image_files(folder: Path, sizes: Sequence[tuple[int, int]] = SIZES) -> list[str]:
    return write_images(folder, sizes)


def imported(content: object, as_: str, folder: Path, **arguments: Any) -> Detector:
    """A detector from a published file, on the way that users go."""
    torch.save(content, folder / "published.pth")
    return load_detector(import_checkpoint(folder / "published.pth", as_=as_, out=folder / "detector", **arguments))


def noise(*shape: int) -> Tensor:
    """uint8, the same every time."""
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).byte()


def ours(detector: Detector, file: str) -> float:
    with torch.no_grad():
        return float(detector(detector.preprocess(read_rgb(file))[None]))


def same_logits(detector: Detector, program: Logit, files: Sequence[str], *, within: float = 1e-4) -> None:
    """Logits within 1e-4, of a size that says something and not the same for all images."""
    with torch.no_grad():
        theirs = np.array([program(file) for file in files])
    assert np.abs(theirs).max() < 30 and (len(files) == 1 or np.ptp(theirs) > 0.005), theirs
    np.testing.assert_allclose([ours(detector, file) for file in files], theirs, atol=within, rtol=0)


def refused(content: State, as_: str, folder: Path, **arguments: Any) -> None:
    """A file that lacks a key, has one more or has another shape; one sentence each, and nothing is written."""
    some = sorted(content)[len(content) // 2]
    fewer = {key: value for key, value in content.items() if key != some}
    wrong = {**content, some: torch.zeros(3, 1, 2)}
    for state in (fewer, {**content, "foreign.weight": torch.zeros(1)}, wrong, {"other": torch.zeros(2)}):
        torch.save(state, folder / "bad.pth")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("synthscope.detectors.published.names_that_fit", lambda state: [])  # which takes seconds
            with pytest.raises(SynthscopeError, match=r"^Expected .*, got .*\. [A-Z].*\.$") as caught:
                import_checkpoint(folder / "bad.pth", as_=as_, out=folder / "bad", **arguments)
        assert "\n" not in str(caught.value) and "bad.pth" in str(caught.value)
    assert not (folder / "bad").exists()


def layout(name: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes that the published file called ``name`` must have once its names are ours."""
    entry = published(name)
    with torch.device("meta"):
        net = create_detector(entry.architecture, options=entry.options, input=entry.input).get_submodule("net")
    return {key: tuple(value.shape) for key, value in entry.layout(net.state_dict()).items()}
