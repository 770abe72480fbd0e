"""XMP packets: IPTC's digital source type, its fields for AI systems, and the program that wrote the file.

Read apart from C2PA, because many files carry XMP alone. Nobody signs XMP: whoever has a text editor can write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache

from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.source import REDACTED, Source, facts, shown

Property = tuple[str, str, str]  # namespace, name and value
UNSIGNED = "Anyone can write or remove this."
# IPTC, "Digital Source Type" NewsCodes (cv.iptc.org/newscodes/digitalsourcetype): last part of the URI -> in words
SOURCE_TYPES = {
    "trainedAlgorithmicMedia": "made by a generative model",
    "compositeWithTrainedAlgorithmicMedia": "a composite with parts made by a generative model",
    "compositeSynthetic": "a composite with synthetic parts",
    "algorithmicMedia": "made by an algorithm that was not trained",
    "algorithmicallyEnhanced": "enhanced by an algorithm",
    "digitalCapture": "taken with a digital camera",
    "computationalCapture": "taken with a camera that combines several shots",
    "negativeFilm": "digitised from a negative",
    "positiveFilm": "digitised from a positive",
    "print": "digitised from a print",
    "humanEdits": "edited by people",
    "minorHumanEdits": "edited a little by people",
    "compositeCapture": "a composite of captured parts",
    "digitalArt": "made by people with software",
    "digitalCreation": "made by people with software",
    "virtualRecording": "a recording of a virtual event",
    "screenCapture": "a screenshot",
}
_AI_FIELDS = ("AISystemUsed", "AISystemVersionUsed")  # IPTC Photo Metadata Standard 2025.1
_AI_PRIVATE = ("AIPromptInformation", "AIPromptWriterName")
_WRITER = ("CreatorTool", "Software", "Credit", "provenance", "InstanceID", "DocumentID")
_MOST_PROPERTIES = 5000


def xmp_findings(source: Source) -> Iterable[Finding]:
    """Digital source type, AI system, and who wrote the packet."""
    for packet in source.parts.xmp:
        found = read_packet(packet)
        detail = {name: value for _, name, value in found if name in _WRITER}
        detail |= {name: value if source.private else REDACTED for _, name, value in found if name in _AI_PRIVATE}
        types = [value for _, name, value in found if name == "DigitalSourceType"]
        for value in types:
            words = f"XMP says that the image is {told_type(value)}. {UNSIGNED}"
            yield Finding(source="XMP", claim=words, detail=facts({"DigitalSourceType": value, **detail}))
        systems = {name: value for _, name, value in found if name in _AI_FIELDS}
        if systems:
            words = f"XMP names an AI system: {shown(next(iter(systems.values())), 80)}. {UNSIGNED}"
            yield Finding(source="XMP", claim=words, detail=facts({**systems, **detail}))
        if not types and not systems and detail:
            tool = detail.get("CreatorTool") or detail.get("Software") or detail.get("Credit")
            words = (
                f"XMP names {shown(tool, 80)} as its writer." if tool else "XMP gives identifiers of the file alone."
            )
            yield Finding(source="XMP", claim=f"{words} {UNSIGNED}", detail=facts(detail))


def told_type(uri: str) -> str:
    """A digital source type in words.

    >>> told_type("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
    'made by a generative model (trainedAlgorithmicMedia)'
    """
    name = uri.strip().rstrip("/").rsplit("/", 1)[-1]
    return f"{SOURCE_TYPES[name]} ({name})" if name in SOURCE_TYPES else f"of the source type {shown(name, 80)!r}"


def properties(source: Source) -> Iterator[Property]:
    """Those of all packets that can be read; :func:`xmp_findings` tells of the others."""
    for packet in source.parts.xmp:
        with suppress(Exception):  # of hostile XML
            yield from read_packet(packet)


@lru_cache(maxsize=8)
def read_packet(packet: bytes) -> tuple[Property, ...]:
    """Properties of an XMP packet that hold text, as elements or attributes, in their order.

    Raises:
        Exception: No XML, or XML with entities or a document type, which no writer of XMP needs (XMP part 1, 7).
    """
    from defusedxml.ElementTree import fromstring

    root = fromstring(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
    found: list[Property] = []
    # a value in an rdf:Bag, Seq or Alt stands in its rdf:li and belongs to the property around it
    stack = [(root, "", "")]
    while stack and len(found) < _MOST_PROPERTIES:
        element, *around = stack.pop()
        namespace, name = _split(element.tag)
        rdf = namespace.endswith("22-rdf-syntax-ns#") or namespace == "adobe:ns:meta/"
        space, label = around if rdf else (namespace, name)
        for tag, value in element.attrib.items():
            at = _split(tag)
            if at == ("http://www.w3.org/1999/02/22-rdf-syntax-ns#", "resource"):
                found.append((space, label, value))
            elif not at[0].endswith(("22-rdf-syntax-ns#", "XML/1998/namespace")) and at[0] != "adobe:ns:meta/":
                found.append((*at, value))
        if element.text and element.text.strip() and label:
            found.append((space, label, element.text.strip()))
        stack += [(child, space, label) for child in reversed(element)]
    return tuple(found)


def _split(tag: str) -> tuple[str, str]:
    namespace, closed, name = tag.rpartition("}")
    return (namespace.removeprefix("{"), name) if closed else ("", tag)
