"""Which generators are alike to detectors: Pearson correlation of the columns of a transfer matrix.

GenImage, arXiv 2306.08571, Fig. 3 (b). Rows are detectors, by what they were trained on; columns are test sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.intervals import Z_95
from synthscope.schema import SCORES, read_table
from synthscope.scoring.columns import MEAN
from synthscope.tables.benchmark import cross_generator_matrix
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import pretty

Floats = NDArray[np.float64]
ENOUGH = 4  # training rows; Fisher's interval has no width below


@dataclass(frozen=True)
class Transfer:
    """A metric of every detector on every test set; a missing cell is NaN."""

    rows: list[str]
    columns: list[str]
    values: Floats  # (rows, columns), fractions
    metric: str = "accuracy"


@dataclass(frozen=True)
class Correlation:
    """Pearson's r between columns, each pair over the ``n`` rows that have both; NaN where there is none."""

    columns: list[str]
    r: Floats  # (k, k)
    low: Floats  # 95 %, Fisher's z
    high: Floats
    n: NDArray[np.int_]


def read_transfer(source: str | Path, *, metric: str = "accuracy", view: str | None = None) -> Transfer:
    """A transfer matrix from a run folder with ``scores.parquet``, from such a file, or from a CSV of percentages.

    Of a run, the clean test images of ``view`` and the detectors trained in that view (or of unknown training). Of a
    CSV, columns of numbers are test sets, but for their mean (``avg`` or ``mean``), and the text names the rows.

    Raises:
        SynthscopeError: No such file, no scores, or a CSV with something else than percentages.
        UsageError: Several views and none chosen, or no scores of the metric.
    """
    path = Path(source) / "scores.parquet" if Path(source).is_dir() else Path(source)
    if not path.is_file():
        raise SynthscopeError(f"Expected scores at {path}, got nothing. Run: synthscope score RUN")
    if path.suffix == ".csv":
        return _read_csv(path)
    scores = read_table(path, schema=SCORES, advice="Score the run again.")
    scores = scores.with_columns(pl.col("view", "condition").fill_null("none"))
    own = pl.col("train_view").is_null() | (pl.col("train_view") == pl.col("view"))
    table = cross_generator_matrix(scores.filter(own, pl.col("test_set") != MEAN), metric=metric, view=view)
    values = [[cell.value for cell in cells[:-1]] for _, cells in table.rows]
    return Transfer([name for name, _ in table.rows], list(table.columns[:-1]), np.array(values, float), metric)


def _read_csv(path: Path) -> Transfer:
    try:
        table = pl.read_csv(path, null_values=["", "-", "–"])
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthscopeError(f"Expected a CSV table in {path}, got: {error}. Mend the file.") from error
    texts = [name for name in table.columns if table[name].dtype == pl.String]
    tests = [name for name in table.columns if name not in texts and name.lower() not in {"avg", MEAN}]
    values = table.select(pl.col(tests).cast(pl.Float64)).to_numpy() / 100 if tests else np.empty((0, 0))
    known = values[np.isfinite(values)]
    if not (texts and known.size) or known.min() < 0 or known.max() > 1:
        raise SynthscopeError(
            f"Expected a column of names and columns of percentages in {path}, got otherwise. Mend the file."
        )
    telling = [name for name in sorted(texts, key=lambda name: name != "train_set") if table[name].is_unique().all()]
    rows = table[(telling or texts)[0]].fill_null("?")
    return Transfer([pretty(name) for name in rows], [pretty(name) for name in tests], values)


def correlate(transfer: Transfer) -> Correlation:
    """Pearson's r of every pair of columns over the rows in which neither is missing, with Fisher's z interval.

    r needs 3 common rows and two columns that vary, its interval 4 rows. The interval supposes that the rows are a
    random sample of detectors with normal figures: read it as a measure of how little so few rows can say.

    Raises:
        UsageError: Fewer than two test sets.
    """
    values, k = transfer.values, len(transfer.columns)
    if k < 2:
        raise UsageError(f"Expected two test sets or more to correlate, got {k}. Test on more generators.")
    r, low, high = np.full((3, k, k), np.nan)
    n = np.zeros((k, k), int)
    for i in range(k):
        for j in range(i, k):
            a, b = values[np.isfinite(values[:, i]) & np.isfinite(values[:, j])][:, [i, j]].T
            n[i, j] = n[j, i] = len(a)
            if len(a) >= 3 and min(np.ptp(a), np.ptp(b)) > 0:
                r[i, j] = r[j, i] = 1.0 if i == j else float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))
            if len(a) >= ENOUGH and abs(r[i, j]) < 1:
                half = Z_95 / np.sqrt(len(a) - 3)
                low[i, j] = low[j, i] = np.tanh(np.arctanh(r[i, j]) - half)
                high[i, j] = high[j, i] = np.tanh(np.arctanh(r[i, j]) + half)
    return Correlation(transfer.columns, r, low, high, n)


def tree(correlation: Correlation) -> tuple[list[int], Floats] | None:
    """Average linkage on the distance 1 - r.

    Returns:
        The columns that can be placed, in the order of the leaves, and SciPy's linkage of the columns in rising order;
        None if fewer than two can. Columns without variation, and then those with a missing r, are left out.
    """
    kept = [i for i in range(len(correlation.columns)) if np.isfinite(correlation.r[i, i])]
    while len(kept) > 1 and np.isnan(part := correlation.r[np.ix_(kept, kept)]).any():
        kept.pop(int(np.isnan(part).sum(axis=0).argmax()))
    if len(kept) < 2:
        return None
    distance = 1 - correlation.r[np.ix_(kept, kept)]
    links = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [kept[leaf] for leaf in leaves_list(links)], links


def correlation_rows(correlation: Correlation) -> pl.DataFrame:
    """One row for each pair of test sets."""
    names, rows = correlation.columns, []
    for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
        figures = (float(table[i, j]) for table in (correlation.r, correlation.low, correlation.high))
        rows.append((names[i], names[j], *(None if np.isnan(x) else x for x in figures), int(correlation.n[i, j])))
    schema = {"a": pl.String, "b": pl.String, "r": pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64}
    return pl.DataFrame(rows, schema=schema | {"n": pl.Int64}, orient="row")


def correlation_table(correlation: Correlation, transfer: Transfer) -> Table:
    """The matrix of correlations as printed, with what it is worth."""
    rows = []
    for name, values in zip(correlation.columns, correlation.r.tolist(), strict=True):
        rows.append((name, tuple(Cell(None if np.isnan(r) else r, percent=False) for r in values)))
    title = f"Pearson correlation of the test sets over {len(transfer.rows)} detectors, {transfer.metric}"
    return Table("correlation", title, "", tuple(correlation.columns), tuple(rows), tuple(notes(correlation)))


def notes(correlation: Correlation) -> list[str]:
    """How far the correlations can be trusted."""
    off = ~np.eye(len(correlation.columns), dtype=bool)
    fewest, most = correlation.n[off].min(), correlation.n[off].max()
    if most < ENOUGH:
        return [f"With {most} training rows, fewer than {ENOUGH}, correlations mean nothing."]
    across = f"{most}" if fewest == most else f"{fewest} to {most}"
    sentences = [f"Each r stands on {across} training rows."]
    typical = np.nanmedian((correlation.high - correlation.low)[off])
    if np.isfinite(typical):
        clear = int((((correlation.low > 0) | (correlation.high < 0)) & off).sum()) // 2
        pairs = int(np.isfinite(correlation.low[off]).sum()) // 2
        sentences.append(
            f"The 95 % intervals (Fisher's z) have a median width of {typical:.2f}; {clear} of {pairs} leave out 0."
        )
    if missing := [name for i, name in enumerate(correlation.columns) if np.isnan(correlation.r[i, i])]:
        sentences.append(f"No correlation for {', '.join(missing)}: too few rows, or all alike.")
    return sentences
