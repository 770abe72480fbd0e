"""What can be named in a recipe, as a list for a terminal and as the tables of ``docs/degradations.md``."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence
from typing import Any

from synthscope.data.degrade import DEGRADATIONS
from synthscope.data.degrade.chains import CHAINS, NAMED, SETS
from synthscope.data.degrade.step import Step

MARK = "<!-- Below: python -m synthscope.data.degrade.listing -->\n"
_WIDTH, _INDENT = 100, 21


def plain() -> str:
    """Steps with their parameters, named recipes and sets, in lines of at most 100 characters."""
    blocks = {
        "steps, joined by | in a recipe": {op: _parameters(DEGRADATIONS[op]) for op in DEGRADATIONS.registered},
        "named recipes": {name: chain.recipe.replace("|", " | ") for name, chain in CHAINS.items()},
        "sets of recipes": {name: ", ".join(NAMED[name]) for name in SETS},
    }
    return "\n\n".join("\n".join([head, *map(_line, rows, rows.values())]) for head, rows in blocks.items())


def markdown() -> str:
    """Three tables: steps, named recipes, sets."""
    steps = [
        (f"`{op}`", _parameters(kind), _says(kind), " ".join(f"`{level}`" for level in kind.ladder) or "–")
        for op, kind in ((op, DEGRADATIONS[op]) for op in DEGRADATIONS.registered)
    ]
    chains = [
        (f"`{name}`", chain.words, f"`{chain.recipe}`".replace("|", r"\|"), chain.source)
        for name, chain in CHAINS.items()
    ]
    sets = [(f"`{name}`", ", ".join(f"`{text}`" for text in NAMED[name])) for name in SETS]
    return "\n".join([
        "## Steps\n",
        *_table(("step", "parameters", "what it does", "`@1` to `@5`"), steps),
        "\n## Named recipes\n",
        *_table(("name", "shown as", "recipe", "parameters from"), chains),
        "\n## Sets\n",
        *_table(("set", "recipes"), sets),
        "",
    ])  # fmt: skip


def _line(name: str, text: str) -> str:
    return textwrap.fill(
        f"  {name.ljust(_INDENT - 3)} {text}", _WIDTH, subsequent_indent=" " * _INDENT, break_on_hyphens=False
    )


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ("---",) * len(heads), *rows)]


def _says(kind: type[Step]) -> str:
    return " ".join(inspect.cleandoc(kind.__doc__ or "").replace("``", "`").split())


def _parameters(kind: type[Step]) -> str:
    """All parameters, with the value that one has when it is not given, and what it may be."""
    properties = kind.model_json_schema()["properties"]
    return "; ".join(f"{name}{_default(one)} ({_range(one)})" for name, one in properties.items())


def _default(one: dict[str, Any]) -> str:
    value = one.get("default")
    return "" if value is None else f"={str(value).lower().removesuffix('.0')}"


def _range(one: dict[str, Any]) -> str:
    one = one["anyOf"][0] if "anyOf" in one else one
    if "enum" in one:
        return ", ".join(one["enum"])
    if one["type"] == "boolean":
        return "true, false"
    if one["type"] == "string":
        return "text"
    low = f"{one['minimum']:g}" if "minimum" in one else f"above {one['exclusiveMinimum']:g}"
    high = f"{one['maximum']:g}" if "maximum" in one else f"below {one['exclusiveMaximum']:g}"
    return f"{low} to {high}"


if __name__ == "__main__":
    from pathlib import Path

    page = Path(__file__).parents[3] / "docs" / "degradations.md"
    page.write_text(page.read_text(encoding="utf-8").partition(MARK)[0] + MARK + "\n" + markdown(), encoding="utf-8")
