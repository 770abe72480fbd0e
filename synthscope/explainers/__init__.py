"""Heatmaps of where a detector's evidence lies, one file a family of methods; ``create_explainer`` reads their names.

Listing names imports nothing heavy. ``EXPLAINERS["gradcam"]`` is the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthscope.registry import Registry

if TYPE_CHECKING:
    from synthscope.explainers.base import Explainer

EXPLAINERS: Registry[type[Explainer]] = Registry("explainer")
EXPLAINERS.register("artifact_map", "synthscope.explainers.artifact_map:ArtifactMap")
EXPLAINERS.register("attn_rollout", "synthscope.explainers.attention:AttentionRollout")
EXPLAINERS.register("chefer", "synthscope.explainers.attention:Chefer")
EXPLAINERS.register("grad_rollout", "synthscope.explainers.attention:GradientRollout")
EXPLAINERS.register("gradcam", "synthscope.explainers.gradcam:GradCam")
EXPLAINERS.register("gradcam++", "synthscope.explainers.gradcam:GradCamPlusPlus")
EXPLAINERS.register("input_x_grad", "synthscope.explainers.gradients:InputXGradient")
EXPLAINERS.register("integrated_gradients", "synthscope.explainers.gradients:IntegratedGradients")
EXPLAINERS.register("layercam", "synthscope.explainers.gradcam:LayerCam")
EXPLAINERS.register("occlusion", "synthscope.explainers.occlusion:Occlusion")
EXPLAINERS.register("patch_logits", "synthscope.explainers.patches:PatchLogits")
EXPLAINERS.register("rise", "synthscope.explainers.rise:Rise")
