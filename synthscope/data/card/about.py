"""What only people know of a data set: the questions of a datasheet, answered in a small YAML file.

The questions are those of Gebru et al. 2021, "Datasheets for Datasets", shortened; those that the images answer
themselves are computed instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from synthscope.config import Config, load_recipe
from synthscope.errors import UsageError

Text = Annotated[str | None, Field(max_length=20_000)]


def asks(question: str) -> Any:
    """A field of a section: what it asks."""
    return Field(None, description=question)


class Motivation(Config):
    """Why the data set was made."""

    purpose: Text = asks("For what was the data set made?")
    creators: Text = asks("Who made it, and for whom?")
    funding: Text = asks("Who paid for it?")


class Composition(Config):
    """What is in it, beside what is counted."""

    missing: Text = asks("Is anything missing, and why?")
    people: Text = asks("Can people be recognised in the images?")
    offence: Text = asks("May anything in them offend or distress?")
    confidential: Text = asks("Is anything in them confidential?")


class Collection(Config):
    """How the images came together."""

    acquisition: Text = asks("How were photographs acquired and AI images made?")
    sampling: Text = asks("Of what larger set are they, and how were they chosen?")
    workers: Text = asks("Who did the work, and how were they paid?")
    period: Text = asks("When?")
    ethics: Text = asks("Was it reviewed by an ethics board?")
    consent: Text = asks("Do the people in photographs know and agree, and can they withdraw?")


class Preprocessing(Config):
    """What was done to the images, beside what files show."""

    steps: Text = asks("What was done to the images before they were stored?")
    raw: Text = asks("Are the images kept as they were before, and where?")
    software: Text = asks("With which software, and is it available?")


class Uses(Config):
    """What it is for."""

    used_for: Text = asks("What has it been used for?")
    suitable: Text = asks("What else could it be used for?")
    unsuitable: Text = asks("What should it not be used for?")


class Distribution(Config):
    """How others get it."""

    how: Text = asks("How is it distributed, and since when?")
    restrictions: Text = asks("Do others hold rights, or do laws restrict its use?")


class Maintenance(Config):
    """What becomes of it."""

    contact: Text = asks("Who maintains it, and how are they reached?")
    updates: Text = asks("Will it be mended and extended, and how is that told?")
    versions: Text = asks("What becomes of older versions?")
    contributions: Text = asks("How can others add to it?")


class About(Config):
    """The file as a whole; every key may be absent."""

    title: Text = None
    summary: Text = None
    licence: Text = None  # of the whole, by preference an SPDX id or one of the hub's
    language: Text = None  # of prompts and captions, as a code such as en
    motivation: Motivation = Motivation()
    composition: Composition = Composition()
    collection: Collection = Collection()
    preprocessing: Preprocessing = Preprocessing()
    uses: Uses = Uses()
    distribution: Distribution = Distribution()
    maintenance: Maintenance = Maintenance()


SECTIONS = [name for name in About.model_fields if name not in ("title", "summary", "licence", "language")]


def read_about(file: str | Path | None) -> About:
    """The answers in a YAML file; none where there is no file.

    Raises:
        UsageError: Absent, no YAML, an unknown key or an answer that is no text.
    """
    if file is None:
        return About()
    if Path(file).suffix not in {".yaml", ".yml"}:
        raise UsageError(f"Expected a .yaml file after --about, got {file}. Change the ending.")
    return load_recipe(About, file, package="synthscope.data")


def answers(about: About, section: str) -> list[tuple[str, str | None]]:
    """Question and answer of each field of a section; None = not stated, or nothing.

    >>> answers(About(), "motivation")[0]
    ('For what was the data set made?', None)
    """
    told = getattr(about, section)
    return [
        (field.description or "", (getattr(told, name) or "").strip() or None)
        for name, field in type(told).model_fields.items()
    ]
