"""Templates and classes to prompts, each template as often as any other."""

from __future__ import annotations

import csv
import string
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.generation.classes import Kind
from synthscope.runtime import seed_for
from synthscope.runtime.files import read_text
from synthscope.runtime.told import from_cell

DEFAULT = "photo of {name}"  # GenImage's (arXiv 2306.08571)
PLACEHOLDERS = ("name", "synset", "class_index")


@dataclass(frozen=True)
class Template:
    """A prompt with places for a class: ``a photo of {name}``."""

    text: str
    negative: str = ""
    kind: Kind | None = None  # the only class that it is for

    def prompt(self, kind: Kind) -> str:
        """The prompt for a class. Raises ``SynthscopeError`` for one that lacks what the template says of it."""
        said = {"name": kind.name, "synset": kind.synset, "class_index": kind.class_index}
        for field in fields(self.text):
            if said[field] is None:
                raise SynthscopeError(
                    f"Expected a {field} of every class for {self.text!r}, got none of {kind.name}. Use {{name}}."
                )
        return self.text.format(**said)


def fields(text: str) -> list[str]:
    """Placeholders of a template. Raises ``ValueError`` where braces do not pair."""
    return [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]


def template(text: str, negative: str = "", kind: Kind | None = None, place: str = "--template") -> Template:
    """A checked template. Raises ``UsageError`` for an empty one or one with an unknown placeholder."""
    if not text.strip():
        raise UsageError(f"Expected a prompt in {place}, got an empty one. Write some words, or delete it.")
    try:
        found = fields(text)
    except ValueError as error:
        raise UsageError(f"Expected braces in pairs in {place}, got {text!r}. Double those that are meant.") from error
    for field in found:
        if field not in PLACEHOLDERS:
            raise UsageError(
                f"Expected the placeholders {{name}}, {{synset}} and {{class_index}} in {place}, got {{{field}}}. "
                f"{suggest(field, PLACEHOLDERS)}"
            )
    return Template(text, negative, kind)


def read_prompts(path: Path, kinds: Sequence[Kind], negative: str = "") -> list[Template]:
    """A prompt a line of a text file, or a ``.csv`` table with ``prompt``, perhaps ``negative_prompt`` and ``class``.

    ``class`` is a name, synset or index: the prompt is for that class alone.

    Raises:
        SynthscopeError: No such file, no prompts, an empty or repeated one, or an unknown class or placeholder.
    """
    rows = _rows(path)
    if not rows:
        raise SynthscopeError(f"Expected prompts in {path}, got none. Write one a line.")
    by_name = {str(v): k for k in kinds for v in (k.class_index, k.synset, k.name) if v is not None}
    found: dict[Template, int] = {}
    for number, row in rows:
        place = f"line {number} of {path}"
        wanted = row.get("class") or None
        if wanted is not None and wanted not in by_name:
            raise SynthscopeError(f"Expected one of the classes in {place}, got {wanted!r}. {suggest(wanted, by_name)}")
        kind = by_name[wanted] if wanted is not None else None
        one = template(row.get("prompt") or "", row.get("negative_prompt") or negative, kind, place)
        if one in found:
            raise SynthscopeError(f"Expected each prompt once in {path}, got line {found[one]} again in {number}.")
        found[one] = number
    return list(found)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    text = read_text(path, what="prompts in", advice="Save them in UTF-8.")
    if path.suffix.lower() != ".csv":
        return [(number, {"prompt": line.strip()}) for number, line in enumerate(text.splitlines(), start=1)]
    table = csv.DictReader(StringIO(text, newline=""))
    if "prompt" not in (names := list(table.fieldnames or [])):
        raise UsageError(f"Expected a column prompt in {path}, got {', '.join(names)}. {suggest('prompt', names)}")
    return [(table.line_num, {k: from_cell(v).strip() for k, v in row.items() if k and v}) for row in table]


def drawn(templates: Sequence[Template], kind: Kind, seed: int, count: int) -> list[Template]:
    """``count`` templates for a class: each one as often as any other, or once more; in an order of its own.

    Raises ``SynthscopeError`` for a class that none is for.
    """
    fitting = [one for one in templates if one.kind in (None, kind)]
    if not fitting:
        raise SynthscopeError(f"Expected a prompt for every class, got none for {kind.name}. Add one, or a --template.")
    order = sorted(fitting, key=lambda one: seed_for(seed, "template", kind.number, one.text, one.negative))
    return [order[i % len(order)] for i in range(count)]
