"""Which images a page shows of every detector: by a rule, unless a reader asks for files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthscope.data.degrade.chains import chain_words
from synthscope.metrics.localization.maps import relevance_mass
from synthscope.report.choice import Choice
from synthscope.report.heatmaps.overlays import (
    RGB,
    TILES,
    category_name,
    colour_bar,
    colour_of,
    fitted,
    overlay,
    tiles,
    zoomed,
)
from synthscope.report.heatmaps.run import MAX_RANKED, HeatmapRun, Pair, Verdicts, measured, numbers
from synthscope.report.uri import data_uri
from synthscope.runtime import track
from synthscope.scoring.heatmaps.stability import stability
from synthscope.tables.wording import pretty, short_names

MAX_PAIRS, MAX_CONDITIONS, MAX_CHOSEN = 6, 2, 12
THE_RULE = Choice()
QUALITY = 75  # of the tiles, JPEG
RANKS = "best", "median", "worst"
BARS = {False: "relevance, least to greatest", True: "evidence for real, none, evidence for AI"}


@dataclass(frozen=True)
class Tile:
    """One picture of the page: data URI, title, numbers below it, words for those who cannot see it."""

    uri: str
    title: str
    numbers: str
    alt: str


@dataclass(frozen=True)
class Example:
    """One image under one detector and explainer."""

    rank: str
    path: str
    about: str
    tiles: list[Tile]


@dataclass(frozen=True)
class Exhibit:
    """What one detector and explainer look at; ``rule`` says how the examples were chosen."""

    detector: str
    explainer: str
    rule: str
    examples: list[Example]


@dataclass(frozen=True)
class Gallery:
    """The exhibits of a run, the colours of the categories and of relevance, and notes on what is not shown."""

    exhibits: list[Exhibit]
    categories: list[tuple[str, str]]  # colour, name
    bars: list[tuple[str, str]]  # data URI, meaning
    notes: list[str]

    def _repr_html_(self) -> str:
        """For notebooks."""
        from synthscope.report.heatmaps.shown import gallery_html

        return gallery_html(self)


def gallery(run: Path, choice: Choice = THE_RULE) -> Gallery:
    """Best, median and worst image of up to ``MAX_PAIRS`` pairs of detector and explainer.

    Ranked by lift, the relevance mass less the annotated share of what is seen, on clean images. Without annotations,
    three images drawn by the hash of their files. First seeds go first, then the first explainer of every detector.
    The files of a ``choice`` stand in place of those of the rule, in order of path, and the page says so.

    Raises:
        SynthscopeError: No heatmap that can be drawn.
    """
    source = HeatmapRun(run)
    pairs = source.pairs()
    paths, total = source.images()
    annotated = source.regions is not None
    wanted = [path for path in source.table["path"].unique().sort() if choice.has(path)]
    lifts = _lifts(source, paths if annotated and choice.files is None else [])
    verdicts, names = source.verdicts(), short_names(pair[0] for pair in pairs)
    exhibits = []
    for pair in pairs[:MAX_PAIRS]:
        if choice.files is not None:
            chosen = [("chosen", path) for path in wanted[: choice.limit or MAX_CHOSEN]]
            rule = f"Chosen by hand, not by a rule: {len(chosen)} of {len(wanted)} files that match {choice.files}."
        elif annotated:
            own = {path: lift[pair] for path, lift in lifts.items() if pair in lift}
            chosen, rule = _by_lift(own, total)
        else:
            chosen, rule = [("drawn", path) for path in paths[:3]], "Three images, drawn by the hash of their files."
        chosen = chosen[: choice.limit]
        examples = [example for rank, path in chosen if (example := _example(source, path, pair, rank, verdicts))]
        if examples:
            exhibits.append(Exhibit(names[pair[0]], f"{pair[1]}, {pair[2]}", rule, examples))
    notes = [f"{MAX_PAIRS} of {len(pairs)} pairs of detector and explainer are shown."] if pairs[MAX_PAIRS:] else []
    notes += [f"Images as in the first of {len(source.views)} views."] if source.views[1:] else []
    notes += [] if exhibits else ["No image that was explained can be read any more."]
    marked = [] if source.regions is None else source.regions["category"].unique().to_list()
    legend = {category_name(name): "#{:02x}{:02x}{:02x}".format(*colour_of(name)) for name in marked}
    colours = [(legend[name], name) for name in sorted(legend)]
    kinds = sorted({pair[1] in source.signed for pair in pairs[:MAX_PAIRS]})
    return Gallery(exhibits, colours, [(jpeg_uri(colour_bar(signed=kind)), BARS[kind]) for kind in kinds], notes)


def _lifts(source: HeatmapRun, paths: list[str]) -> dict[str, dict[Pair, float | None]]:
    """Relevance mass less chance of every pair on every clean image.

    NaN where a heatmap is blank, None where nothing is annotated inside what the detector sees.
    """
    lifts: dict[str, dict[Pair, float | None]] = {}
    for path in track(paths, "choose images"):
        if (seen := source.look(path)) is None or not seen.found[0].mask.any():
            continue
        lifts[path] = {}
        for row in (row for row in seen.rows if row["condition"] == "none"):
            placed = source.placed(row, seen)
            heat, mask = placed.heat[placed.window], seen.found[0].mask[placed.window]
            lift = relevance_mass(heat, mask) - float(mask.mean()) if mask.any() else None
            lifts[path][row["detector"], row["explainer"], row["layer"]] = lift
    return lifts


def _by_lift(lifts: dict[str, float | None], total: int) -> tuple[list[tuple[str, str]], str]:
    """(rank, path) of the images that the rule chooses by the lifts of one pair, and what the rule is."""
    scored = sorted((lift, path) for path, lift in lifts.items() if lift is not None and np.isfinite(lift))
    unseen = list(lifts.values()).count(None)
    return _three(scored), _rule(len(scored), len(lifts) - len(scored) - unseen, unseen, total)


def _three(scored: list[tuple[float, str]]) -> list[tuple[str, str]]:
    """Best, median (the lower of two) and worst of sorted values, each image once.

    >>> _three([(-0.1, "a"), (0.0, "b"), (0.2, "c"), (0.3, "d")])
    [('best', 'd'), ('median', 'b'), ('worst', 'a')]
    """
    places = (len(scored) - 1, (len(scored) - 1) // 2, 0) if scored else ()
    chosen: dict[str, str] = {}
    for rank, place in zip(RANKS, places, strict=False):
        chosen.setdefault(scored[place][1], rank)
    return [(rank, path) for path, rank in chosen.items()]


def _rule(scored: int, blank: int, unseen: int, total: int) -> str:
    drawn = f", drawn from {total:,} by the hash of their files" if total > MAX_RANKED else ""
    left = [f"{blank:,} whose heatmap has nothing positive"] if blank else []
    left += [f"{unseen:,} with nothing annotated inside what the detector sees"] if unseen else []
    without = f" Left out: {', '.join(left)}." if left else ""
    return f"Best, median and worst lift among {scored:,} annotated images{drawn}.{without}"


def _example(source: HeatmapRun, path: str, pair: Pair, rank: str, verdicts: Verdicts) -> Example | None:
    """The tiles of one image: clean, then the outlines over the heatmaps under other conditions."""
    seen = source.look(path)
    found = seen and measured(source, seen, pair)
    if seen is None or not found:
        return None
    panel, name = found[0], Path(path).name
    marked = ", ".join(category_name(region.category).lstrip("1234567 ") for region in panel.regions)
    words = {"annotation": marked, "heatmap": panel.numbers}
    alts = {"image": "image", "annotation": f"annotated with {marked}", "heatmap": f"where {panel.title} looks",
            "both": f"heatmap of {panel.title} with the outlines of the annotated artifacts"}  # fmt: skip
    shown = [
        Tile(jpeg_uri(rgb), TILES[key], words.get(key, ""), f"{name}: {alts[key]}") for key, rgb in tiles(panel).items()
    ]
    rows = seen.of(pair)
    clean = source.placed(rows[0], seen)
    for row in rows[1 : 1 + MAX_CONDITIONS]:
        way = chain_words(row["condition"])
        under = source.placed(row, seen)
        same = stability(clean, under)[0]
        alike = (
            f"Spearman with clean {same:.2f}.".replace("-", "−") if np.isfinite(same) else ""
        )  # one of them is constant
        text = f"{numbers(under, seen)} {alike}".strip()
        small = fitted(zoomed(panel._replace(heat=under.heat, window=under.window)))
        picture = overlay(small.rgb, small.heat, small.regions, signed=panel.signed)
        shown.append(Tile(jpeg_uri(picture), way, text, f"{name}: the same under {way}"))
    verdict = verdicts.get((pair[0], path))
    called = f", called {'AI' if verdict[0] else 'real'}, p(AI) {verdict[1]:.3f}" if verdict else ""
    return Example(rank, path, f"{name}, {pretty(rows[0]['generator'] or 'unknown generator')}{called}", shown)


def jpeg_uri(rgb: RGB) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(
        buffer, "JPEG", quality=QUALITY, subsampling=0, optimize=True
    )  # thin outlines keep their colour
    return data_uri(buffer.getvalue(), "image/jpeg")
