"""Does a detector hold on generators and sources of photographs that it has never seen?

Folds hold out a block of generators together with a block of photo sources, so every image is scored once, by a model
that saw neither. Beside them a fold scores *reference* photographs, on which the model was not trained either. A logit
counts relative to them, as it does where the detector is used, which also makes folds comparable.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from synthscope.errors import SynthscopeError
from synthscope.metrics.detection import auroc, tpr_at_fpr
from synthscope.metrics.intervals import bootstrap, effective, grouped_rates_interval, percentile_interval, wilson
from synthscope.metrics.resampling import units_of

ALL = "all"  # test set: everything
LEVEL = 0.05  # of false alarms
RANKED = "auroc", "tpr_at_fpr_5pct"
ALARMS, FOUND = "false_alarms", "found"  # share of photographs, of AI images, whose p-value is up to LEVEL
SCORES = pl.Schema(
    {
        "candidate": pl.String,
        "view": pl.String,
        "fold": pl.String,
        "part": pl.String,  # test: of a held-out generator or source; reference: photographs of seen sources
        "label": pl.Int8,
        "member": pl.String,  # the generator or the source of photographs
        "path": pl.String,
        "logit": pl.Float64,
    }
)
FIGURES = pl.Schema(
    {
        "candidate": pl.String,
        "view": pl.String,
        "test_set": pl.String,  # "all", "fold NAME", a generator (against the photographs of its fold), a source
        "metric": pl.String,
        "value": pl.Float64,
        "ci_low": pl.Float64,  # 95 %; over generators and sources for "all", over images elsewhere
        "ci_high": pl.Float64,
        "n_real": pl.Int64,
        "n_ai": pl.Int64,
    }
)


def unseen(scores: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    """Figures of every candidate and view.

    Of everything together the intervals are those of a bootstrap that draws whole generators and whole sources of
    photographs, and of Wilson's over as many images as the sources are worth (Kish 1965). False alarms: p-values
    ``(1 + #{reference photographs with logit >= this}) / (n + 1)`` up to ``LEVEL``.

    Args:
        scores: Columns of ``SCORES``.
        seed: Of the bootstrap.

    Returns:
        Columns of ``FIGURES``.

    Raises:
        SynthscopeError: A fold without reference photographs, or with too few to speak of the level.
    """
    rows: list[tuple[object, ...]] = []
    for (candidate, view), part in scores.group_by("candidate", "view", maintain_order=True):
        test = _tests(part)
        rows += [(candidate, view, ALL, *row) for row in _together(test, seed)]
        for (fold,), images in test.group_by("fold", maintain_order=True):
            rows += [(candidate, view, f"fold {fold}", *row) for row in _apart(images, seed)]
            photographs = images.filter(label=0)
            for (member, label), own in images.group_by("member", "label", maintain_order=True):
                told = _apart(pl.concat([own, photographs]), seed)[:-1] if label else [_share(own, ALARMS)]
                rows += [(candidate, view, member, *row) for row in told]
    return pl.DataFrame(rows, schema=FIGURES, orient="row")


def relative(fold: pl.DataFrame) -> pl.DataFrame:
    """Test images of one fold with ``score``, their logit in quartile ranges from the reference, and ``p_value``."""
    reference = np.sort(fold.filter(part="reference")["logit"].to_numpy())
    if len(reference) < 1 / LEVEL:
        raise SynthscopeError(
            f"Expected {1 / LEVEL:.0f} reference photographs or more in fold {fold['fold'][0]}, got {len(reference)}. "
            "Hold more of them out of training."
        )
    test = fold.filter(part="test")
    low, middle, high = np.quantile(reference, (0.25, 0.5, 0.75))
    above = len(reference) - np.searchsorted(reference, test["logit"].to_numpy(), side="left")
    return test.with_columns(
        score=(pl.col("logit") - middle) / max(high - low, 1e-12),
        p_value=pl.Series((1 + above) / (len(reference) + 1)),
    )


def exceeded(scores: pl.DataFrame, candidate: str, controls: pl.DataFrame) -> dict[str, float]:
    """View -> how often controls reach the candidate's AUROC: ``(1 + #{controls with as much}) / (n + 1)``.

    Controls are candidates whose labels were exchanged between whole generators and sources. What a bootstrap over few
    generators cannot know, such as that several come from one collection, their spread does.

    Args:
        scores: Columns of ``SCORES``, of the candidate among others.
        candidate: Its name.
        controls: Columns of ``SCORES``.
    """
    found = {}
    for (view,), own in scores.filter(candidate=candidate).group_by("view", maintain_order=True):
        others = controls.filter(view=view).partition_by("candidate")
        value, reached = (_whole_auroc(own), [_whole_auroc(other) for other in others])
        found[str(view)] = (1 + sum(other >= value for other in reached)) / (len(reached) + 1)
    return found


def _tests(scores: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([relative(fold) for fold in scores.partition_by("fold", maintain_order=True)])


def _whole_auroc(scores: pl.DataFrame) -> float:
    test = _tests(scores)
    return auroc(test["label"].to_numpy(), test["score"].to_numpy())


def clears_bar(figures: pl.DataFrame, candidate: str) -> bool:
    """Whether AUROC lies above chance and the false alarms' interval covers the level, over all, in every view."""
    rows = figures.filter(candidate=candidate, test_set=ALL)
    ranks, alarms = rows.filter(metric="auroc"), rows.filter(metric=ALARMS)
    covered = (alarms["ci_low"] <= LEVEL) & (alarms["ci_high"] >= LEVEL)
    return ranks.height > 0 and bool((ranks["ci_low"] > 0.5).all()) and bool(covered.all())


def _together(test: pl.DataFrame, seed: int) -> list[tuple[object, ...]]:
    labels, cells = test["label"].to_numpy(), test["label"].cast(pl.String).to_list()
    units = units_of(cells, test["member"].to_list())
    ranked = _ranked(labels, test["score"].to_numpy(), units, seed)
    return [*ranked, *(_share(test.filter(label=k), name, by_member=True) for k, name in ((1, FOUND), (0, ALARMS)))]


def _apart(images: pl.DataFrame, seed: int) -> list[tuple[object, ...]]:
    units = units_of(images["label"].cast(pl.String).to_list())
    ranked = _ranked(images["label"].to_numpy(), images["score"].to_numpy(), units, seed)
    return [*ranked, *(_share(images.filter(label=k), name) for k, name in ((1, FOUND), (0, ALARMS)))]


def _ranked(labels: np.ndarray, scores: np.ndarray, units: object, seed: int) -> list[tuple[object, ...]]:
    drawn = bootstrap(labels, scores, metrics=RANKED, units=units, seed=seed)  # type: ignore[arg-type]
    values = auroc(labels, scores), tpr_at_fpr(labels, scores, fpr=LEVEL)[0]
    n_ai = int(labels.sum())
    return [
        (metric, value, float(low), float(high), len(labels) - n_ai, n_ai)
        for metric, value, low, high in zip(RANKED, values, *percentile_interval(drawn), strict=True)
    ]


def _share(images: pl.DataFrame, name: str, *, by_member: bool = False) -> tuple[object, ...]:
    """Share of images of one class whose p-value is up to ``LEVEL``, with an interval over members or over images."""
    told = (images["p_value"] <= LEVEL).to_numpy()
    if by_member:
        members = images["member"].rank("dense").cast(pl.Int64).to_numpy() - 1
        nothing = np.zeros(0, bool)
        worth = effective([told, nothing], [members, np.zeros(0, np.intp)])
        low, high = grouped_rates_interval([told, nothing], worth, (1.0, 0.0))
    else:
        low, high = wilson(int(told.sum()), len(told))
    counts = (0, len(told)) if name == FOUND else (len(told), 0)
    return name, float(told.mean()), low, high, *counts
