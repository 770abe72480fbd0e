"""What an inspection says about one file, as it is shown, stored and sent. The JSON schema ships as ``evidence.json``.

There are three answers and a refusal; none of them says that an image is real, fake, or how probable that is.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from html import escape

from pydantic import Field

from synthscope.config import Config

SCHEMA_VERSION = "1"


class Answer(StrEnum):
    """What is said first; see :mod:`synthscope.inspection.verdict` for when."""

    EVIDENCE = "evidence of AI generation"
    NONE_FOUND = "no evidence found"
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not applicable"


class Signature(StrEnum):
    """How far a manifest's signature goes."""

    TRUSTED = "valid, by a signer on the trust list"
    UNKNOWN = "valid, by a signer unknown to this machine"
    INVALID = "invalid"


class FileFacts(Config):
    """The file that was looked at."""

    name: str  # its last part; never a folder of the machine
    sha256: str | None = None  # None = it could not be read
    bytes: int | None = None
    width: int | None = None  # as stored, before EXIF orientation
    height: int | None = None
    format: str | None = None  # Pillow's name


class Finding(Config):
    """Something that the file says, or that its coding shows, of its origin. Never part of the answer."""

    source: str  # C2PA | XMP | marking | PNG text | EXIF | JPEG | watermark | file
    claim: str  # one sentence for people
    detail: dict[str, str] = Field(default_factory=dict)  # further facts, by name
    verified: bool = False  # a manifest that validates and whose signer is on the trust list
    signature: Signature | None = None  # of the manifest that says so; None = nobody signed this


class ScopeCheck(Config):
    """One rule of what the detectors are made for."""

    rule: str  # size | flat | drawing | screenshot | text | readable
    applies: bool  # True = out of scope
    sentence: str  # why, for people
    value: float | None = None  # what was measured
    limit: float | None = None  # where it begins to apply
    error_rate: str = ""  # what the rule gets wrong, with n; empty where there is nothing to get wrong


class Reference(Config):
    """Images that a logit was compared with."""

    name: str
    date: str
    n: int  # photographs, one a group
    n_ai: int = 0
    sources: tuple[str, ...] = ()
    digest: str  # first 12 hex digits of the SHA-256 of the reference set
    view: str = "none"
    demo_only: bool = False  # not proven on unseen generators
    cllr: float | None = None  # cost of likelihood ratios in bits, on images that they were not fitted on
    cllr_min: float | None = None  # the least that any monotone calibration could have
    quantiles: dict[str, float] = Field(default_factory=dict)  # of the photographs' logits: q50, q90, q95, q99


class DetectorEvidence(Config):
    """What one detector says."""

    id: str  # name@first 8 digits of the weights' sha256
    weights_sha256: str
    architecture: str
    answer: Answer
    sentence: str
    reasons: tuple[str, ...] = ()
    logit: float | None = None
    p_value: float | None = None  # (1 + #{photographs that score at least this}) / (n + 1)
    level: float | None = None  # p-values up to this are evidence; not below 1 / (n + 1)
    miss_rate: float | None = None  # share of the reference AI images whose p-value is above the level
    common: float | None = None  # p-values above this are no evidence
    common_miss_rate: float | None = None  # share of the reference AI images whose p-value is above that
    likelihood_ratio: float | None = None
    reference: Reference | None = None
    preprocessing: str
    sees: str  # of an image, in words
    seen_share: float | None = None  # of this one


class Delivery(Config):
    """The same image as it arrives by another road."""

    detector: str
    condition: str  # a degradation recipe
    label: str  # in words, as in "saved as JPEG of quality 70"
    logit: float | None = None
    p_value: float | None = None
    answer: Answer


class Heatmap(Config):
    """Where a detector's evidence lies, in pixels of the upright image."""

    detector: str
    explainer: str
    layer: str
    signed: bool  # negative values speak for a photograph
    raw: str | None = None  # .npz with float16 "heat" and bool "seen", both (H, W): a file name or a data: URI
    overlay: str | None = None  # .png, likewise
    trust: str  # what the truth test says of this explainer


class Region(Config):
    """A part of the image that holds much of a heatmap's relevance."""

    detector: str
    explainer: str
    polygon: tuple[tuple[float, float], ...]  # (x, y) in pixels
    category: str | None = None  # where an artifact model is loaded
    share: float  # of the positive relevance


class Evidence(Config):
    """All of it. Two inspections of the same file by the same versions and settings are equal."""

    schema_version: str = SCHEMA_VERSION
    file: FileFacts
    answer: Answer
    sentence: str
    reasons: tuple[str, ...] = ()
    detectors: tuple[DetectorEvidence, ...] = ()
    stability: tuple[Delivery, ...] = ()
    heatmaps: tuple[Heatmap, ...] = ()
    regions: tuple[Region, ...] = ()
    provenance: tuple[Finding, ...] = ()
    scope: tuple[ScopeCheck, ...] = ()
    settings: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    @cached_property
    def page(self) -> str:
        """HTML with pictures of what was inspected in a notebook; no field, so neither stored nor compared."""
        return ""

    def _repr_html_(self) -> str:
        """For notebooks: the page in a frame of its own, else the answer and its sentence."""
        if not self.page:
            return f"<p><b>{escape(self.file.name)}: {escape(self.answer)}</b><br>{escape(self.sentence)}</p>"
        style = "width: 100%; height: 42rem; border: 0"
        return f'<iframe sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{escape(self.page)}"></iframe>'
