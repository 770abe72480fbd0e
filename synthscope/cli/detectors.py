"""``synthscope detectors``: what can be trained, loaded or imported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from synthscope.errors import UsageError

detectors = typer.Typer(help="The detectors that can be trained, loaded or imported.", no_args_is_help=True)


@detectors.command("list")
def detectors_list(
    published: Annotated[
        bool, typer.Option("--published", help="Names for import, and where their files come from.")
    ] = False,
) -> None:
    """Every architecture that can be trained, with its size and input."""
    import polars as pl

    from synthscope.tables.render import plain_text

    if published:
        from synthscope.detectors.published import published_table

        print(plain_text(pl.DataFrame(published_table())))
        return
    from synthscope.detectors.hub import detectors_table

    print(plain_text(pl.DataFrame([_short(facts) for facts in detectors_table()])))
    print("\nPaper, licence and where weights come from: synthscope detectors show NAME")


@detectors.command("show")
def detectors_show(name: Annotated[str, typer.Argument(help="Name of an architecture, or a detector folder.")]) -> None:
    """Configuration of an architecture or of a trained detector."""
    from synthscope.detectors.hub import show_detector

    print(show_detector(name))


@detectors.command("import")
def detectors_import(
    file: Annotated[Path, typer.Argument(help="A published checkpoint, .pth or .safetensors; hf-hub:NAME downloads.")],
    as_: Annotated[str, typer.Option("--as", help="What it is: a name in detectors list --published.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Detector folder to write.")],
    name: Annotated[str | None, typer.Option(help="Name in tables and reports; default: that of --as.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the detector, or input.FIELD: key=value.")
    ] = None,
    ai_index: Annotated[int | None, typer.Option(help="Which of two outputs is AI, 0 or 1.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Weights of the backbone, where the file is a head alone: FILE or hf-hub:NAME.")
    ] = None,
) -> None:
    """Check a published checkpoint key by key and write it as a detector folder."""
    from synthscope.detectors.published import import_checkpoint

    changes = [_change(override) for override in overrides or []]
    options = {key: value for key, value in changes if not key.startswith("input.")}
    input = {key.removeprefix("input."): value for key, value in changes if key.startswith("input.")}
    folder = import_checkpoint(
        file, as_=as_, out=out, name=name, options=options, input=input, ai_index=ai_index, backbone=backbone
    )
    print(folder)


def _short(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of an architecture that fit a line of 100 characters."""
    input = facts["input"].partition(", smaller images")[0]
    return {name: facts[name] for name in ("name", "parameters")} | {"input": input, "paper": _cited(facts["paper"])}


def _cited(paper: str | None) -> str | None:
    """Authors and year of a reference such as "Wang et al., A title, CVPR 2020, arXiv 1912.11035"."""
    if paper is None:
        return None
    first = paper.partition(";")[0]
    year = re.search(r"(?:[A-Z]\w+ )?\b(?:19|20)\d\d\b", first) or re.search(r"arXiv (\d\d)", first)
    when = "" if year is None else f"20{year[1]}" if year.re.groups else year[0]
    return ", ".join(filter(None, (paper.partition(",")[0], when)))


def _change(override: str) -> tuple[str, Any]:
    import yaml

    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UsageError(f"Expected --set key=value, got {override!r}. Put an equals sign after the key.")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"Expected YAML in --set {override}, got {value!r}. Quote the value.") from None
