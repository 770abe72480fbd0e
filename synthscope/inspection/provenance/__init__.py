"""What a file says of its origin, and what its coding shows of it. Never part of the answer; absence proves nothing.

Every source is one file here, and a function from a :class:`Source` to findings. Nothing touches the network.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.c2pa import c2pa_findings
from synthscope.inspection.provenance.containers import read_parts
from synthscope.inspection.provenance.exif import exif_findings
from synthscope.inspection.provenance.jpeg import jpeg_findings
from synthscope.inspection.provenance.marking import marking_findings
from synthscope.inspection.provenance.png_text import text_findings
from synthscope.inspection.provenance.source import Source, shown
from synthscope.inspection.provenance.watermark import watermark_findings
from synthscope.inspection.provenance.xmp import xmp_findings

TRUST_LIST = "SYNTHSCOPE_TRUST_LIST"  # environment variable: a PEM file with certificates of signers, or their issuers
SOURCES: tuple[tuple[str, Callable[[Source], Iterable[Finding]]], ...] = (
    ("C2PA", c2pa_findings),
    ("XMP", xmp_findings),
    ("marking", marking_findings),
    ("PNG text", text_findings),
    ("EXIF", exif_findings),
    ("JPEG", jpeg_findings),
    ("watermark", watermark_findings),
)
_SAYS_SOMETHING = {"C2PA", "XMP", "marking", "PNG text", "EXIF"}
NOTHING = "The file says nothing of its origin, which proves nothing: such words are removed by most services."


def find_provenance(
    data: bytes, *, private: bool = False, rgb: np.ndarray | None = None, trust: Path | None = None
) -> tuple[Finding, ...]:
    """What one file says of its origin.

    Args:
        data: Its bytes. They may be hostile: nothing here raises for what is in them.
        private: Also tell prompts, places, owners and serial numbers; otherwise only that there are some.
        rgb: Its pixels, uint8 ``(H, W, 3)``, upright; without them no watermark or thumbnail is looked at.
        trust: PEM file with certificates of signers, or of who issues theirs. Without it, the file that the
            environment variable ``SYNTHSCOPE_TRUST_LIST`` names; without that, no signer is known.
    """
    if trust is None and os.environ.get(TRUST_LIST):
        trust = Path(os.environ[TRUST_LIST])
    source = Source(data, read_parts(data), rgb, private, trust)
    found = [finding for name, look in SOURCES for finding in _asked(name, look, source)]
    found += [Finding(source="file", claim=note) for note in source.parts.notes[:3]]
    if not any(finding.source in _SAYS_SOMETHING for finding in found):
        found.append(Finding(source="file", claim=NOTHING))
    return tuple(found)


def _asked(name: str, look: Callable[[Source], Iterable[Finding]], source: Source) -> list[Finding]:
    try:
        return list(look(source))
    except ImportError as error:
        what = f"needs {shown(error.name or error)}. Install synthscope[provenance]"
    except Exception as error:  # parsers raise nearly anything on hostile bytes
        what = f"cannot be read ({type(error).__name__}: {shown(error, 120)})"
    return [Finding(source=name, claim=f"What the file says in its {name} {what}.")]
