"""Evidence of every kind, made up: for the page, the terminal and the schema."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from synthscope.inspection.evidence import (
    Answer,
    Delivery,
    DetectorEvidence,
    Evidence,
    FileFacts,
    Finding,
    Heatmap,
    Reference,
    Region,
    ScopeCheck,
)

Make = Callable[[], Evidence]
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egnp.exe\u2028" + "long" * 300
WAYS = (
    ("none", "as it is"),
    ("resize:long=1920", "resized to 1,920 pixels"),
    ("resize:long=1280", "resized to 1,280 pixels"),
    ("resize:long=640", "resized to 640 pixels"),
    ("jpeg:q=95", "JPEG of quality 95"),
    ("jpeg:q=85", "JPEG of quality 85"),
    ("jpeg:q=70", "JPEG of quality 70"),
    ("jpeg:q=50", "JPEG of quality 50"),
    ("webp:q=80", "WebP of quality 80, at most 1,920 pixels"),
    ("messenger", "sent by a messenger (1,600 pixels, JPEG of quality 75)"),
    ("screen", "as a screenshot (1,080 pixels)"),
    ("crop:frac=0.95", "cropped by 5 %"),
)


def picture(width: int = 96, height: int = 64, kind: str = "JPEG") -> str:
    """A drawn picture as a data: URI."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=-1).astype(np.uint8)
    return _uri(Image.fromarray(rgb), kind)


def overlay(x: float = 0.6, y: float = 0.4, width: int = 96, height: int = 64) -> str:
    """A transparent PNG with one warm spot, as a data: URI."""
    rows, columns = np.mgrid[:height, :width]
    distance = ((columns / width - x) ** 2 + (rows / height - y) ** 2) / 0.03
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., :3] = (240, 120, 30)
    rgba[..., 3] = 230 * np.exp(-distance)
    return _uri(Image.fromarray(rgba), "PNG")


def _uri(image: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    image.save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def reference(**changes: Any) -> Reference:
    told: dict[str, Any] = {
        "name": "example, invented figures",
        "date": "2026-11-20",
        "n": 1000,
        "n_ai": 800,
        "digest": "0f1e2d3c4b5a",
        "sources": ("phones of 2019 to 2026", "news agencies", "a photographers' forum"),
        "quantiles": {"q50": -2.1, "q90": 0.2, "q95": 0.9, "q99": 2.2},
    }
    return Reference(**(told | changes))


def detector(name: str = "clip_linear@1a2b3c4d", **changes: Any) -> DetectorEvidence:
    told: dict[str, Any] = {
        "id": name,
        "weights_sha256": "1a2b3c4d" * 8,
        "architecture": "linear on ViT-B/16",
        "answer": Answer.EVIDENCE,
        "sentence": "Evidence of AI generation: 3 of 1,000 reference photographs score this high.",
        "logit": 3.12,
        "p_value": 4 / 1001,
        "level": 0.01,
        "miss_rate": 0.6,
        "likelihood_ratio": 14.2,
        "reference": reference(),
        "preprocessing": "short side 224 bicubic, crop 224",
        "sees": "a square of the middle, scaled down",
        "seen_share": 0.667,
    }
    return DetectorEvidence(**(told | changes))


def stability(name: str, logits: Sequence[float | None], answers: list[Answer] | Answer) -> tuple[Delivery, ...]:
    each = answers if isinstance(answers, list) else [answers] * len(logits)
    return tuple(
        Delivery(detector=name, condition=condition, label=label, logit=logit, p_value=None, answer=answer)
        for (condition, label), logit, answer in zip(WAYS, logits, each, strict=False)
    )


def heatmap(name: str, explainer: str = "gradcam", **changes: Any) -> Heatmap:
    told: dict[str, Any] = {
        "detector": name,
        "explainer": explainer,
        "layer": "norm",
        "signed": False,
        "overlay": overlay(),
        "trust": "In the truth test it points at the planted trace in 71 of 100 pictures; random places do in 24.",
    }
    return Heatmap(**(told | changes))


FILE = FileFacts(name="harbour at dusk.jpg", sha256="9c" * 32, bytes=3_214_003, width=4032, height=2688, format="JPEG")
LOGITS = [3.12, 3.05, 2.98, 2.41, 3.10, 2.93, 2.77, 2.35, 2.88, 2.52, 2.60, 3.20]
FINDINGS = (
    Finding(
        source="C2PA",
        claim="The file carries Content Credentials that validate, signed by a signer on the trust list.",
        detail={"signer": "Example Camera Works", "action": "c2pa.created", "digital source type": "digitalCapture"},
        verified=True,
    ),
    Finding(source="EXIF", claim="It names the camera Example X100.", detail={"software": "Example Editor 25.1"}),
    Finding(source="JPEG", claim="Tables of quality 92; compressed at least twice.", detail={"subsampling": "4:2:0"}),
)
SCOPE = (
    ScopeCheck(
        rule="size", applies=False, sentence="Large enough.", value=3024, limit=64, error_rate="nothing to get wrong"
    ),
    ScopeCheck(
        rule="screenshot",
        applies=False,
        sentence="Not a screenshot.",
        value=0.02,
        limit=0.5,
        error_rate="wrong on 2 of 400 photographs",
    ),
)
SETTINGS: dict[str, Any] = {"level": 0.01, "explainer": "gradcam", "private": False}
VERSIONS = {"synthscope": "0.1.0", "torch": "2.13.0", "timm": "1.0.31", "pillow": "13.0.0"}
COMMON: dict[str, Any] = {"provenance": FINDINGS, "scope": SCOPE, "settings": SETTINGS, "versions": VERSIONS}


def evidence(**changes: Any) -> Evidence:
    """Evidence of AI generation, stable, with two heatmaps and a region."""
    one = detector()
    told: dict[str, Any] = COMMON | {
        "file": FILE,
        "answer": Answer.EVIDENCE,
        "sentence": one.sentence,
        "detectors": (one,),
        "stability": stability(one.id, LOGITS, Answer.EVIDENCE),
        "heatmaps": (heatmap(one.id), heatmap(one.id, "rise", layer="input", signed=True, overlay=overlay(0.3, 0.7))),
        "regions": (
            Region(
                detector=one.id,
                explainer="gradcam",
                share=0.62,
                polygon=((2000, 800), (2900, 800), (3000, 1500), (2100, 1700)),
            ),
        ),
    }
    return Evidence(**(told | changes))


def none_found() -> Evidence:
    sentence = "No evidence of AI generation found. Of 800 reference AI images this detector misses 60 % at this level."
    one = detector(answer=Answer.NONE_FOUND, sentence=sentence, logit=-1.9, p_value=0.44, likelihood_ratio=0.4)
    logits = [-1.9, -1.85, -1.7, -1.2, -1.9, -2.0, -1.75, -1.4, -1.8, -1.5, -1.3, -2.1]
    return evidence(
        answer=Answer.NONE_FOUND,
        sentence=sentence,
        detectors=(one,),
        regions=(),
        heatmaps=(heatmap(one.id),),
        stability=stability(one.id, logits, Answer.NONE_FOUND),
        file=FILE.model_copy(update={"name": "market.jpg"}),
    )


def undecided_by_flip() -> Evidence:
    sentence = "Undecided: resizing to 1,280 pixels changes the answer."
    one = detector(answer=Answer.UNDECIDED, sentence=sentence, logit=2.6, p_value=0.008)
    answers = [Answer.EVIDENCE] * 12
    answers[2] = answers[3] = answers[9] = Answer.UNDECIDED
    answers[7] = Answer.NONE_FOUND
    return evidence(
        answer=Answer.UNDECIDED,
        sentence=sentence,
        detectors=(one,),
        provenance=(),
        reasons=("Four deliveries change it.",),
        stability=stability(one.id, [2.6, 2.5, 1.4, 0.9, 2.6, 2.5, 2.4, -1.1, 2.5, 1.1, 2.3, 2.7], answers),
        file=FILE.model_copy(update={"name": "bridge.png", "format": "PNG"}),
    )


def not_calibrated() -> Evidence:
    sentence = "Undecided (not calibrated): this detector has no reference photographs."
    one = detector(
        "mine@99887766",
        answer=Answer.UNDECIDED,
        sentence=sentence,
        p_value=None,
        level=None,
        miss_rate=None,
        likelihood_ratio=None,
        reference=None,
        logit=0.7,
        seen_share=None,
    )
    return evidence(
        answer=Answer.UNDECIDED,
        sentence=sentence,
        detectors=(one,),
        heatmaps=(),
        regions=(),
        stability=stability(one.id, [0.7, 0.6, 0.9], Answer.UNDECIDED),
        file=FILE.model_copy(update={"name": "garden.webp", "format": "WEBP"}),
    )


def not_applicable() -> Evidence:
    sentence = "Not applicable: this is a screenshot."
    check = SCOPE[1].model_copy(update={"applies": True, "sentence": "This is a screenshot.", "value": 0.93})
    return evidence(
        answer=Answer.NOT_APPLICABLE,
        sentence=sentence,
        detectors=(),
        stability=(),
        heatmaps=(),
        regions=(),
        provenance=FINDINGS[2:],
        scope=(SCOPE[0], check),
        file=FILE.model_copy(update={"name": "chat.png"}),
    )


def contradicting() -> Evidence:
    first = detector()
    second = detector(
        "residual@55aa55aa",
        answer=Answer.NONE_FOUND,
        logit=-4.2,
        p_value=162 / 201,
        likelihood_ratio=0.2,
        sentence="No evidence of AI generation found. Of 640 reference AI images it misses 45 % at this level.",
        miss_rate=0.45,
        reference=reference(name="second example", n=200, n_ai=640, digest="aabbccddeeff", quantiles={}),
        level=0.01,
        architecture="residual network",
        sees="all of it",
    )
    return evidence(
        answer=Answer.UNDECIDED,
        sentence="Undecided: two detectors contradict each other.",
        detectors=(first, second),
        heatmaps=(heatmap(first.id), heatmap(second.id, overlay=overlay(0.2, 0.3), trust="Not tested.")),
        stability=stability(first.id, LOGITS, Answer.EVIDENCE)
        + stability(
            second.id, [-4.2, -4.0, -3.7, -3.1, -4.1, -4.4, -3.9, -3.3, -4.0, -3.6, -3.5, -4.3], Answer.NONE_FOUND
        ),
        file=FILE.model_copy(update={"name": "tower.jpg"}),
    )


def hostile() -> Evidence:
    one = detector(
        HOSTILE,
        sentence=HOSTILE,
        sees=HOSTILE,
        preprocessing=HOSTILE,
        reasons=(HOSTILE,),
        architecture=HOSTILE,
        reference=reference(name=HOSTILE, sources=(HOSTILE,)),
    )
    return evidence(
        file=FileFacts(name=HOSTILE, sha256="ab" * 32, bytes=12, width=10, height=10, format=HOSTILE[:60]),
        sentence=HOSTILE,
        reasons=(HOSTILE, "second"),
        detectors=(one,),
        provenance=(
            Finding(source=HOSTILE, claim=HOSTILE, detail={HOSTILE: HOSTILE, "prompt": "\x1b[2J\n" + HOSTILE}),
        ),
        stability=(Delivery(detector=HOSTILE, condition=HOSTILE, label=HOSTILE, logit=1e9, answer=Answer.UNDECIDED),),
        heatmaps=(heatmap(HOSTILE, HOSTILE, layer=HOSTILE, trust=HOSTILE, overlay='x"onerror="alert(3)'),),
        regions=(
            Region(detector=HOSTILE, explainer=HOSTILE, polygon=((0, 0), (5, 0), (5, 5)), share=1, category=HOSTILE),
        ),
        scope=(ScopeCheck(rule=HOSTILE, applies=True, sentence=HOSTILE, error_rate=HOSTILE),),
        settings={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
    )


ALL: dict[str, Make] = {
    one.__name__: one
    for one in (evidence, none_found, undecided_by_flip, not_calibrated, not_applicable, contradicting, hostile)
}
