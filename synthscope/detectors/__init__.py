"""Detectors of AI-generated images, one file a family; ``hub`` creates, saves and loads them.

Listing names imports nothing heavy. ``DETECTORS["resnet50"]`` is the class, ``"timm:NAME"`` is any other timm model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthscope.registry import Registry

if TYPE_CHECKING:
    from synthscope.detectors.base import Detector

DETECTORS: Registry[type[Detector]] = Registry("detector")
DETECTORS.register("aide", "synthscope.detectors.aide:Aide")
DETECTORS.register("artifact_vit", "synthscope.detectors.artifact_vit:ArtifactVit")
DETECTORS.register("bfree", "synthscope.detectors.bfree:BFree")
DETECTORS.register("c2p_clip", "synthscope.detectors.c2p_clip:C2pClip")
DETECTORS.register("cnn_small", "synthscope.detectors.cnn_small:CnnSmall")
DETECTORS.register("cnnspot", "synthscope.detectors.cnnspot:CnnSpot")
DETECTORS.register("commfor", "synthscope.detectors.commfor:CommunityForensics")
DETECTORS.register("cospy", "synthscope.detectors.cospy:CoSpy")
DETECTORS.register("cospy_progan", "synthscope.detectors.cospy:CoSpyProgan")
DETECTORS.register("dda", "synthscope.detectors.dda:Dda")
DETECTORS.register("deit_s", "synthscope.detectors.backbones:DeitS")
DETECTORS.register("drct_clip", "synthscope.detectors.drct:DrctClip")
DETECTORS.register("drct_convnext", "synthscope.detectors.drct:DrctConvNext")
DETECTORS.register("effort", "synthscope.detectors.effort:Effort")
DETECTORS.register("f3net", "synthscope.detectors.f3net:F3Net")
DETECTORS.register("freqnet", "synthscope.detectors.freqnet:FreqNet")
DETECTORS.register("gramnet", "synthscope.detectors.gramnet:GramNet")
DETECTORS.register("ladeda", "synthscope.detectors.ladeda:LaDeDa")
DETECTORS.register("linear_probe", "synthscope.detectors.probe:LinearProbe")
DETECTORS.register("npr", "synthscope.detectors.npr:Npr")
DETECTORS.register("resnet50", "synthscope.detectors.backbones:Resnet50")
DETECTORS.register("rine", "synthscope.detectors.rine:Rine")
DETECTORS.register("safe", "synthscope.detectors.safe:Safe")
DETECTORS.register("spec", "synthscope.detectors.spec:Spec")
DETECTORS.register("spectrum_lr", "synthscope.detectors.spectrum_lr:SpectrumLr")
DETECTORS.register("srm_small", "synthscope.detectors.srm_small:SrmSmall")
DETECTORS.register("ssp", "synthscope.detectors.ssp:Ssp")
DETECTORS.register("swin_t", "synthscope.detectors.backbones:SwinT")
DETECTORS.register("timm", "synthscope.detectors.backbones:Timm")
DETECTORS.register("tiny_ladeda", "synthscope.detectors.ladeda:TinyLaDeDa")
DETECTORS.register("univfd", "synthscope.detectors.univfd:UnivFd")
