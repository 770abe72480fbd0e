"""Detectors of AI-generated images, one file a family; ``hub`` creates, saves and loads them.

Listing names imports nothing heavy. ``DETECTORS["resnet50"]`` is the class, ``"timm:NAME"`` is any other timm model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthscope.registry import Registry

if TYPE_CHECKING:
    from synthscope.detectors.base import Detector

DETECTORS: Registry[type[Detector]] = Registry("detector")
DETECTORS.register("cnn_small", "synthscope.detectors.cnn_small:CnnSmall")
DETECTORS.register("cnnspot", "synthscope.detectors.cnnspot:CnnSpot")
DETECTORS.register("deit_s", "synthscope.detectors.backbones:DeitS")
DETECTORS.register("resnet50", "synthscope.detectors.backbones:Resnet50")
DETECTORS.register("swin_t", "synthscope.detectors.backbones:SwinT")
DETECTORS.register("timm", "synthscope.detectors.backbones:Timm")
