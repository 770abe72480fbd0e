"""Pages of the site that the program writes itself, so that they cannot grow old: command line, recipes, Python."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

import synthscope
from synthscope.cli import app
from synthscope.cli.functions import FUNCTIONS
from synthscope.config import recipe_names
from synthscope.explainers import EXPLAINERS
from synthscope.metrics.detection import METRICS
from synthscope.metrics.localization.maps import LOCALIZATION

BETTER = {True: "higher", False: "lower"}
METRIC_MODULES = (
    "detection", "calibration", "intervals", "significance", "multiplicity", "conformal", "likelihood_ratio",
    "rank_correlation", "localization.maps", "localization.pooled", "localization.regions", "localization.baselines",
    "perturbation", "road", "fidelity", "xaigd",
)  # fmt: skip


def command_line() -> str:
    """Every command with its arguments and options, from their own help."""
    command = get_command(app)
    text: str = get_docs_for_click(obj=command, ctx=typer.Context(command), name="synthscope")
    return text.replace("# `synthscope`", "# Command line", 1)


def recipes() -> str:
    """Every recipe that ships, whole, with the source that its comments name."""
    parts = ["# Recipes", "What `-c NAME` stands for. The comment of each says where its values come from."]
    for verb, package in (("train", "synthscope.training"), ("benchmark", "synthscope.benchmarking")):
        parts.append(f"## synthscope {verb}")
        for name in recipe_names(package):
            text = files(package).joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
            parts.append(f"### {name}\n\n```yaml\n{text.strip()}\n```")
    return "\n\n".join(parts)


def python() -> str:
    """The public names, in the order of ``synthscope.__all__``."""
    whole = [f"{module}.{name}" for name, module in synthscope._PUBLIC.items()]
    head = (
        "# Python\n\n`import synthscope` loads nothing heavy; each name loads on first use, as `synthscope.NAME`. "
        "These names, with their arguments, are [public](../CONTRIBUTING.md#what-is-public-and-for-how-long)."
    )
    rows = [(f"`{verb}`", f"`synthscope.{name}`") for verb, name in FUNCTIONS.items() if "." in name]
    others = (
        "## Behind the other verbs\n\nThese do the work of the verbs that have no public function. Their places and "
        "arguments may change in any release."
    )
    public = [f"::: {name}\n    options:\n      heading_level: 2" for name in whole]
    return "\n\n".join([head, *public, others, _table(rows, ("verb", "function"))])


def metrics() -> str:
    """Names of metrics and measures, then the functions of their rooms."""
    rows = [
        "# Metrics, as functions",
        "What each figure means is [told in words](../how/metrics.md). `score --metric NAME`:",
    ]
    rows += [_table([(f"`{k}`", m.title, BETTER[m.higher_is_better], m.reads) for k, m in METRICS.items()],
                    ("name", "in tables", "better", "reads"))]  # fmt: skip
    rows += ["Of heatmaps:", _table([(f"`{k}`", m.title, m.chance) for k, m in LOCALIZATION.items()],
                                    ("name", "in tables", "by chance"))]  # fmt: skip
    rows += [f"::: synthscope.metrics.{name}\n    options:\n      heading_level: 2" for name in METRIC_MODULES]
    return "\n\n".join(rows)


def explainers() -> str:
    """One entry an explainer: its class, with its options."""
    head = (
        "# Explainers\n\n`explain -e NAME`, with options as `NAME:option=value,option=value`. Where heatmaps are "
        "scored: [score an explainer](../tutorials/explainer.md)."
    )
    parts = [head]
    for name in EXPLAINERS.registered:
        kind = EXPLAINERS[name]
        options = [
            (f"`{key}`", f"`{field.default!r}`", str(getattr(field.annotation, "__name__", field.annotation)))
            for key, field in kind.Options.model_fields.items()
        ]
        parts += [f"## {name}", f"::: {kind.__module__}.{kind.__name__}\n    options:\n      heading_level: 3\n"
                  "      members: []\n      show_root_heading: false\n      show_bases: false"]  # fmt: skip
        if options:
            parts.append(_table(options, ("option", "default", "type")))
    return "\n\n".join(parts)


def _table(rows: list[tuple[str, ...]], heads: tuple[str, ...]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


PAGES: dict[str, Callable[[], str]] = {
    "reference/cli.md": command_line,
    "reference/explainers.md": explainers,
    "reference/metrics.md": metrics,
    "reference/python.md": python,
    "reference/recipes.md": recipes,
}
