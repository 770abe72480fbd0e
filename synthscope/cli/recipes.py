"""``synthscope recipes``: what can be trained, benchmarked and done to images by name."""

from __future__ import annotations

import typer

recipes = typer.Typer(help="Recipes of trainings, benchmarks and degradations.", no_args_is_help=True)
_VERBS = {"train": "synthscope.training", "benchmark": "synthscope.benchmarking"}
_WIDTH = 100


@recipes.command("list")
def recipes_list() -> None:
    """Every recipe that ships, and what it is, for train -c and benchmark -c."""
    from synthscope.config import recipe_names, recipe_summary

    blocks = []
    for verb, package in _VERBS.items():
        names = recipe_names(package)
        indent = max(map(len, names)) + 4
        lines = [f"synthscope {verb} -c …"]
        for name in names:
            line = f"  {name.ljust(indent - 2)}{recipe_summary(name, package)}"
            lines.append(line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1].rstrip()}…")
        blocks.append("\n".join(lines))
    print("\n\n".join(blocks))


@recipes.command("degradations")
def recipes_degradations() -> None:
    """Every step, named recipe and set, for --degrade and --view."""
    from synthscope.data.degrade.listing import plain

    print(plain())
