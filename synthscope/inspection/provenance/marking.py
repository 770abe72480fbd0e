"""Words by which a file marks itself as made by AI, wherever they stand, in its own words.

Regulation (EU) 2024/1689, Article 50(2), asks for marks that machines can read; China's GB 45438-2025 names a field,
``AIGC``. Neither says that what carries no mark was made otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.exif import exif_texts
from synthscope.inspection.provenance.source import Source, shown
from synthscope.inspection.provenance.xmp import properties

_LONGEST = 4096  # characters of one value that are searched
_PROMPTS = re.compile(
    r"prompt|parameters|workflow|graph|dream|comment", re.I
)  # what was asked of a model marks nothing
_MARKS = re.compile(
    r"\b(?:made|created|generated|produced|edited|manipulated|generated or manipulated) (?:with|by|using) "
    r"(?:\w+ ){0,2}(?:generative )?(?:AI|artificial intelligence)\b"
    r"|\b(?:AI|artificially|synthetically)[- ](?:generated|created|manipulated|made)\b"
    r"|\bKI[- ](?:generiert|erzeugt|manipuliert)\w*|\b(?:von|mit) (?:einer )?(?:KI|künstlicher Intelligenz) \w+"
    r"|\bg[ée]n[ée]r[ée]e?s? (?:par|avec) (?:l[’'])?(?:une )?(?:IA|intelligence artificielle)\b"
    r"|\bgenerad[oa]s? (?:por|con) (?:la )?(?:IA|inteligencia artificial)\b"
    r"|\bgenerat[oaie] (?:da|con) (?:l[’'])?(?:IA|intelligenza artificiale)\b"
    r"|\bgegenereerd (?:door|met) (?:AI|kunstmatige intelligentie)\b"
    r"|\bwygenerowan\w+ przez (?:AI|SI|sztuczną inteligencję)\b"
    r"|AI生成|人工智能生成|由AI",
    re.I,
)


def marking_findings(source: Source) -> Iterable[Finding]:
    """Each place where the file's own metadata mark it, once for the same words."""
    told: set[str] = set()
    for place, name, value in _texts(source):
        if name == "AIGC":
            words = shown(value)
        elif not _PROMPTS.search(name) and (match := _MARKS.search(value[:_LONGEST])):
            words = shown(match[0], 120)
        else:
            continue
        if words.lower() not in told and len(told) < 8:
            told.add(words.lower())
            claim = f"The file marks itself as made or changed by AI, in these words: {words!r}."
            yield Finding(source="marking", claim=claim, detail={"where": place, "field": shown(name, 60)})


def _texts(source: Source) -> Iterator[tuple[str, str, str]]:
    """Where, field and value of every text beside the pixels."""
    yield from (("XMP", name, value) for _, name, value in properties(source))
    yield from (("EXIF", name, value) for name, value in exif_texts(source.parts.exif))
    yield from (("PNG text", key, value) for key, value in source.parts.texts)
    for marker, content in source.parts.segments:
        if marker == 0xFE:
            yield "JPEG comment", "COM", content[:_LONGEST].decode("utf-8", "replace")
