"""``synthscope analyze attacks``: how much of what a detector catches does it miss after an attack?"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from synthscope.cli.arguments import Out, Seed, Source, View, Where, at_least, exit_with_unreadable, load
from synthscope.errors import UsageError
from synthscope.runtime.told import printable


def attacks_command(
    source: Source,
    detector: Annotated[list[str], typer.Option("-d", "--detector", help="Detector folder, local-dir: or hf-hub:.")],
    out: Out,
    surrogate: Annotated[
        list[str] | None, typer.Option(help="Detector whose gradient is used against the others; repeatable.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Largest changes of a pixel in grey levels of 255.")] = "1,2,4,8",
    steps: Annotated[int, typer.Option(callback=at_least(1), help="Of PGD and of the transfer attack.")] = 10,
    queries: Annotated[int, typer.Option(callback=at_least(0), help="Chains that the random search tries.")] = 40,
    regenerate: Annotated[
        list[str] | None, typer.Option(help="Folder of an autoencoder of diffusers, or of a pipeline; repeatable.")
    ] = None,
    plain: Annotated[
        list[str] | None, typer.Option(help="Recipes; default: resize, screenshot, crop, recompression.")
    ] = None,
    jpeg: Annotated[int, typer.Option(help="Quality of the recompression after every attack.")] = 90,
    false_alarms: Annotated[float, typer.Option(help="Share of photographs that may be called AI.")] = 0.05,
    n: Annotated[int, typer.Option("--n", callback=at_least(1), help="Most images a class and detector.")] = 100,
    save: Annotated[bool, typer.Option("--save", help="Also keep attacked pictures, for research alone.")] = False,
    seed: Seed = 0,
    view: View = None,
    where: Where = None,
) -> None:
    """For research on robustness: how much of what a detector catches does it miss after an attack?"""
    from synthscope.report.figures.attacks import attacks_figure
    from synthscope.report.figures.style import save_figure
    from synthscope.report.page.html import write_report
    from synthscope.schema import read_table, write_table
    from synthscope.studies.attacks.plan import Attacks
    from synthscope.studies.attacks.study import FILE, IMAGES_FILE, SEARCH_FILE, write_attacks
    from synthscope.studies.attacks.table import attack_tables

    given: dict[str, Any] = {"plain": tuple(plain)} if plain else {}
    asked = Attacks(
        budgets=_numbers(budget), steps=steps, surrogates=tuple(surrogate or ()), queries=queries,
        regenerate=tuple(regenerate or ()), jpeg=jpeg, false_alarms=false_alarms, images=n, **given,
    )  # fmt: skip
    scores = write_attacks(out, load(source, where, view), list(detector), asked, save=save, seed=seed)
    for file in (FILE, SEARCH_FILE):
        write_table(read_table(out / file), (out / file).with_suffix(".csv"))
    save_figure(attacks_figure(scores), out / "attacks")
    print("\n\n".join(table.to_text() for table in attack_tables(scores)))
    print(f"\nReport: {write_report(out, title='What do detectors miss after attacks?')}")
    exit_with_unreadable(read_table(out / "predictions.parquet"))
    if errors := read_table(out / IMAGES_FILE)["error"].drop_nulls().to_list():
        print(f"{len(errors)} attacks on images failed, the first one: {printable(errors[0])}", file=sys.stderr)
        raise typer.Exit(3)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(",") if number.strip())
    except ValueError:
        raise UsageError(f"Expected whole numbers after --budget, got {text!r}. Write 1,2,4,8.") from None
