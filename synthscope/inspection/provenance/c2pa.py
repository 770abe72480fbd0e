"""C2PA manifests ("Content Credentials"): whether they validate, who signed, and what they say of the origin.

A manifest that validates says that its signer said so, and that the file is as it was then; not that the picture is
true. Manifests elsewhere than in the file are not fetched, nor is revocation asked for: nothing touches the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

from synthscope.errors import UsageError
from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.source import Source, facts, read_json, shown
from synthscope.inspection.provenance.xmp import properties, told_type
from synthscope.runtime.files import read_text

MOST_REPORT = 2**24  # characters of the library's report that are read
_MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
# c2pa-rs settings; OFFLINE names no host at all, beside the two switches
OFFLINE = {"verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}}
STATES = {
    "Trusted": "validates, and its signer is on the trust list",
    "Valid": "validates, but its signer is unknown to this machine",
    "Invalid": "does not validate: the file or the manifest was changed after signing, or the signature is broken",
}
CREDENTIALS = "Credentials tell who says so, not that a picture is true or false."


def c2pa_findings(source: Source) -> Iterable[Finding]:
    """The manifest in the file, or what is left of one that was removed."""
    if b"c2pa" in source.data:  # every store has a label of these letters (C2PA 2.2, 11.1.4), also where it is packed
        report = _read(source)
        if report:
            yield from _told(report)
            return
    yield from _traces(source)


def _read(source: Source) -> dict[str, Any] | None:
    """The library's report on the file; None where it holds no manifest."""
    import c2pa

    settings: dict[str, Any] = {"version": 1, **OFFLINE}
    if source.trust is not None:
        anchors = read_text(source.trust)
        if "-----BEGIN CERTIFICATE-----" not in anchors:
            raise UsageError(f"Expected PEM certificates in {source.trust}, got none. Name another trust list.")
        settings["trust"] = {"user_anchors": anchors}
    with c2pa.Context.from_dict(settings) as context:
        try:
            reader = c2pa.Reader.try_create(_MIME.get(source.parts.kind), BytesIO(source.data), context=context)
        except c2pa.C2paError as error:
            # a manifest that stands elsewhere, as XMP says; a format that holds none
            if str(error).startswith("Remote") or isinstance(error, c2pa.C2paError.NotSupported):
                return None
            raise
        if reader is None:
            return None
        with reader:
            text = reader.json()
    if len(text) > MOST_REPORT:
        raise ValueError(f"a manifest of {len(text)} characters, more than {MOST_REPORT}")
    report = read_json(text)
    return report if isinstance(report, dict) else None


def _told(report: dict[str, Any]) -> Iterator[Finding]:
    state = str(report.get("validation_state"))
    manifests = _table(report.get("manifests"))
    active = _table(manifests.get(str(report.get("active_manifest"))))
    signer = _table(active.get("signature_info"))
    generator = _generator(active)
    who = signer.get("common_name") or signer.get("issuer") or "somebody"
    does = STATES.get(state, "is in a state that is not known here")
    claim = f"A C2PA manifest by {shown(who, 80)} {does}. {CREDENTIALS}"
    problems = [str(_table(each).get("code")) for each in _list(report.get("validation_status"))]
    detail = facts({
        "state": state, "signer": who, "issuer": signer.get("issuer"), "time": signer.get("time"),
        "generator": generator, "title": active.get("title"), "ingredients": ", ".join(_ingredients(active)),
        "problems": ", ".join(problems),
    })  # fmt: skip
    verified = state == "Trusted"
    yield Finding(source="C2PA", claim=claim, detail=detail, verified=verified)
    others = [_table(each) for each in list(manifests.values())[:20] if each is not active]
    for manifest in (active, *others):
        whose = "The manifest" if manifest is active else "The manifest of an ingredient"
        for words, told in _origins(manifest):
            # the list trusts the signer of the file, who vouches for the ingredients' bytes, not for what they say
            by_signer = verified and manifest is active
            yield Finding(source="C2PA", claim=f"{whose} says {words}.", detail=facts(told), verified=by_signer)


def _origins(manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, object]]]:
    """What the actions of one manifest say of how the picture came to be."""
    for assertion in _list(manifest.get("assertions")):
        data = _table(_table(assertion).get("data"))
        for action in map(_table, _list(data.get("actions"))[:200]):
            kind = action.get("digitalSourceType")
            kind = kind or _table(action.get("parameters")).get("com.adobe.digitalSourceType")
            name = str(action.get("action"))
            agent = action.get("softwareAgent")
            agent = agent.get("name") if isinstance(agent, dict) else agent
            if kind or name == "c2pa.created":
                by = f" with {shown(agent, 80)}" if agent else ""
                words = f"that the picture is {told_type(str(kind))}" if kind else "that the picture was created"
                yield f"{words}, in the action {shown(name, 60)}{by}", {"action": name, "digitalSourceType": kind}
        kind = data.get("digitalSourceType") or data.get("Iptc4xmpExt:DigitalSourceType")
        if kind:
            yield f"that the picture is {told_type(str(kind))}", {"digitalSourceType": kind}


def _generator(manifest: dict[str, Any]) -> str:
    """Who made the claim: claim version 2 lists names and versions, version 1 has a string."""
    named = [_table(each) for each in _list(manifest.get("claim_generator_info"))]
    words = [f"{each.get('name', '')} {each.get('version', '')}".strip() for each in named]
    return ", ".join(filter(None, words)) or str(manifest.get("claim_generator") or "")


def _ingredients(manifest: dict[str, Any]) -> list[str]:
    named = [_table(each) for each in _list(manifest.get("ingredients"))[:20]]
    return [
        f"{shown(each.get('title') or 'without a title', 60)} ({each.get('relationship', 'unknown')})" for each in named
    ]


def _traces(source: Source) -> Iterator[Finding]:
    """XMP that points to a manifest, without the manifest (C2PA 2.2, 11.5: ``dcterms:provenance``)."""
    found = list(properties(source))
    for namespace, name, value in found:
        if name == "provenance" and "purl.org/dc/terms" in namespace:
            where = "It was removed" if value.startswith("self#jumbf") else "It stands elsewhere, and is not fetched"
            claim = f"XMP points to a C2PA manifest that is not in the file. {where}, or never was there."
            identifiers = {key: text for _, key, text in found if key in ("InstanceID", "DocumentID")}
            yield Finding(source="C2PA", claim=claim, detail=facts({"provenance": value, **identifiers}))
            return


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
