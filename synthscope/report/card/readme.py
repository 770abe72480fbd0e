"""A card as ``README.md``: Markdown below a header of YAML, which hubs of data sets read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from synthscope.data.card.about import SECTIONS
from synthscope.errors import SynthscopeError
from synthscope.report.card.contents import Card
from synthscope.runtime.files import read_text
from synthscope.tables.benchmark import audit_table
from synthscope.tables.render import markdown

MARK = "<!-- Written by `synthscope data card`. -->"
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
WORDS = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")


def readme(card: Card, page: str) -> str:
    """The text; ``page`` is the name of the HTML file beside it."""
    header = yaml.safe_dump(metadata(card), sort_keys=False, allow_unicode=True)
    parts = [f"---\n{header}---\n{MARK}", f"# {markdown(card.title)}", *_prose(card.about.summary), markdown(card.lead)]
    parts.append(f"With figures: [{page}]({page}).")
    parts += [f"> **Warning.** {markdown(sentence)}" for sentence in card.warnings]
    for section in SECTIONS:
        parts.append(f"## {section.capitalize()}")
        parts += _computed(card, section)
        parts += [f"**{markdown(question)}** {_answer(answer)}" for question, answer in card.stated(section)]
    return "\n\n".join(parts) + "\n"


def metadata(card: Card) -> dict[str, Any]:
    """What a hub reads: name, licence, task, size and tags."""
    licence = (card.about.licence or "unknown").lower()
    told: dict[str, Any] = {"pretty_name": card.title}
    if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", licence):
        told["license"] = licence
    else:
        told |= {"license": "other", "license_name": card.about.licence}
    if card.about.language:
        told["language"] = [card.about.language]
    size = WORDS[sum(card.images.height >= limit for limit in SIZES)]
    generators = card.images.filter(label=1)["generator"].drop_nulls().unique().sort().to_list()
    return told | {
        "task_categories": ["image-classification"],
        "size_categories": [size],
        "tags": ["ai-generated-image-detection", "synthetic-images", *generators[:20]],
    }


def refuse_another(path: Path) -> None:
    """Raise ``SynthscopeError`` where a README is that no card wrote, so that nobody's text is lost."""
    if path.is_file() and MARK not in read_text(path):
        raise SynthscopeError(
            f"Expected no README.md of another hand where the card is written, got {path}. Choose another folder, or "
            "move the file."
        )


def _computed(card: Card, section: str) -> list[str]:
    match section:
        case "composition":
            found = [_table(card.counts), "Files, with medians and ranges:", _table(card.files)]
            found += [_table([{"Prompts": name, "": text} for name, text in card.prompts]), _table(card.templates)]
            found += map(markdown, card.copies)
            if card.audit.height:
                found.append(replace(audit_table(card.audit), intervals=True).to_markdown().rstrip())
            return [*filter(None, found)]
        case "collection":
            return [_table(card.sources)]
        case "preprocessing":
            return [*filter(None, [_table(card.views)])]
        case "distribution":
            return [f"**Licence:** {_answer(card.about.licence)}", *filter(None, [_table(card.licences)])]
    return []


def _answer(answer: str | None) -> str:
    return " ".join(_prose(answer)) or "*Not stated.*"


def _prose(text: str | None) -> list[str]:
    """A person's words: its paragraphs, with HTML escaped but their own Markdown kept."""
    return [re.sub(r"[<]", "&lt;", part.strip()) for part in re.split(r"\n\s*\n", text or "") if part.strip()]


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of text as a pipe table; nothing where there are none."""
    if not rows:
        return ""
    lines = [_line(rows[0]), _line("---" for _ in rows[0])]
    return "\n".join([*lines, *(_line(map(markdown, row.values())) for row in rows)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
