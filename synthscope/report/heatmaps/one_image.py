"""One image of a run under its detectors and explainers, as a figure."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from synthscope.errors import SynthscopeError
from synthscope.report.choice import Choice
from synthscope.report.figures.style import styled
from synthscope.report.heatmaps.figure import heatmaps_figure
from synthscope.report.heatmaps.run import HeatmapRun, measured

MOST = 6  # rows of a figure


@styled
def one_image(run: Path, files: str | None = None) -> Figure:
    """Image, annotation, heatmap and both: a row for each of up to ``MOST`` pairs of detector and explainer.

    Args:
        run: Folder of a run of ``explain``.
        files: Pattern of the path, or of its end, of the image; default: drawn by the hash of the files.

    Raises:
        UsageError: ``files`` match no image of the run.
        SynthscopeError: No image of the run can be read any more.
    """
    choice, source = Choice(files), HeatmapRun(run)
    choice.check(run)
    paths = source.images()[0] if files is None else sorted(filter(choice.has, source.table["path"].unique()))
    for path in paths:
        if (seen := source.look(path)) is not None:
            found = [measured(source, seen, pair) for pair in source.pairs()[:MOST]]
            rule = Path(path).name + (", drawn by the hash of the files." if files is None else ", chosen by hand.")
            return heatmaps_figure([one[0] for one in found if one is not None], rule=rule)
    raise SynthscopeError(f"Expected an image of {run} that can be read, got none any more. Bring the images back.")
