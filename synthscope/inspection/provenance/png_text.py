"""Texts that programs for image generation leave in PNG chunks, or in the EXIF comment of JPEG and WebP.

``sd-parsers`` reads the five best known; of the others, and where it fails, the values stand under the file's own keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.exif import user_comment
from synthscope.inspection.provenance.source import REDACTED, Source, facts, read_json, shown, values_of
from synthscope.inspection.provenance.xmp import properties

Texts = Mapping[str, str]
MOST_PARAMETERS = 2**15  # characters of AUTOMATIC1111's text that are parsed, from its end, where the settings stand
SHORT = 80  # characters of a text that is no prompt
LONGEST_PROMPT = 4000  # characters of one text that is shown
MOST_GRAPH = 2000  # nodes of a ComfyUI graph that are walked


class Program(NamedTuple):
    """A program and how its texts are known."""

    name: str
    parser: str  # of sd_parsers.parsers; empty = none
    keys: tuple[str, ...]  # of which one is there
    words: str = ""  # that stand in the texts under these keys


# In this order: Fooocus and SwarmUI use AUTOMATIC1111's key
PROGRAMS = (
    Program("SwarmUI", "", ("parameters", "sui_image_params"), '"sui_image_params"'),
    Program("Draw Things", "", ("parameters",), '"seed_mode"'),
    Program("Fooocus", "FooocusParser", ("parameters",), '"base_model"'),
    Program("Fooocus", "AUTOMATIC1111Parser", ("fooocus_scheme",)),
    Program("InvokeAI", "InvokeAIParser", ("invokeai_metadata", "sd-metadata", "Dream", "invokeai_graph")),
    Program("NovelAI", "NovelAIParser", ("Source", "Software", "Title"), "NovelAI"),
    Program("ComfyUI", "ComfyUIParser", ("prompt", "workflow"), '"class_type"'),
    Program("ComfyUI", "", ("workflow",), '"nodes"'),
    Program(
        "AUTOMATIC1111, or Forge, SD.Next and others that write alike",
        "AUTOMATIC1111Parser",
        ("parameters",),
        "Steps: ",
    ),
)
_FACTS = {
    "seed": ("seed", "noise_seed", "Seed", "rand_seed"),
    "model": ("model", "Model", "ckpt_name", "unet_name", "base_model", "model_name", "model_weights"),
    "sampler": ("sampler", "sampler_name", "Sampler", "scheduler"),
    "steps": ("steps", "Steps"),
    "cfg scale": ("cfg_scale", "cfg", "cfgscale", "scale", "guidance_scale", "CFG scale"),
    "version": ("app_version", "swarm_version", "Version", "version"),
}  # what is told -> keys of the programs, any of them
_PROMPT = re.compile(r"prompt|text|^uc$|negative|caption|description|title", re.I)
_PAIR = re.compile(r"\s*([A-Za-z][\w ]{0,30}):\s*([^,\n]{1,200})")


def text_findings(source: Source) -> Iterable[Finding]:
    """The program, model, sampler and seed; prompts only where they are asked for."""
    texts = dict(source.parts.texts)  # the last one of a key, as Pillow has it
    where = "PNG text"
    if "parameters" not in texts and (comment := user_comment(source.parts.exif) or _comment_in_xmp(source)):
        texts["parameters"] = comment
        where = "EXIF comment"
    for program in PROGRAMS:
        held = [texts[key] for key in program.keys if key in texts]
        if held and (not program.words or any(program.words in text for text in held)):
            detail, missing = _read(program, texts)
            detail |= _prompts(texts, source.private)
            claim = f"The {where} is that of a program that generates images: {program.name}. Anyone can write it."
            yield Finding(
                source="PNG text", claim=claim + missing, detail=facts({**detail, "where": where}, LONGEST_PROMPT)
            )
            return
    if where == "PNG text" and texts:
        raw = {key: value if source.private or _harmless(key, value) else REDACTED for key, value in texts.items()}
        claim = f"The PNG has texts of no program known here, under the keys {shown(', '.join(sorted(texts)), 120)}."
        yield Finding(source="PNG text", claim=claim, detail=facts(raw))


def _comment_in_xmp(source: Source) -> str | None:
    """EXIF's comment as a property of XMP, where Draw Things keeps its settings in PNG."""
    found = (value for space, name, value in properties(source) if name == "UserComment" and "exif" in space)
    return next(found, None)


def _read(program: Program, texts: Texts) -> tuple[dict[str, object], str]:
    """Facts, and a sentence where the library that reads them is missing."""
    detail, missing = {}, ""
    if program.parser:
        try:
            detail = _parsed(program.parser, texts)
        except ImportError:
            missing = " Install synthscope[provenance] to have more of it read."
        except Exception:  # parsers raise nearly anything on hostile texts; raw keys say what there is
            detail = {}
    return {"program": program.name, **_raw(texts), **detail}, missing


def _parsed(parser: str, texts: Texts) -> dict[str, object]:
    """What ``sd-parsers`` reads, of texts that cannot keep it busy: its patterns and walks are quadratic."""
    from sd_parsers import parsers

    given: dict[str, Any] = dict(texts)
    if parser == "AUTOMATIC1111Parser":
        given = {"parameters": texts.get("parameters", "")[-MOST_PARAMETERS:]}
    if parser == "ComfyUIParser":
        given = {key: read_json(texts[key]) for key in ("prompt", "workflow")}
        if max(map(_size, given.values())) > MOST_GRAPH:
            return {}
    if "Dream" in given:
        given["Dream"] = given["Dream"][:MOST_PARAMETERS]
    info = getattr(parsers, parser)(debug=False).parse(given)
    found: dict[str, object] = {}
    for sampler in list(info.samplers)[:4]:
        found.setdefault("sampler", sampler.name)
        found.setdefault("model", sampler.model and sampler.model.name)
        for key in ("seed", "steps", "cfg_scale"):
            found.setdefault(key.replace("_", " "), sampler.parameters.get(key))
    return {key: value for key, value in found.items() if isinstance(value, str | int | float)}


def _size(graph: Any) -> int:
    if not isinstance(graph, dict):
        return 0
    links, nodes = graph.get("links"), graph.get("nodes")
    return max(len(graph), *(len(part) for part in (links, nodes) if isinstance(part, list | dict)), 0)


def _raw(texts: Texts) -> dict[str, object]:
    """The same facts by the keys of the texts themselves: of JSON, or of "Steps: 20, Sampler: Euler a"."""
    values: dict[str, object] = {}
    for key, text in texts.items():
        tree = read_json(text) if text.lstrip()[:1] in ("{", "[") else None
        pairs = values_of(tree) if tree is not None else _PAIR.findall(text[-MOST_PARAMETERS:].rpartition("\n")[2])
        for name, value in [(key, text) if len(text) <= SHORT else ("", ""), *pairs]:
            values.setdefault(name, value)
    found = {told: next((values[key] for key in keys if key in values), None) for told, keys in _FACTS.items()}
    software = {key: texts[key] for key in ("Software", "Source", "Title") if key in texts and "AI" in texts[key]}
    return {**{key: value for key, value in found.items() if value is not None}, **software}


def _harmless(key: str, value: str) -> bool:
    """Whether it can hardly be a prompt, which may stand under any key."""
    return len(value) <= SHORT and not _PROMPT.search(key)


def _prompts(texts: Texts, private: bool) -> dict[str, str]:
    """Every text as it stands, or that there are some."""
    if private:
        return {f"text {key!r}": text for key, text in texts.items()}
    return {"prompt": REDACTED} if any(len(text) > SHORT for text in texts.values()) else {}
