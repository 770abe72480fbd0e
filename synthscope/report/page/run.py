"""Read a run folder, and the plain facts about it that a report lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.config import validate
from synthscope.data.align.views import TREATMENTS
from synthscope.data.audit import AUDIT
from synthscope.detectors.input import InputConfig
from synthscope.detectors.sight import mean_seen_share
from synthscope.errors import SynthscopeError
from synthscope.metrics.detection import METRICS
from synthscope.report.names import distinct
from synthscope.runtime.files import read_json
from synthscope.schema import MANIFEST, PREDICTIONS, SCORES, conform, read_table, view_name
from synthscope.scoring.columns import MEAN, TEST_SETS, with_answers
from synthscope.scoring.differences import as_differences
from synthscope.scoring.generalization import FILE as GAPS
from synthscope.scoring.generalization import GENERALIZATION
from synthscope.scoring.left_out import FILE as LEFT_OUT_FILE
from synthscope.scoring.left_out import LEFT_OUT
from synthscope.scoring.slices import CLASSES, CLASSES_FILE, WORST, WORST_FILE
from synthscope.tables.left_out import COSTS, COSTS_FILE
from synthscope.tables.wording import floor_of, place, pretty, short_names, view_names

LONGEST = 300  # characters of a setting
EXPERIMENTS = "explanation_scores", "mask_scores", "erasure_scores", "fidelity", "seeds", "truth", "attacks"


@dataclass(frozen=True)
class Run:
    """The tables of a run folder; what a run does not have is an empty table."""

    scores: pl.DataFrame
    predictions: pl.DataFrame  # of clean images; recipe: the view, where the column of that name joins two
    unreadable: pl.DataFrame  # path, error
    audit: pl.DataFrame
    differences: pl.DataFrame
    treatments: pl.DataFrame  # what protocols did to the test images
    generalization: pl.DataFrame  # seen and unseen test sets
    costs: pl.DataFrame  # of the rows
    left_out: pl.DataFrame  # the same, a row a recipe, where test sets are left out in turn
    worst_groups: pl.DataFrame
    classes: pl.DataFrame  # accuracy by class
    settings: list[tuple[str, str]]  # of run.json, as dotted keys
    failures: list[dict[str, Any]]  # of failures.json: name, step, subset, view, error
    sizes: pl.DataFrame  # path, height, width of the images as stored, as far as they are known
    inputs: dict[str, InputConfig]  # preprocessing -> what detectors get, of run.json


def read_run(folder: Path, audit: pl.DataFrame | None = None) -> Run:
    """The tables in ``folder``, with ``audit`` in place of its own if given.

    Raises:
        SynthscopeError: No scores, or a table that is not what its name says.
    """
    scores = _read(folder / "scores.parquet", SCORES)
    if scores.is_empty():
        raise SynthscopeError(
            f"Expected scores in {folder / 'scores.parquet'}, got none. Run: synthscope score {folder}"
        )
    wanted = (pl.col("condition") == "none") | pl.col("error").is_not_null()
    clean = _read(folder / "predictions.parquet", PREDICTIONS, where=wanted)
    clean = with_answers(clean, folder).with_columns(view_name(), recipe=pl.col("view").fill_null("none"))
    manifest, settings = _read(folder / "manifest.parquet", MANIFEST), _settings(folder / "run.json")
    errors = [table.select("path", "error") for table in (clean, manifest)]
    unreadable = pl.concat(errors).filter(pl.col("error").is_not_null()).unique("path", maintain_order=True)
    if audit is None:
        audit = _read(folder / "audit.parquet")
    return Run(
        scores=_in_rows(scores.with_columns(pl.col("view", "train_view", "condition").fill_null("none"))),
        predictions=clean.filter(condition="none"),
        unreadable=unreadable,
        audit=conform(audit, AUDIT, f"the audit of {folder}").with_columns(pl.col("view").fill_null("none")),
        treatments=_read(folder / "treatments.parquet", TREATMENTS),
        differences=as_differences(_read(folder / "differences.parquet"), str(folder / "differences.parquet")),
        generalization=_read(folder / GAPS, GENERALIZATION),
        costs=_read(folder / COSTS_FILE, COSTS),
        left_out=_read(folder / LEFT_OUT_FILE, LEFT_OUT),
        worst_groups=_read(folder / WORST_FILE, WORST),
        classes=_read(folder / CLASSES_FILE, CLASSES),
        settings=list(_flat(settings)),
        failures=_failures(folder / "failures.json"),
        sizes=manifest.select("path", "height", "width").unique("path"),
        inputs={
            preprocessing: validate(InputConfig, told["input"], f"inputs of {folder / 'run.json'}")
            for preprocessing, told in settings.get("inputs", {}).items()
            if "crops" not in told  # several: no one place
        },
    )


def read_experiments(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables of ``EXPERIMENTS`` in ``folder``; empty where there is none.

    Raises:
        SynthscopeError: A table that cannot be read.
    """
    return {name: _read(folder / f"{name}.parquet") for name in EXPERIMENTS}


def has_heatmaps(folder: Path) -> bool:
    """Whether a run has heatmaps that have a place in their images."""
    path = folder / "explanations.parquet"
    if not (path.is_file() and (folder / "heatmaps").is_dir()):
        return False
    return read_table(path, columns=["input", "part"]).drop_nulls().height > 0


def explain_settings(folder: Path) -> list[tuple[str, str]]:
    """What ``synthscope explain`` wrote about its settings, but its units, as dotted keys."""
    settings = _settings(folder / "explain.json")
    return list(_flat({name: value for name, value in settings.items() if name != "units"}, "explain"))


def test_column(run: Run) -> str:
    """The column of the predictions that names the test sets of the scores."""
    tests = set(run.scores["test_set"]) - {MEAN}
    for column in TEST_SETS:
        if tests & set(run.predictions[column].drop_nulls()):
            return column
    return "subset"


def detector_facts(run: Run) -> list[dict[str, str]]:
    """One line per detector: ids, training set, threshold, input, precision and backend; then those that failed."""
    names = short_names(distinct(run.scores, "detector"))
    words = view_names(run.scores)
    verdicts = pl.col("metric").is_in([name for name, metric in METRICS.items() if metric.reads == "verdicts"])
    lines = []
    for (detector,), rows in run.scores.group_by(["detector"], maintain_order=True):
        own = run.predictions.filter(detector=detector)
        seen = pretty(rows["train_set"][0] or "")
        lines.append({
            "Detector": names[str(detector)],
            "Id": str(detector),
            "Architecture": rows["architecture"][0] or "unknown",
            "Trained on": f"{seen}, {words[rows['train_view'][0] or 'none']}" if seen else "unknown",
            "Threshold (logit)": _values(rows.filter(verdicts)["threshold"]),
            "Input": _values(own["preprocessing"]),
            "Sees of an image": seen_of_images(run, str(detector)) or "?",
            "Precision": _values(own["precision"]),
            "Run by": _values(own["backend"]),
            "Images": f"{own['path'].n_unique():,}" if own.height else "?",
        })  # fmt: skip
    for failure in run.failures:
        blank = dict.fromkeys(lines[0], "–") if lines else {}
        lines.append(blank | {"Detector": str(failure["name"]), "Id": f"failed: {failure['error']}"})
    return lines


def seen_of_images(run: Run, detector: str) -> str:
    """Mean share of the clean test images inside a detector's input, for each view where it differs; "" if unknown."""
    own, words = run.predictions.filter(detector=detector), view_names(run.scores)
    shares: dict[str, str] = {}
    for (view, preprocessing), rows in own.group_by("view", "preprocessing", maintain_order=True):
        sized = rows.select("path", view="recipe").join(run.sizes, on="path")
        config = run.inputs.get(str(preprocessing))
        share = None if config is None else mean_seen_share(sized, config)
        if share is not None:
            shares[words.get(str(view), str(view))] = "all" if share == 1 else f"{100 * share:.1f} %"
    if len(set(shares.values())) <= 1:
        return next(iter(shares.values()), "")
    return ", ".join(f"{share} ({word})" for word, share in shares.items())


def image_facts(run: Run) -> list[dict[str, str]]:
    """One line per test set and view: images of each class that were scored."""
    single = run.scores.filter(pl.col("test_set") != MEAN, pl.col("condition") == "none")
    words = view_names(run.scores)
    lines = []
    for (test, view), rows in single.group_by(["test_set", "view"], maintain_order=True):
        lines.append({
            "Test set": pretty(str(test)), "View": words[str(view or "none")], "Real": _values(rows["n_real"]),
            "AI": _values(rows["n_ai"]), "Left out as unreadable": _values(rows["n_error"]),
        })  # fmt: skip
    return lines


def _values(column: pl.Series) -> str:
    """The distinct values of a column, with digits only where they say something."""
    values = column.drop_nulls().unique(maintain_order=True).to_list()
    texts = [
        f"{value:{',' if isinstance(value, int) else 'g'}}" if column.dtype.is_numeric() else value for value in values
    ]
    return ", ".join(texts) or "?"


def _in_rows(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores in the order of a table's rows: trained on raw images first, then by training set in GenImage's order.

    Floors come behind all detectors.
    """
    floor = pl.col("detector").fill_null("").map_elements(lambda name: bool(floor_of(name)), return_dtype=pl.Boolean)
    order = pl.col("train_set").fill_null("").map_elements(place, return_dtype=pl.Int64)
    return scores.sort(floor, pl.col("train_view") != "none", order, maintain_order=True)


def _read(path: Path, schema: pl.Schema | None = None, *, where: pl.Expr | None = None) -> pl.DataFrame:
    """A table, or an empty one where the file is absent."""
    return read_table(path, schema=schema, where=where) if path.is_file() else pl.DataFrame(schema=schema)


def _settings(path: Path) -> dict[str, Any]:
    return read_json(path, dict) if path.is_file() else {}


def _failures(path: Path) -> list[dict[str, Any]]:
    failures = read_json(path, list) if path.is_file() else []
    if not all(isinstance(failure, dict) and {"name", "error"} <= failure.keys() for failure in failures):
        raise SynthscopeError(f"Expected what failed, with name and error, in {path}, got otherwise. Remove the file.")
    return failures


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and short texts of a JSON value."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{key}.{index}" if key else str(index))
    elif key:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield key, text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
