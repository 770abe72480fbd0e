"""The contract of an explainer, and its heatmaps over the pixels of the image.

Heatmaps stay raw: never scaled to a range, so that two of them can be compared. Positive = evidence for AI.
"""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synthscope.config import Config, validate
from synthscope.detectors.base import Detector
from synthscope.detectors.input import Placed, place
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers import EXPLAINERS
from synthscope.explainers.forward import Forward, Taps, forward


class Explainer(ABC):
    """Base of all explainers: call it with a detector and its inputs.

    Subclasses set ``name`` and implement :meth:`heatmaps` and :meth:`layer`; see also :class:`FromForward`. A run
    calls an explainer in several threads, with copies of it and of the detector in each.
    """

    name: ClassVar[str]
    signed: ClassVar[bool] = False  # negative values are evidence for real; metrics clip them to 0
    Options: ClassVar[type[Config]] = Config

    def __init__(self, options: Config | None = None) -> None:
        self.options: Any = options or self.Options()

    def __str__(self) -> str:
        """Name and the options that differ from their defaults, as ``create_explainer`` reads them."""
        changed = self.options.model_dump(exclude_defaults=True)
        return self.name + (":" + ",".join(f"{key}={value}" for key, value in changed.items()) if changed else "")

    def __call__(self, detector: Detector, images: Tensor) -> Tensor:
        """Explain the logit of every image; none depends on the others of the batch.

        Args:
            detector: In evaluation mode; comes back unchanged.
            images: ``(B, 3, h, w)`` of ``detector.preprocess``, uint8 or float in 0..255, on the detector's device.

        Returns:
            float32 ``(B, h, w)``, raw, in input coordinates: see :func:`to_image`.

        Raises:
            UsageError: A method that this detector cannot be explained by, or an unknown layer.
            SynthscopeError: A detector in training mode, or heatmaps of another size.
        """
        with _explaining(detector):
            heat = self.heatmaps(detector, images).detach().float()
        if heat.shape != (expected := (len(images), *images.shape[-2:])):
            raise SynthscopeError(
                f"Expected heatmaps {expected} of {self}, got {tuple(heat.shape)}. Mend the explainer."
            )
        return heat

    @abstractmethod
    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """What :meth:`__call__` returns; runs without gradients unless it enables them."""

    def layer(self, detector: Detector) -> str:
        """What of the detector is looked at: names of modules joined by ``+``, or ``input``. Stored with heatmaps.

        Raises:
            UsageError: The detector has nothing that this method could look at.
        """
        return "input"

    def completeness_gap(self, detector: Detector, images: Tensor, heatmaps: Tensor) -> Tensor | None:
        """How far the sums of heatmaps are from the sums that the method promises, relative to these.

        Args:
            detector: In evaluation mode.
            images: As in :meth:`__call__`.
            heatmaps: ``(B, h, w)`` that :meth:`__call__` made of them.

        Returns:
            ``(B,)``, 0 = complete; None where the method promises no sum.
        """
        return None


class FromForward(Explainer):
    """An explainer that reads what one forward pass leaves, and so shares it with others: see :func:`together`."""

    @abstractmethod
    def taps(self, detector: Detector) -> Taps:
        """What of the pass it reads. Raises ``UsageError`` where the detector has no such thing."""

    @abstractmethod
    def maps(self, detector: Detector, images: Tensor, seen: Forward) -> list[Tensor]:
        """Maps ``(B, h', w')`` of any sizes whose bilinear enlargements add up to the heatmaps.

        Args:
            detector: In evaluation mode; may be run again.
            images: As in :meth:`__call__`.
            seen: What the pass over them has left of ``taps``, and perhaps more.
        """

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """``(B, h, w)``, from a pass of its own."""
        seen = forward(detector, images, [self.taps(detector)])
        return enlarged(self.maps(detector, images, seen), images.shape[-2:])


class Explained(NamedTuple):
    """What one pass and several explainers say of a batch."""

    logits: Tensor  # float32 (B,)
    maps: list[list[Tensor]]  # of each explainer: float32 (B, h', w'), whose enlargements add up to its heatmaps


def together(detector: Detector, images: Tensor, explainers: Sequence[Explainer]) -> Explained:
    """Logits and heatmaps of a batch by several explainers, which share one forward pass as far as they can.

    Arguments and errors are those of :meth:`Explainer.__call__`.
    """
    with _explaining(detector):
        sharing = [explainer for explainer in explainers if isinstance(explainer, FromForward)]
        seen = forward(detector, images, [explainer.taps(detector) for explainer in sharing])
        maps = [
            [found.detach().float() for found in explainer.maps(detector, images, seen)]
            if isinstance(explainer, FromForward)
            else [explainer(detector, images)]
            for explainer in explainers
        ]
    return Explained(seen.logits, maps)


@contextlib.contextmanager
def _explaining(detector: Detector) -> Iterator[None]:
    if detector.training:
        raise SynthscopeError(
            f"Expected {detector.config.name} in evaluation mode, got training mode. Call detector.eval() first."
        )
    with torch.inference_mode(False), torch.no_grad():
        yield


def create_explainer(text: str) -> Explainer:
    """An explainer by name, with options behind a colon: ``gradcam:layer=net.layer3``, ``occlusion:window=16``.

    Raises:
        UsageError: Unknown name or option, or a value out of range.

    >>> str(create_explainer("occlusion: window=16, stride=16"))
    'occlusion:window=16'
    """
    match = re.fullmatch(r"\s*(.+\.py:\w+|[^:]+?)\s*(?::(.*))?", text)
    name, given = (match[1], match[2] or "") if match else (text, "")
    options = {}
    for part in filter(None, (part.strip() for part in given.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise UsageError(f"Expected option=value in explainer {text!r}, got {part!r}. Put a value after =.")
        options[key] = value
    kind = EXPLAINERS[name]
    if not (isinstance(kind, type) and issubclass(kind, Explainer)) or kind.__abstractmethods__:
        raise UsageError(
            f"Expected a subclass of synthscope.explainers.base.Explainer with heatmaps as {name}, got something else. "
            f"Derive it from Explainer: see docs/architecture.md."
        )
    return kind(validate(kind.Options, options, f"options of {name}"))


def upsample(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Bilinear ``(B, h', w')`` to ``(B, *size)``, pixel centres aligned as in the detectors' resize."""
    return functional.interpolate(maps[:, None].float(), tuple(size), mode="bilinear", align_corners=False)[:, 0]


def enlarged(maps: Sequence[Tensor], size: tuple[int, int] | torch.Size) -> Tensor:
    """The sum ``(B, *size)`` of maps ``(B, h', w')``, each brought to that size by :func:`upsample`."""
    return torch.stack([each if each.shape[1:] == tuple(size) else upsample(each, size) for each in maps]).sum(0)


def to_image(heatmap: Tensor | NDArray[Any], detector: Detector, rgb_shape: tuple[int, ...]) -> Placed:
    """A heatmap over the pixels of the image that the detector's input was made from: resize and crop undone.

    Args:
        heatmap: ``(h, w)`` in input coordinates.
        detector: Whose ``preprocess`` made the input.
        rgb_shape: ``(H, W, …)`` of the image that went into ``preprocess``.

    Returns:
        As :func:`synthscope.detectors.input.place`.

    Raises:
        UsageError: A heatmap of another size than the input, or a detector whose ``preprocess`` looks elsewhere.
    """
    if not keeps_geometry(detector):
        raise UsageError(
            f"Expected a detector that resizes and crops as configured, got {detector.config.name}, which chooses its "
            f"input by itself: its heatmaps have no place in the image. Leave it out."
        )
    return place(torch.as_tensor(heatmap).detach().cpu().numpy(), detector.config.input, rgb_shape)


def keeps_geometry(detector: Detector) -> bool:
    """Whether the detector's ``preprocess`` is the one that its input configuration describes; tried on noise."""
    if type(detector).preprocess is Detector.preprocess:
        return True
    probe = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    return torch.equal(detector.preprocess(probe), Detector.preprocess(detector, probe))
