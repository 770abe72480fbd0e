"""Every candidate on every fold: fitted without the fold's generators and photo sources, then scoring those alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from candidates import Candidate, head_logits, network_logits, permuted

from synthscope.schema import MANIFEST, write_table
from synthscope.studies.unseen import SCORES

VIEWS = "laundered", "aligned"
FEWEST = 20  # images of a class in a fold that is judged


class Images(NamedTuple):
    """All images: as each view shows them, and those that may be added to a training set."""

    views: dict[str, pl.DataFrame]  # MANIFEST, fold and original, the path of the file as it came
    pixels: dict[str, np.ndarray]  # of each view, uint8 (n, SIDE, SIDE, 3) in the order of its rows
    extra: dict[str, pl.DataFrame]  # fakes and sandbox, laundered; fold null = in every training set
    features: dict[str, dict[str, np.ndarray]]  # network -> view or extra -> (n, d) in the order of its rows


def reference_source(fold: str) -> str:
    """The source whose photographs say what a logit is worth; no candidate is trained on it in this fold.

    A source that the model has not seen either, as its users' photographs: those of seen sources score lower, and
    three times as many false alarms as said would come of that.
    """
    return "bsds500" if fold == "imagenet" else "imagenet"


def judged_folds(rows: pl.DataFrame) -> list[str]:
    """Folds in which a view leaves enough of both classes."""
    counts = rows.group_by("fold").agg(real=(pl.col("label") == 0).sum(), ai=(pl.col("label") == 1).sum())
    return sorted(counts.filter(pl.min_horizontal("real", "ai") >= FEWEST)["fold"])


def crossfit(candidate: Candidate, images: Images, folder: Path) -> pl.DataFrame:
    """Scores (``SCORES``) of one candidate in all views and folds; a fold that is there is kept."""
    laundered = images.views["laundered"]
    parts = []
    for fold in judged_folds(laundered):
        file = folder / "scores" / f"{_slug(candidate.name)}.{fold}.parquet"
        if not file.is_file():
            write_table(_one_fold(candidate, images, fold, folder), file)
        parts.append(pl.read_parquet(file))
    return pl.concat(parts)


def _one_fold(candidate: Candidate, images: Images, fold: str, folder: Path) -> pl.DataFrame:
    wanted = (pl.col("fold") != fold) & (pl.col("subset") != reference_source(fold))
    parts = {"laundered": images.views["laundered"], **{name: images.extra[name] for name in candidate.extra}}
    if candidate.permuted is not None:
        parts["laundered"] = permuted(parts["laundered"], candidate.permuted)
    chosen = {name: part.filter(wanted.fill_null(True)) for name, part in parts.items()}
    tests = [_test_rows(images.views[view], view, fold) for view in _views(candidate, images, fold)]
    if candidate.permuted is not None:
        tests = [permuted_like(test, parts["laundered"]) for test in tests]
    if candidate.features:
        logits = _linear(candidate.features, images, parts, chosen, tests)
    else:
        rows = pl.concat([part.select(MANIFEST.names()) for part in chosen.values()])
        pixels = [images.pixels[view][row] for test in tests for view, row in test.select("seen", "_row").iter_rows()]
        run = folder / "detectors" / f"{_slug(candidate.name)}.{fold}"
        logits = [network_logits(candidate, rows, run, pixels)]
    return (
        pl.concat(tests)
        .with_columns(
            candidate=pl.lit(candidate.name),
            view=pl.col("seen"),
            fold=pl.lit(fold),
            member="subset",
            path="original",
            logit=pl.Series(np.concatenate(logits)),
        )
        .select(SCORES.names())
        .cast(dict(SCORES))  # type: ignore[arg-type]
    )


def _views(candidate: Candidate, images: Images, fold: str) -> list[str]:
    known = [view for view in VIEWS if not candidate.features or view in images.features[candidate.features]]
    return [view for view in known if fold in judged_folds(images.views[view])]


def _test_rows(rows: pl.DataFrame, view: str, fold: str) -> pl.DataFrame:
    """Held-out images of the fold, and the photographs of its reference source, with ``part`` and ``seen``."""
    reference = pl.col("subset") == reference_source(fold)
    part = pl.when(pl.col("fold") == fold).then(pl.lit("test")).when(reference).then(pl.lit("reference"))
    marked = rows.with_row_index("_row").with_columns(part=part, seen=pl.lit(view))
    return marked.filter(pl.col("part").is_not_null())


def permuted_like(rows: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Rows with the labels that ``other`` gives to the same generators and sources."""
    labels = dict(other.select("subset", "label").unique().iter_rows())
    return rows.with_columns(label=pl.col("subset").replace_strict(labels, return_dtype=pl.Int8))


def _linear(
    features: str, images: Images, parts: dict[str, pl.DataFrame], chosen: dict[str, pl.DataFrame], tests: Sequence[Any]
) -> list[np.ndarray]:
    known = images.features[features]
    found, labels = [], []
    for name, rows in chosen.items():
        keep = parts[name]["path"].is_in(rows["path"].to_list()).to_numpy()
        found.append(known[name][keep])
        labels.append(rows["label"].to_numpy())
    matrices = [known[test["seen"][0]][test["_row"].to_numpy()] for test in tests]
    return head_logits(np.concatenate(found), np.concatenate(labels), matrices)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())
