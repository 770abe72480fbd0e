"""Detectors with published weights or training code: where files come from, and what their outputs mean here."""

from __future__ import annotations

from typing import Any

from synthscope.detectors.published.convert import drct_clip, swin_to_timm, universal_fake_detect
from synthscope.detectors.published.entry import CLIP_L14, CROP_224, GITHUB, NOT_LICENSED, Published
from synthscope.detectors.published.today import TODAY
from synthscope.errors import UsageError, suggest

GENIMAGE = f"{GITHUB}GenImage-Dataset/GenImage (training code; weights are not published)"
AUTOGAN = f"{GITHUB}ColumbiaDVMM/AutoGAN"
DRCT = f"{GITHUB}beibuwandeluori/DRCT"
GRAMNET = f"{GITHUB}liuzhengzhe/Global_Texture_Enhancement_for_Fake_Face_Detection_in_the-Wild"
LADEDA = f"{GITHUB}barcavia/RealTime-DeepfakeDetection-in-the-RealWorld"
YISSUM = "Yissum Software Research License: research only, not to be passed on"
NOT_STATED = "that of whoever trained it"


def _square(side: int, interpolation: str) -> dict[str, Any]:
    return {"resize": side, "resize_mode": "square", "crop": None, "interpolation": interpolation}


def _short(side: int) -> dict[str, Any]:
    return {"resize": side, "resize_mode": "short", "crop": 224, "interpolation": "pillow_bicubic"}


EARLIER: dict[str, Published] = {
    "cnnspot": Published(
        architecture="cnnspot",
        source=f"{GITHUB}PeterWang512/CNNDetection (blur_jpg_prob0.1.pth, blur_jpg_prob0.5.pth)",
        licence="CC BY-NC-SA 4.0",
        input=CROP_224,
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
PUBLISHED = dict(sorted((EARLIER | TODAY).items()))


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
