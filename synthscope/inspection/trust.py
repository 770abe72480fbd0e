"""What the truth test says of an explainer, beside every heatmap: heatmaps are not proof.

``trust.csv`` counts rows of ``results/xaigd/truth/truth.csv``, images ``all``, made by
``synthscope analyze truth -c cpu_small --set steps=1500 --set detector.input.crop=96 --seeds 3 --test 40``.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

TESTED = "the truth test (one small network, 3 seeds, 320 AI images)"


def trust(explainer: str) -> str:
    """One sentence or two for people, of an explainer's text such as ``gradcam:layer=net.layer3``.

    >>> trust("my_own")
    'The truth test was not made with this explainer: whether its maps show evidence is not known.'
    """
    counts = _counts().get(explainer.partition(":")[0])
    if counts is None:
        return "The truth test was not made with this explainer: whether its maps show evidence is not known."
    told = f"In {TESTED}, {counts['tells_apart']} of {counts['measures']} measures tell a detector that sees"
    told += " artifacts from one that sees none by these maps"
    told += f", {counts['reversed']} the wrong way round. " if counts["reversed"] else ". "
    untrained = counts["untrained_above"]
    return f"{told}With random weights, {untrained} of {counts['measures']} are still above chance."


@cache
def _counts() -> dict[str, dict[str, int]]:
    text = (files("synthscope.inspection") / "trust.csv").read_text(encoding="utf-8")
    return {row.pop("explainer"): {key: int(n) for key, n in row.items()} for row in csv.DictReader(text.splitlines())}
