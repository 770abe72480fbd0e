"""Detectors of 2024 and 2025 with published weights: where files come from, and what their outputs mean here."""

from __future__ import annotations

from synthscope.detectors.published.convert import c2p_clip, compiled, cospy, dda, effort, effort_ufd
from synthscope.detectors.published.entry import CLIP_L14, CROP_224, GITHUB, NOT_LICENSED, Published

HUB = "https://huggingface.co/"
CC_BY_NC = "CC BY-NC 4.0, by a badge of the read-me: research only, not to be passed on"
COSPY = f"{HUB}ruojiruoli/Co-Spy-Pretrained-Weights"
COSPY_LICENCE = "not stated; the code's is MIT: for your own use, not to be passed on"
COSPY_PARTS = {f"{name}_weights.pth": f"{name}." for name in ("semantic", "artifact", "fusion")}
COSPY_TRAINED = r"(artifact|fusion)\..+|semantic\.fc\..+"
EFFORT = f"{GITHUB}YZY-stack/Effort-AIGI-Detection"


def _rine(file: str, **options: int) -> Published:
    return Published(
        architecture="rine",
        source=f"{GITHUB}mever-team/rine (ckpt/{file})",
        licence="Apache-2.0, that of the repository which holds the file; CLIP's MIT",
        options=options,
        head="head.6",
        backbone=CLIP_L14,
        trained=r"alpha|(proj1|proj2|head)\..+",
    )


TODAY: dict[str, Published] = {
    "aide": Published(
        architecture="aide",
        source=f"{GITHUB}shilinyan99/AIDE (progan_train.pth, sd14_train.pth)",
        licence="MIT, that of the code; none stated for the weights",
        head="fc.fc2",
        ai=1,
    ),
    "bfree": Published(
        architecture="bfree",
        source="https://www.grip.unina.it/download/prog/B-Free/weights/ (BFREE_dino2reg4.zip, unpacked)",
        licence="GRIP-UNINA's: informational, non-profit use, not to be passed on",
        head="head",
        rule="the mean of five logits: crops of 504 pixels at the centre and corners; options.crops=centre has one",
    ),
    "c2p_clip": Published(
        architecture="c2p_clip",
        source=f"{GITHUB}chuangchuangtan/C2P-CLIP-DeepfakeDetection (C2P_CLIP_release_20240901.zip, unpacked)",
        licence=NOT_LICENSED,
        rename=c2p_clip,
    ),
    "commfor_224": Published(
        architecture="commfor",
        source=f"{HUB}OwensLab/commfor-model-224",
        licence="MIT",
        input={"resize": 256, "crop": 224},
        head="vit.head",
        rename=compiled,
    ),
    "commfor_384": Published(
        architecture="commfor",
        source=f"{HUB}OwensLab/commfor-model-384",
        licence="MIT",
        head="vit.head",
        rename=compiled,
    ),
    "cospy": Published(
        architecture="cospy",
        source=f"{COSPY} (sd-v1_4.zip, unpacked: name the folder)",
        licence=COSPY_LICENCE,
        head="fusion.fc",
        rename=cospy,
        backbone="SigLIP SO400M/14: model.safetensors of https://huggingface.co/timm/ViT-SO400M-14-SigLIP-384",
        trained=COSPY_TRAINED,
        parts=COSPY_PARTS,
        beside={"diffusion_pytorch_model.safetensors": "artifact.artifact_encoder.vae."},  # of Stable Diffusion 1.4
    ),
    "cospy_progan": Published(
        architecture="cospy_progan",
        source=f"{COSPY} (progan.zip, unpacked: name the folder)",
        licence=COSPY_LICENCE,
        head="fusion.fc",
        backbone=CLIP_L14,
        trained=COSPY_TRAINED,
        parts=COSPY_PARTS,
    ),
    "dda": Published(
        architecture="dda",
        source=f"{HUB}Junwei-Xi/Dual-Data-Alignment (DDA_ckpt.pth)",
        licence="Apache-2.0",
        rename=dda,
        hub_file="DDA_ckpt.pth",
    ),
    "effort": Published(
        architecture="effort",
        source=f"{EFFORT} (effort_clip_L14_trainOn_sdv14.pth, …_chameleon.pth)",
        licence=CC_BY_NC,
        ai=1,
        rename=effort,
    ),
    "effort_ufd": Published(
        architecture="effort",
        source=f"{EFFORT} (UniversalFakeDetect_Benchmark, model_iters_18000.pth)",
        licence=CC_BY_NC,
        input={**CROP_224, "resize_mode": "short", "interpolation": "bilinear", "small": "tile", "fill": 256},
        rename=effort_ufd,
    ),
    "rine_1class": _rine("model_1class_trainable.pth", layers=4, width=1024),
    "rine_2class": _rine("model_2class_trainable.pth", layers=4, width=128),
    "rine_4class": _rine("model_4class_trainable.pth", layers=2, width=1024),
    "rine_ldm": _rine("model_ldm_trainable.pth", layers=4, width=1024),
    "safe": Published(
        architecture="safe",
        source=f"{GITHUB}Ouxiang-Li/SAFE (checkpoint/checkpoint-best.pth)",
        licence="Apache-2.0, that of the repository which holds the file",
        head="fc1",
        ai=1,
    ),
}
