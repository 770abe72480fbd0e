"""Does a detector that learned from one kind of image hold on others, such as faces and art (GenImage, Table 8)?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from synthscope.errors import UsageError
from synthscope.metrics.detection import METRICS
from synthscope.scoring.columns import MEAN
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import cell_of, grouped, pretty, short_names

if TYPE_CHECKING:
    from synthscope.detectors.base import Detector

SHOWN = "accuracy", "auroc", "real_accuracy", "ai_accuracy"


def parse_domains(texts: Sequence[str]) -> dict[str, str]:
    """``NAME=SOURCE`` pairs; a source is a manifest or LAYOUT:PATH. Raises ``UsageError``.

    >>> parse_domains(["faces=imagefolder:/data/lfw?ai=sd14&real=lfw"])
    {'faces': 'imagefolder:/data/lfw?ai=sd14&real=lfw'}
    """
    domains: dict[str, str] = {}
    for text in texts:
        name, equals, source = text.partition("=")
        if not (equals and source and name.strip()) or ":" in name or "/" in name:
            raise UsageError(f"Expected NAME=SOURCE, got {text!r}. Write faces=imagefolder:DIR?ai=…&real=…")
        if name in domains or name == MEAN:
            raise UsageError(f"Expected domains with names of their own, got {name!r} again. Choose another name.")
        domains[name] = source
    return domains


def content(
    domains: Mapping[str, pl.DataFrame], detectors: Sequence[str | Path | Detector], *, out: str | Path
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Predict and score every domain with every detector, as they are: no fine-tuning, no new threshold.

    Args:
        domains: Name to manifest. A domain may hold one class only: then it has the rate of that class alone.
        detectors: Specs for ``load_detector``, or detectors.
        out: Run folder; gets ``predictions.parquet``. A second run resumes.

    Returns:
        Scores (``schema.SCORES``, the domains as test sets, accuracy null without both classes) and predictions.

    Raises:
        UsageError: No domain.
    """
    from synthscope.inference.predict import predict
    from synthscope.scoring.score import score

    if not domains:
        raise UsageError("Expected a domain or more, got none. Write faces=imagefolder:DIR?ai=…&real=…")
    images = pl.concat([table.with_columns(subset=pl.lit(name)) for name, table in domains.items()])
    predictions = predict(images, detectors, out=out)
    scores = score(predictions, metrics=SHOWN).filter(pl.col("test_set") != MEAN)
    partial = (pl.col("metric") == "accuracy") & ((pl.col("n_real") == 0) | (pl.col("n_ai") == 0))
    figures = [pl.when(~partial).then(pl.col(name)).alias(name) for name in ("value", "ci_low", "ci_high")]
    return scores.with_columns(figures), predictions


def content_table(scores: pl.DataFrame) -> Table:
    """A row for each detector and domain: accuracy, AUROC and both rates with intervals."""
    shown = scores.rows(named=True)
    names = short_names(row["detector"] for row in shown)
    several, rows = len(names) > 1, []
    for (detector, domain), group in grouped(shown, ("detector", "test_set")).items():
        cells = {row["metric"]: cell_of(row) for row in group}
        first = group[0]
        name = f"{domain} ({first['n_real']} real, {first['n_ai']} AI)"
        rows.append((f"{names[detector]}, {name}" if several else name, tuple(cells.get(m, Cell()) for m in SHOWN)))
    trained = sorted({pretty(row["train_set"]) for row in shown if row["train_set"]})
    notes = [
        "Rates in percent, at each detector's own threshold. 95 % intervals: Wilson's for rates, else by bootstrap.",
        f"Trained on {', '.join(trained)}." if trained else "What the detectors were trained on is not known.",
    ]
    if any(row["metric"] == "accuracy" and row["value"] is None for row in shown):
        notes.append("A domain with one class has the rate of that class alone.")
    if failed := max(row["n_error"] or 0 for row in shown):
        notes.append(f"Left out because they could not be read: up to {failed} images a domain.")
    heads = tuple(METRICS[metric].title for metric in SHOWN)
    corner = "detector, domain" if several else "domain"
    title = f"Other content{'' if several else f', {next(iter(names.values()))}'}"
    return Table("content", title, corner, heads, tuple(rows), tuple(notes), intervals=True)
