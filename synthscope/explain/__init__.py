"""Heatmaps of where a detector's evidence lies, one file a family of methods; ``create_explainer`` reads their names.

Listing names imports nothing heavy. ``EXPLAINERS["gradcam"]`` is the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthscope.registry import Registry

if TYPE_CHECKING:
    from synthscope.explain.base import Explainer

EXPLAINERS: Registry[type[Explainer]] = Registry("explainer")
EXPLAINERS.register("artifact_map", "synthscope.explain.artifact_map:ArtifactMap")
EXPLAINERS.register("attn_rollout", "synthscope.explain.attention:AttentionRollout")
EXPLAINERS.register("chefer", "synthscope.explain.attention:Chefer")
EXPLAINERS.register("grad_rollout", "synthscope.explain.attention:GradientRollout")
EXPLAINERS.register("gradcam", "synthscope.explain.gradcam:GradCam")
EXPLAINERS.register("gradcam++", "synthscope.explain.gradcam:GradCamPlusPlus")
EXPLAINERS.register("input_x_grad", "synthscope.explain.gradients:InputXGradient")
EXPLAINERS.register("integrated_gradients", "synthscope.explain.gradients:IntegratedGradients")
EXPLAINERS.register("layercam", "synthscope.explain.gradcam:LayerCam")
EXPLAINERS.register("occlusion", "synthscope.explain.occlusion:Occlusion")
EXPLAINERS.register("patch_logits", "synthscope.explain.patches:PatchLogits")
EXPLAINERS.register("rise", "synthscope.explain.rise:Rise")
