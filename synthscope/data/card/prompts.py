"""What prompts a data set was generated from: how many, how long, which are repeated, which stand in several splits."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.data.card.composition import Fact, span
from synthscope.schema import read_table

FILE = "prompts.parquet"
COLUMNS = ("generator", "split", "prompt", "negative_prompt", "seed", "model", "template", "class_name", "error")
WORDS = 3  # that prompts of one template are taken to begin with, where none is named
MOST = 8


def prompts_beside(source: str) -> pl.DataFrame | None:
    """The prompts beside a manifest, or in the folder of ``LAYOUT:PATH``: ``COLUMNS`` as texts; None if there are none.

    Raises:
        SynthscopeError: The file cannot be read.
    """
    place = Path(source)
    if not place.is_file():
        place = Path(source.partition(":")[2].partition("?")[0]).expanduser()
    file = (place if place.is_dir() else place.parent) / FILE
    if not file.is_file():
        return None
    table = read_table(file)
    absent = pl.lit(None, pl.String)
    texts = (pl.col(name).cast(pl.String) if name in table.columns else absent.alias(name) for name in COLUMNS)
    return table.select(texts).filter(pl.col("error").is_null())


def prompt_facts(prompts: pl.DataFrame) -> list[tuple[str, str]]:
    """Numbers of a table of prompts, a name and a text each."""
    known = prompts.filter(pl.col("prompt").str.strip_chars() != "")
    words = known["prompt"].str.split(" ").list.len()
    facts = [("Images with a prompt", f"{known.height:,}"), ("Different prompts", f"{known['prompt'].n_unique():,}")]
    if known.height:
        facts.append(("Words in a prompt", span(words)))
    for name, head in (("model", "Models"), ("generator", "Generators"), ("negative_prompt", "Negative prompts")):
        if values := prompts[name].drop_nulls().unique().sort().to_list():
            shown = ", ".join(values[:MOST]) if name != "negative_prompt" and len(values) <= MOST else ""
            facts.append((head, f"{len(values):,}{f': {shown}' if shown else ''}"))
    own = known.group_by("generator", "prompt").len().filter(pl.col("len") > 1)
    facts.append(("Prompts that a generator was given more than once", f"{own.height:,}"))
    drawn = known.drop_nulls("seed").group_by("generator", "model", "prompt", "negative_prompt", "seed").len()
    if drawn.height:
        twice = drawn.filter(pl.col("len") > 1).height
        facts.append(("The same prompt and seed more than once", f"{twice:,}"))
    if known["split"].count():
        apart = known.group_by("prompt").agg(pl.col("split").drop_nulls().n_unique()).filter(pl.col("split") > 1)
        facts.append(("Prompts in several splits", f"{apart.height:,}"))
    return facts


def templates(prompts: pl.DataFrame) -> list[Fact]:
    """The most frequent templates, with their numbers of images: those that a column names, else prompts without the
    name of their class, else first words."""
    known = prompts.drop_nulls("prompt")
    head = "Prompts begin with"
    if known["template"].count():
        head, texts = "Template", known["template"]
    elif known["class_name"].count():
        pairs = known.select("prompt", pl.col("class_name").fill_null("")).iter_rows()
        head, texts = "Template", pl.Series([_without(prompt, name) for prompt, name in pairs], dtype=pl.String)
    else:
        texts = known["prompt"].str.split(" ").list.head(WORDS).list.join(" ") + " …"
    rows = known.select("prompt", _text=texts).group_by("_text").agg(n=pl.len(), k=pl.col("prompt").n_unique())
    rows = rows.filter(pl.col("n") > 1).drop_nulls("_text").sort("n", "_text", descending=[True, False]).head(MOST)
    return [{head: text, "Images": f"{n:,}", "Prompts": f"{k:,}"} for text, n, k in rows.iter_rows()]


def _without(prompt: str, name: str) -> str:
    """A prompt with a blank for the name of its class, of which it may have the first of several synonyms.

    >>> _without("a photo of a tench", "tench, Tinca tinca")
    'a photo of a {class}'
    """
    found = next((each for each in (name, name.partition(",")[0]) if each and each in prompt), None)
    return prompt.replace(found, "{class}") if found else prompt
