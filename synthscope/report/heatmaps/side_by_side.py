"""One picture under two detectors, or its twins in two runs, chosen by a rule: the panels of a figure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.report.heatmaps.overlays import Panel
from synthscope.report.heatmaps.run import HeatmapRun, Pair, Seen, measured
from synthscope.report.names import distinct
from synthscope.runtime import track
from synthscope.tables.wording import short_names


class Side(NamedTuple):
    """Whose heatmap a row of the figure shows."""

    run: Path
    detector: str  # id, or its name without the hash
    explainer: str


def side_by_side(first: Side, second: Side) -> tuple[list[Panel], str]:
    """Panels for ``heatmaps_figure``, and the rule by which the picture was chosen.

    It is the one with the median difference in relevance mass between the two, among the annotated images that both
    call AI; among all annotated ones where a run has no predictions. Twins lie at the same place below the folder that
    holds all images of their run; where the second has no annotations, it is measured against those of the first.

    Raises:
        UsageError: A detector or explainer that the run does not have.
        SynthscopeError: No image that both can be measured on.
    """
    sources = [HeatmapRun(side.run) for side in (first, second)]
    pairs = [_named(source, side) for source, side in zip(sources, (first, second), strict=True)]
    places = [_places(source) for source in sources]
    candidates = {place for place, path in places[0].items() if path in set(sources[0].images()[0])} & set(places[1])
    judged = [source.verdicts() for source in sources]
    for pair, paths, verdicts in zip(pairs, places, judged, strict=True):
        if all(judged):
            candidates = {place for place in candidates if verdicts.get((pair[0], paths[place]), (False,))[0]}
    differences = []
    for place in track(sorted(candidates), "compare heatmaps"):
        found = _both(sources, pairs, [paths[place] for paths in places])
        if len(found) == 2 and np.isfinite(difference := found[0][1] - found[1][1]):
            differences.append((difference, place))
    if not differences:
        raise SynthscopeError(
            f"Expected an annotated image that both detectors call AI in {first.run}, got none. Explain more images."
        )
    place = sorted(differences)[(len(differences) - 1) // 2][1]
    among = "that both call AI" if all(judged) else "that are annotated"
    rule = f"The picture with the median difference in relevance mass among {len(differences)} {among}."
    names = short_names(pair[0] for pair in pairs)
    drawn = _both(sources, pairs, [paths[place] for paths in places])
    return [
        panel._replace(title=f"{names[pair[0]]}, {pair[1]}") for (panel, _), pair in zip(drawn, pairs, strict=True)
    ], rule


def _both(sources: Sequence[HeatmapRun], pairs: Sequence[Pair], paths: Sequence[str]) -> list[tuple[Panel, float]]:
    """Panel and relevance mass of each row; the second is measured against the first one's annotations if need be."""
    seen = [source.look(path) for source, path in zip(sources, paths, strict=True)]
    if seen[0] is None or seen[1] is None:
        return []
    if not seen[1].found and seen[0].rgb.shape == seen[1].rgb.shape:
        seen[1] = Seen(seen[1].rgb, seen[0].found, seen[1].rows)
    found = [measured(source, one, pair) for source, one, pair in zip(sources, seen, pairs, strict=True) if one]
    return [one for one in found if one is not None]


def _named(source: HeatmapRun, side: Side) -> Pair:
    for pair in source.pairs():
        if side.detector in (pair[0], pair[0].partition("@")[0]) and side.explainer == pair[1]:
            return pair
    wanted = f"{side.detector} {side.explainer}"
    advice = suggest(wanted, [f"{pair[0]} {pair[1]}" for pair in source.pairs()])
    raise UsageError(f"Expected a detector and explainer of {side.run}, got {wanted!r}. {advice}")


def _places(source: HeatmapRun) -> dict[str, str]:
    """Place of every image below the folder that holds them all -> its path."""
    paths = distinct(source.table, "path")
    root = os.path.commonpath(paths) if len(paths) > 1 else Path(paths[0]).parent
    return {Path(path).relative_to(root).as_posix(): path for path in paths}
