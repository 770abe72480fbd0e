"""Detectors with published weights or training code: where files come from, and what their outputs mean here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from synthscope.detectors.checkpoints import State
from synthscope.detectors.published.convert import (
    c2p_clip,
    compiled,
    cospy,
    dda,
    drct_clip,
    effort,
    effort_ufd,
    negated,
    one_logit,
    same_names,
    swin_to_timm,
    two_outputs,
    universal_fake_detect,
)
from synthscope.detectors.weights import WEIGHTS
from synthscope.errors import UsageError, suggest

GITHUB, HUB = "https://github.com/", "https://huggingface.co/"
GENIMAGE = f"{GITHUB}GenImage-Dataset/GenImage (training code; weights are not published)"
AUTOGAN = f"{GITHUB}ColumbiaDVMM/AutoGAN"
COSPY = f"{HUB}ruojiruoli/Co-Spy-Pretrained-Weights"
COSPY_LICENCE = "not stated; the code's is MIT: for your own use, not to be passed on"
COSPY_PARTS = {f"{name}_weights.pth": f"{name}." for name in ("semantic", "artifact", "fusion")}
COSPY_TRAINED = r"(artifact|fusion)\..+|semantic\.fc\..+"
DRCT = f"{GITHUB}beibuwandeluori/DRCT"
EFFORT = f"{GITHUB}YZY-stack/Effort-AIGI-Detection"
GRAMNET = f"{GITHUB}liuzhengzhe/Global_Texture_Enhancement_for_Fake_Face_Detection_in_the-Wild"
LADEDA = f"{GITHUB}barcavia/RealTime-DeepfakeDetection-in-the-RealWorld"
YISSUM = "Yissum Software Research License: research only, not to be passed on"
CLIP_L14 = "CLIP ViT-L/14: model.safetensors of https://huggingface.co/timm/vit_large_patch14_clip_224.openai"
CC_BY_NC = "CC BY-NC 4.0, by a badge of the read-me: research only, not to be passed on"
NOT_LICENSED = "no licence published: for your own use, not to be passed on"
NOT_STATED = "that of whoever trained it"

CROP_224 = {"resize": None, "crop": 224, "small": "pad"}


def _square(side: int, interpolation: str) -> dict[str, Any]:
    return {"resize": side, "resize_mode": "square", "crop": None, "interpolation": interpolation}


def _short(side: int) -> dict[str, Any]:
    return {"resize": side, "resize_mode": "short", "crop": 224, "interpolation": "pillow_bicubic"}


@dataclass(frozen=True, kw_only=True)
class Published:
    """One kind of published checkpoint."""

    architecture: str
    source: str  # where the files, or the code that writes them, are
    licence: str  # of the weights
    options: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)  # what differs from the architecture's own
    head: str = "fc"  # the classifier, in the names of the network here
    ai: Literal["positive", "negative", 0, 1, "unknown"] = "positive"  # the AI side: sign of one logit, or which of two
    rename: Callable[[State], State] = same_names
    backbone: str | None = None  # the second file that is needed where the first holds the trained part alone
    hub_file: str = WEIGHTS  # what hf-hub:OWNER/NAME fetches of such a repository
    parts: dict[str, str] = field(default_factory=dict)  # files of a folder, and what their keys begin with here
    beside: dict[str, str] = field(default_factory=dict)  # the same of files that are read where those lack such keys
    rule: str = ""  # of the test, where a logit is made of several, for the card
    trained: str = r"fc\.(weight|bias)"  # keys of that part, a regular expression

    def ai_output(self, index: int | None) -> int | None:
        """Which of two outputs is AI: ``index``, or the published one if None. None for networks with one logit.

        Raises:
            UsageError: Needed and not given, or given and not needed.
        """
        if self.ai in ("positive", "negative"):
            if index is not None:
                raise UsageError(f"Expected no AI index, got {index}: {self.architecture} has one output. Remove it.")
            return None
        if index is None and self.ai == "unknown":
            raise UsageError(
                f"Expected the index of the AI output of {self.architecture}, got none: it depends on who trained it. "
                f"Give --ai-index; folders ai and nature in sorted order make it 0."
            )
        if index not in (None, 0, 1):
            raise UsageError(f"Expected 0 or 1 as AI index, got {index}. Choose one of the two outputs.")
        return int(self.ai) if index is None else index

    def layout(self, net: State) -> State:
        """Keys and shapes that a renamed published state must have, from the state of the network here."""
        return net if self.ai in ("positive", "negative") else two_outputs(net, self.head)

    def to_logit(self, state: State, ai_output: int | None) -> State:
        """A renamed published state with the head of the network here: one logit, positive = AI."""
        if ai_output is not None:
            return one_logit(state, self.head, ai_output)
        return negated(state, self.head) if self.ai == "negative" else state

    def is_head(self, state: State) -> bool:
        """A renamed published state holds the trained part alone, and its backbone is published elsewhere."""
        return self.backbone is not None and self.trained_part(state).keys() == state.keys()

    def trained_part(self, state: State) -> State:
        """What of a state is trained, not of the backbone."""
        return {key: value for key, value in state.items() if re.fullmatch(self.trained, key)}

    def ai_side(self) -> str:
        """What of the published output means AI, in words."""
        if self.ai == "unknown":
            return "one of two outputs"
        return f"a {self.ai} logit" if isinstance(self.ai, str) else f"output {self.ai} of two"

    def meaning(self, ai_output: int | None) -> str:
        """How the published output became the logit, in words."""
        if ai_output is not None:
            return f"logit = output {ai_output} - output {1 - ai_output} (published: two outputs)"
        return f"logit = {'-' if self.ai == 'negative' else ''}output (published: one)"


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


PUBLISHED: dict[str, Published] = {
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
    "cnnspot": Published(
        architecture="cnnspot",
        source=f"{GITHUB}PeterWang512/CNNDetection (blur_jpg_prob0.1.pth, blur_jpg_prob0.5.pth)",
        licence="CC BY-NC-SA 4.0",
        input=CROP_224,
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
    "deit_s": Published(
        architecture="deit_s",
        source=GENIMAGE,
        licence=NOT_STATED,
        input=_short(256),
        head="head",
        ai=0,
    ),
    "drct_clip": Published(
        architecture="drct_clip",
        source=f"{DRCT} (CLIP ViT-L/14)",
        licence=NOT_LICENSED,
        input=CROP_224,
        ai=1,
        rename=drct_clip,
    ),
    "drct_convnext": Published(
        architecture="drct_convnext",
        source=f"{DRCT} (ConvNeXt-B)",
        licence=NOT_LICENSED,
        input=CROP_224,
        ai=1,
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
    "f3net": Published(
        architecture="f3net",
        source=GENIMAGE,
        licence=NOT_STATED,
        options={"heads": "published"},
        ai="unknown",
    ),
    "freqnet": Published(
        architecture="freqnet",
        source=f"{GITHUB}chuangchuangtan/FreqNet-DeepfakeDetection (4-classes-freqnet-v2.pth)",
        licence=NOT_LICENSED,
        input=_square(256, "pillow_bilinear"),
        head="fc1",
    ),
    "gramnet": Published(
        architecture="gramnet",
        source=f"{GRAMNET} (pickled objects: re-save them)",
        licence=NOT_LICENSED,
        options={"pixels": "bgr255"},
        input=_square(512, "opencv_bilinear"),
        head="fcnewr.3",
        ai=0,
    ),
    "ladeda": Published(
        architecture="ladeda",
        source=f"{LADEDA} (WildRF_LaDeDa.pth, ForenSynth_LaDeDa.pth)",
        licence=YISSUM,
        options={"preprocessing": "NPR"},
        input=_square(256, "pillow_bilinear"),
    ),
    "npr": Published(
        architecture="npr",
        source=f"{GITHUB}chuangchuangtan/NPR-DeepfakeDetection (NPR.pth, model_epoch_last_3090.pth)",
        licence=NOT_LICENSED,
        input=_square(256, "pillow_bilinear"),
        head="fc1",
    ),
    "resnet50": Published(architecture="resnet50", source=GENIMAGE, licence=NOT_STATED, input=_short(235), ai=0),
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
    "spec": Published(
        architecture="spec",
        source=AUTOGAN,
        licence="BSD, by the headers of the code",
        options={"feature": "spectrum", "channels": "bgr"},
        input=_square(256, "opencv_bilinear") | {"crop": 224},
        ai=0,
    ),
    "spec_pixels": Published(
        architecture="spec",
        source=AUTOGAN,
        licence="BSD, by the headers of the code",
        options={"feature": "pixels", "channels": "bgr"},
        input=_square(256, "opencv_bilinear") | {"crop": 224},
        ai=0,
    ),
    "ssp": Published(
        architecture="ssp",
        source=f"{GITHUB}bcmi/SSP-AI-Generated-Image-Detection",
        licence="MIT",
        head="disc.fc",
        ai="negative",
    ),
    "swin_t": Published(
        architecture="swin_t",
        source=GENIMAGE,
        licence=NOT_STATED,
        input=_short(256),
        head="head.fc",
        ai=0,
        rename=swin_to_timm,
    ),
    # which gradient the two files were trained with isn't published: told from their batch normalisation statistics
    "tiny_ladeda_forensynth": Published(
        architecture="tiny_ladeda",
        source=f"{LADEDA} (ForenSynth_Tiny_LaDeDa.pth)",
        licence=YISSUM,
        options={"preprocessing": "NPR"},
        input=_square(256, "pillow_bilinear"),
    ),
    "tiny_ladeda_wildrf": Published(
        architecture="tiny_ladeda",
        source=f"{LADEDA} (WildRF_Tiny_LaDeDa.pth)",
        licence=YISSUM,
        options={"preprocessing": "left_diag"},
        input=_square(256, "pillow_bilinear"),
    ),
    "univfd": Published(
        architecture="univfd",
        source=f"{GITHUB}WisconsinAIVision/UniversalFakeDetect (pretrained_weights/fc_weights.pth)",
        licence="MIT, as CLIP's weights",
        input=CROP_224,
        rename=universal_fake_detect,
        backbone=CLIP_L14,
    ),
}


def published(name: str) -> Published:
    """The entry called ``name``. Raises ``UsageError`` with the nearest names."""
    if name not in PUBLISHED:
        raise UsageError(f"Expected the name of a published detector, got {name!r}. {suggest(name, PUBLISHED)}")
    return PUBLISHED[name]


def published_table() -> list[dict[str, Any]]:
    """One row a name: architecture, what its output means, where files come from, and the licence of the weights."""
    return [
        {
            "name": name,
            "architecture": entry.architecture,
            "options": ", ".join(f"{key}={value}" for key, value in entry.options.items()),
            "AI is": entry.ai_side(),
            "source": entry.source,
            "licence": entry.licence,
        }
        for name, entry in PUBLISHED.items()
    ]
