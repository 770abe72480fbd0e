"""EXIF: which camera, lens and program the file names, and whether what it says fits together.

Weak evidence: EXIF is plain text that editors keep, copy and write. Serial numbers, owners and places are hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.source import REDACTED, Source, facts, shown
from synthscope.inspection.provenance.thumbnail import thumbnail_sentence

if TYPE_CHECKING:
    from PIL import Image

# CIPA DC-008 (EXIF 3.0), tables 4 to 8: tag -> what it is called here
_TOLD = {0x010F: "make", 0x0110: "model", 0x0131: "software", 0x0132: "changed"}
_TOLD_OF_SHOT = {
    0x9003: "taken", 0x9004: "digitised", 0xA433: "lens make", 0xA434: "lens", 0x829A: "exposure time",
    0x829D: "aperture", 0x8827: "ISO", 0x920A: "focal length",
}  # fmt: skip
_HIDDEN = {
    0xA431: "serial number", 0xA435: "serial number of the lens", 0xA430: "owner", 0xA420: "unique ID",
    0x013B: "artist", 0xC62F: "serial number (DNG)", 0x8298: "copyright",
}  # fmt: skip
_TEXTS = {0x010E: "ImageDescription", 0x0131: "Software", 0x013B: "Artist", 0x8298: "Copyright", 0x010F: "Make"}
_SHOT, _PLACE, _COMMENT, _SPECIFICATION = 0x8769, 0x8825, 0x9286, 0xA432
_LARGEST = 2**20  # bytes of EXIF; a segment of JPEG holds 2^16
WEAK = "EXIF is weak evidence and trivial to forge."


def exif_findings(source: Source) -> Iterable[Finding]:
    """What is named, what is hidden, and what does not fit."""
    if not source.parts.exif:
        return
    main, shot, place = _directories(source.parts.exif)
    told = {name: main.get(tag) for tag, name in _TOLD.items()}
    told |= {name: shot.get(tag) for tag, name in _TOLD_OF_SHOT.items()}
    secret = {name: value for tag, name in _HIDDEN.items() if (value := shot.get(tag) or main.get(tag))}
    if any(tag in place for tag in (1, 2, 3, 4)):
        secret["place"] = {tag: place[tag] for tag in (1, 2, 3, 4) if tag in place}
    detail = facts({**told, **(secret if source.private else dict.fromkeys(secret, REDACTED))})
    if detail:
        yield Finding(source="EXIF", claim=f"{_claim(main)} {WEAK}", detail=detail)
    for sentence in (
        *_contradictions(main, shot),
        *thumbnail_sentence(source.parts.exif, main.get(0x0112), source.rgb),
    ):
        yield Finding(source="EXIF", claim=sentence)


def exif_texts(exif: bytes | None) -> Iterator[tuple[str, str]]:
    """Name and value of the texts that people or programs write."""
    if exif:
        try:
            main, *_ = _directories(exif)
        except Exception:  # the source EXIF tells it
            return
        yield from ((name, main[tag]) for tag, name in _TEXTS.items() if isinstance(main.get(tag), str))
        if (comment := user_comment(exif)) is not None:
            yield "UserComment", comment


def user_comment(exif: bytes | None) -> str | None:
    """The EXIF comment, which names its code in 8 bytes. Programs write UTF-16 in either order, whatever EXIF says."""
    try:
        raw = _directories(exif)[1].get(_COMMENT) if exif else None
    except Exception:  # the source EXIF tells it
        return None
    if isinstance(raw, str):
        return raw
    if not isinstance(raw, bytes) or len(raw) <= 8:
        return None
    if raw.startswith(b"UNICODE\0"):
        body = raw[8:]
        return body.decode("utf-16-le" if body[1::2].count(0) > body[::2].count(0) else "utf-16-be", "replace")
    return raw[8:].decode("utf-8", "replace").strip("\0 ")


def _directories(exif: bytes) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """Values of the main directory, that of the shot and that of the place, by tag."""
    from PIL import Image

    if len(exif) > _LARGEST:
        raise ValueError(f"{len(exif)} bytes, more than {_LARGEST}")
    read = Image.Exif()
    read.load(exif)
    return dict(read), _directory(read, _SHOT), _directory(read, _PLACE)


def _directory(read: Image.Exif, tag: int) -> dict[int, Any]:
    try:
        return dict(read.get_ifd(tag))
    except Exception:  # a broken directory does not take the others with it
        return {}


def _claim(main: dict[int, Any]) -> str:
    make, model, software = (shown(main.get(tag) or "", 60) for tag in (0x010F, 0x0110, 0x0131))
    if make or model:
        camera = model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()
        return f"EXIF names the camera {camera}" + (f" and the software {software}." if software else ".")
    return (
        f"EXIF names the software {software} and no camera." if software else "EXIF names neither camera nor software."
    )


def _contradictions(main: dict[int, Any], shot: dict[int, Any]) -> Iterator[str]:
    taken = _date(shot.get(0x9003))
    for done, when in (("digitised", _date(shot.get(0x9004))), ("changed", _date(main.get(0x0132)))):
        if taken and when and taken > when:
            yield f"EXIF contradicts itself: the picture was taken on {taken}, after it was {done} on {when}."
    focal, (least, most) = _number(shot.get(0x920A)), _focal_range(shot)
    if focal and least and most and not 0.95 * least <= focal <= 1.05 * most:
        yield f"EXIF does not fit together: a focal length of {focal:g} mm with a lens of {least:g} to {most:g} mm."
    phone = re.match(r"(iPhone [\w ]+?) (?:back|front)", str(shot.get(0xA434, "")))
    model = str(main.get(0x0110, "")).strip()
    if phone and model and phone[1].strip() != model:
        yield f"EXIF contradicts itself: the lens is that of an {shown(phone[1])}, the camera {shown(model, 60)}."


def _date(value: object) -> str | None:
    """A date as EXIF writes it, which sorts as text; None where it is none."""
    text = str(value)[:19]
    return text if re.fullmatch(r"[12]\d{3}:[01]\d:[0-3]\d [0-2]\d:[0-5]\d:[0-6]\d", text) else None


def _focal_range(shot: dict[int, Any]) -> tuple[float | None, float | None]:
    given = shot.get(_SPECIFICATION)
    if isinstance(given, tuple) and len(given) == 4:
        return _number(given[0]), _number(given[1])
    words = re.search(r"(?<![\d.])(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))? ?mm", str(shot.get(0xA434, ""))[:200])
    return (float(words[1]), float(words[2] or words[1])) if words else (None, None)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if 0 < number < 1e5 else None
