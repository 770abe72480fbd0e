"""Class activation maps: the last maps over the image, weighted by the gradient of the logit."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.explainers.base import FromForward
from synthscope.explainers.forward import Forward, Taps
from synthscope.explainers.targets import as_maps, named_layers


class CamOptions(Config):
    """Where to look."""

    layer: str | None = None  # names of modules joined by +, such as net.layer3; None = the last maps


class Cam(FromForward):
    """Maps of all target layers: weighted, cut off at 0 (what speaks against AI), enlarged, added up.

    In this order, as published: cut off after enlarging, positions would lose to neighbours that speak against AI.
    """

    Options: ClassVar[type[Config]] = CamOptions

    def layer(self, detector: Detector) -> str:
        """Names of the target layers; see :func:`synthscope.explainers.targets.target_layers`."""
        return "+".join(named_layers(detector, self.options.layer))

    def taps(self, detector: Detector) -> Taps:
        """The target layers and their gradients."""
        return Taps(gradients=named_layers(detector, self.options.layer))

    def maps(self, detector: Detector, images: Tensor, seen: Forward) -> list[Tensor]:
        """A non-negative one of each layer."""
        size = images.shape[-2:]
        found = []
        for name in self.taps(detector).gradients:
            pair = (as_maps(detector, tensors[name], size) for tensors in (seen.outputs, seen.gradients))
            found.append(detector.over_input(self.weigh(*pair).relu(), images, name))
        return found

    @abstractmethod
    def weigh(self, maps: Tensor, gradients: Tensor) -> Tensor:
        """One map ``(B, h', w')``, before it is cut off at 0, of maps and gradients ``(B, C, h', w')``."""


class GradCam(Cam):
    """Every map times the mean of its gradient (Selvaraju et al., ICCV 2017, eq. 1 and 2)."""

    name = "gradcam"

    def weigh(self, maps: Tensor, gradients: Tensor) -> Tensor:
        """Sum over channels of ``mean(gradient) * map``."""
        return torch.einsum("bc,bchw->bhw", gradients.mean((2, 3)), maps)


class GradCamPlusPlus(Cam):
    """Positive gradients weighted by how much a position matters alone (Chattopadhay et al., WACV 2018, eq. 19).

    The paper explains exp(logit), whose derivatives of second and third order are powers of the logit's gradient; the
    common factor drops out of the weights.
    """

    name = "gradcam++"

    def weigh(self, maps: Tensor, gradients: Tensor) -> Tensor:
        """Sum over channels of ``sum(alpha * relu(gradient)) * map``."""
        square = gradients.square()
        below = 2 * square + maps.sum((2, 3), keepdim=True) * square * gradients
        alpha = torch.where(below != 0, square / torch.where(below != 0, below, 1), 0)
        return torch.einsum("bc,bchw->bhw", (alpha * gradients.relu()).sum((2, 3)), maps)


class LayerCam(Cam):
    """Every value times its own positive gradient (Jiang et al., TIP 2021, eq. 4): also fine at early layers."""

    name = "layercam"

    def weigh(self, maps: Tensor, gradients: Tensor) -> Tensor:
        """Sum over channels of ``relu(gradient) * map``."""
        return (gradients.relu() * maps).sum(1)
