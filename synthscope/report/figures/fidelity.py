"""Figure of ``studies.fidelity``: recall of each generator over its damage, and without and with artifacts."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, INK, MUTED, capped, label, lines, styled
from synthscope.schema import PREDICTIONS, read_table
from synthscope.studies.fidelity.study import GROUPS, generator_means, with_fidelity
from synthscope.tables.wording import floor_of, short_names, view_names, views_of

MAX_DETECTORS, MARKERS = 8, "os^Dv<>P"
AXES = {"par": "artifact ratio (PAR)", "niqe": "NIQE, higher is worse"}


def save_fidelity_figure(run: str | Path, out: str | Path | None = None) -> list[Path]:
    """Draw what ``write_fidelity`` wrote into ``out`` (default ``run``): ``fidelity.png`` and ``.svg``, one a view."""
    run, out = Path(run), Path(run if out is None else out)
    table = read_table(out / "fidelity.parquet")
    joined = with_fidelity(
        read_table(run / "predictions.parquet", schema=PREDICTIONS), read_table(out / "fidelity_images.parquet")
    )
    means, views = generator_means(joined), views_of(table)
    written = []
    for number, view in enumerate(views, start=1):
        figure = fidelity_figure(table.filter(pl.col("view") == view), means.filter(pl.col("view") == view))
        if len(views) > 1:
            figure.suptitle(label(f"{view_names(table)[view]} images"), size=9.5)
        written += style.save_figure(figure, out / ("fidelity" if number == 1 else f"fidelity_{number}"))
    return written


@styled
def fidelity_figure(table: pl.DataFrame, means: pl.DataFrame) -> Figure:
    """Three panels of one view.

    Args:
        table: Columns of ``FIDELITY``.
        means: :func:`~synthscope.studies.fidelity.study.generator_means` of the same detectors.
    """
    order = sorted(means["detector"].unique(maintain_order=True), key=lambda name: floor_of(name) is not None)
    names = short_names(order)
    shown, more = capped(order, MAX_DETECTORS, "detectors")
    looks = {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(shown)}
    figure = style.new_figure(8.4, 3.5)
    panels = figure.subplots(1, 3, sharey=True)
    for axes, against in zip(panels, AXES, strict=False):
        _means(axes, means, against, looks)
    _groups(panels[2], table, looks)
    panels[0].set_ylabel("called AI (%)")
    panels[0].set_ylim(-0.04, 1.04)
    panels[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    handles = [Line2D([], [], color=c, marker=marker, linestyle="") for c, marker in looks.values()]
    titles = [lines(names[name], 30) for name in shown]
    panels[2].legend(handles, titles, loc="lower left", bbox_to_anchor=(0, 1), fontsize=8)
    images = max(means.group_by("detector").agg(pl.col("n").sum())["n"], default=0)
    sentence = f"{images} annotated AI images; a mark is a generator. Bars: 95 % intervals (Wilson)."
    style.note(figure, [sentence, *more])
    return figure


def _means(axes: Axes, means: pl.DataFrame, against: str, looks: dict[str, tuple[str, str]]) -> None:
    """Recall of each generator over the mean of ``against``; the generators are named once, at the top."""
    for name, (colour, marker) in looks.items():
        rows = means.filter(pl.col("detector") == name).drop_nulls(against)
        axes.plot(rows[against], rows["correct"], marker, color=colour, alpha=0.85)
    axes.set_xlabel(AXES[against])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    places = means.drop_nulls(against).group_by("generator").agg(pl.col(against).mean()).sort(against)
    low, high = axes.get_xlim()
    spread = _spread([(x - low) / (high - low) for x in places[against]])
    for (generator, x), right in zip(places.iter_rows(), spread, strict=True):
        axes.annotate(
            label(generator, 40),
            (x, 1.0),
            (low + right * (high - low), 1.06),
            xycoords=axes.get_xaxis_transform(),
            textcoords=axes.get_xaxis_transform(),
            rotation=90,
            ha="center",
            va="bottom",
            size=6.5,
            color=INK,
            arrowprops={
                "arrowstyle": "-",
                "color": MUTED,
                "linewidth": 0.5,
                "relpos": (0.5, 0),
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def _spread(places: list[float], gap: float = 0.055) -> list[float]:
    """Rising places in 0..1, pushed apart to ``gap`` or to what fits.

    >>> [round(place, 2) for place in _spread([0.5, 0.5, 1.0], gap=0.1)]
    [0.5, 0.6, 1.0]
    """
    gap = min(gap, 1 / max(len(places), 1))
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    for i in range(len(places) - 1, -1, -1):
        places[i] = min(places[i], 1 - gap * (len(places) - 1 - i))
    return places


def _groups(axes: Axes, table: pl.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    for i, (name, (colour, marker)) in enumerate(looks.items()):
        shift = (i - (len(looks) - 1) / 2) * 0.6 / max(len(looks), 1)
        for x, metric in enumerate(GROUPS[:2]):
            rows = table.filter(detector=name, metric=metric).drop_nulls("value")
            for row in rows.iter_rows(named=True):
                axes.vlines(x + shift, row["ci_low"], row["ci_high"], color=colour, linewidth=1.2)
                axes.plot(x + shift, row["value"], marker, color=colour)
    axes.set_xlim(-0.6, 1.6)
    axes.set_xticks([0, 1], ["PAR = 0", "PAR > 0"])
    axes.grid(visible=False, axis="x")
