"""What tables say around their numbers: names and order of test sets, detectors and views, and the notes below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from synthscope.data.align.views import PROTOCOLS
from synthscope.data.degrade.chains import chain_words
from synthscope.errors import UsageError
from synthscope.metrics.detection import METRICS
from synthscope.scoring.cells import RATES
from synthscope.scoring.columns import MEAN
from synthscope.tables.render import Cell

GENIMAGE = {
    "midjourney": "Midjourney", "stable_diffusion_v_1_4": "SD V1.4", "stable_diffusion_v_1_5": "SD V1.5", "adm": "ADM",
    "glide": "GLIDE", "wukong": "Wukong", "vqdm": "VQDM", "biggan": "BigGAN",
}  # fmt: skip
FLOORS = {"metadata": "file attributes alone", "spectrum_lr": "a linear look at the spectrum"}  # by first word of ids
ENOUGH = 10  # real images that a false positive rate should stand for
Row = dict[str, Any]


def pretty(name: str) -> str:
    """Subsets, joined by "+" where there are several, as the GenImage paper prints them.

    >>> pretty("stable_diffusion_v_1_4"), pretty("ADM+mine")
    ('SD V1.4', 'ADM + mine')
    """
    return " + ".join(GENIMAGE.get(part.lower(), part) for part in name.split("+"))


def left_out(train_set: str, tests: Iterable[str]) -> list[str]:
    """The test sets that a detector has not learnt from, where it has learnt from most of them and from nothing else.

    >>> left_out("a+b+d", ["a", "b", "c", "d"]), left_out("a", ["a", "b", "c"]), left_out("a+x", ["a", "b", "c"])
    (['c'], [], [])
    """
    learnt, rest = set(train_set.split("+")), [name for name in in_order(tests) if name not in train_set.split("+")]
    return rest if learnt <= set(tests) and 1 < len(learnt) > len(rest) else []


def trained_on(train_set: str, tests: Iterable[str] = ()) -> str:
    """What a detector has learnt from, the test sets that it has not where those are fewer.

    >>> trained_on("ADM+glide+VQDM", ["ADM", "VQDM", "glide", "BigGAN"]), trained_on("ADM", ["ADM", "VQDM"])
    ('all but BigGAN', 'ADM')
    """
    rest = left_out(train_set, tests)
    return f"all but {pretty('+'.join(rest))}" if rest else pretty(train_set)


def place(name: str) -> int:
    """Position of a subset in GenImage's tables; others come behind."""
    known = list(GENIMAGE)
    return known.index(name.lower()) if name.lower() in known else len(known)


def in_order(names: Iterable[str]) -> list[str]:
    """GenImage's subsets in the paper's order, then others as they come."""
    return sorted(names, key=place)


def floor_of(detector: str) -> str | None:
    """The kind of floor that an id names, which stands below the detectors; None for a detector.

    >>> floor_of("metadata.ADM.aligned@12345678"), floor_of("resnet50.ADM@12345678")
    ('metadata', None)
    """
    kind = _kind(detector)
    return kind if kind in FLOORS else None


def _kind(detector: str, *told: str) -> str:
    """First word of a name, without what is ``told`` of the detector elsewhere.

    >>> _kind("resnet50_ADM.view1@12345678", "ADM"), _kind("glide@12345678", "glide", "none")
    ('resnet50', '')
    """
    first = detector.partition("@")[0].partition(".")[0]
    for word in filter(None, told):
        first = first.replace(word, "")
    return first.strip("_-")


def short_names(detectors: Iterable[str]) -> dict[str, str]:
    """Detector ids without the hash of the weights wherever that leaves them different; floors are marked.

    >>> short_names(["a@1", "b@1", "b@2", "metadata.a@1"])
    {'a@1': 'a', 'b@1': 'b@1', 'b@2': 'b@2', 'metadata.a@1': 'metadata.a (floor)'}
    """
    distinct = list(dict.fromkeys(detectors))
    stems = [identity.partition("@")[0] for identity in distinct]
    return {
        identity: (stem if stems.count(stem) == 1 else identity) + (" (floor)" if floor_of(identity) else "")
        for identity, stem in zip(distinct, stems, strict=True)
    }


def row_names(
    rows: Sequence[tuple[str | None, str, str | None]], views: dict[str, str], tests: Iterable[str] = ()
) -> tuple[list[str], str]:
    """Names of (training set, detector, training view), and the head above them; ``tests`` are all test sets.

    Training sets where they tell the rows of one kind of detector, and those of each floor, apart, with the words of
    ``views`` where it takes both; else detectors. The kind is what stands before the first dot of a name, without the
    training set and view.

    >>> row_names([("a", "r.a@1", "none"), ("a", "r.a.lr@2", "lr:64")], {"none": "raw", "lr:64": "lr:64"})
    (['a, raw', 'a, lr:64'], 'trained on')
    >>> row_names([("a", "r.a@1", "none"), ("b", "npr@2", "lr:64")], {"none": "raw", "lr:64": "lr:64"})
    (['r.a', 'npr'], 'detector')
    """
    tests = list(tests)
    keys = {(train_set, view, floor_of(detector)) for train_set, detector, view in rows}
    own = [row for row in rows if not floor_of(row[1])]
    sets = [train_set for train_set, _, _ in own]
    kinds = {_kind(detector, train_set or "", view or "") for train_set, detector, view in own}
    if len(sets) > 1 and len(kinds) == 1 and all(row[0] for row in rows) and len(keys) == len(rows):
        several = len(set(sets)) < len(sets)
        titles = []
        for train_set, detector, view in rows:
            end, kind = f", {views[view or 'none']}" if several else "", floor_of(detector)
            titles.append(trained_on(train_set or "", tests) + end + (f", {kind} (floor)" if kind else ""))
        return titles, "trained on"
    names = short_names(detector for _, detector, _ in rows)
    return [names[detector] for _, detector, _ in rows], "detector"


def grouped(rows: Iterable[Row], by: tuple[str, ...]) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some columns, in order of first appearance, floors behind detectors."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: floor_of(row.get("detector") or "") is not None):
        groups.setdefault(tuple(row.get(column) for column in by), []).append(row)
    return groups


def by_training(rows: Iterable[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by (training set, detector, training view): GenImage's subsets in the paper's order, raw views first.

    Those trained on all but some come in the order of what was left out. Floors come behind all detectors, one kind
    after the other.
    """
    groups = grouped(rows, ("train_set", "detector", "train_view"))
    known = {name for train_set, *_ in groups for name in (train_set or "").split("+")}

    def order(key: tuple[Any, ...]) -> tuple[str, int, list[tuple[int, str]], str, bool]:
        train_set, detector, view = key
        rest = [(place(name), name) for name in left_out(train_set or "", known)]
        return floor_of(detector) or "", place(train_set or ""), rest, train_set or "", (view or "none") != "none"

    return {key: groups[key] for key in sorted(groups, key=order)}


def cell_of(row: Row, *, mark: str = "") -> Cell:
    """A row of scores as a cell: "†" where a false positive rate stands for few real images, and ``mark``."""
    metric, low, high = METRICS[row["metric"]], row["ci_low"], row["ci_high"]
    few = metric.fpr is not None and (row["n_real"] or 0) * metric.fpr < ENOUGH
    percent = metric.reads in {"verdicts", "ranks"}
    return Cell(row["value"], low, high, row["n_real"], row["n_ai"], percent, ("†" if few else "") + mark)


def with_mean(cells: Sequence[Cell], mean: Cell | None) -> tuple[Cell, ...]:
    """Cells and their mean: the scored one, with its interval, else that of the values there are.

    Where some are missing, the mark says how many were averaged.
    """
    values = [cell.value for cell in cells if cell.value is not None]
    mark = "†" if any("†" in cell.mark for cell in cells) else ""
    if mean is not None and mean.value is not None:
        return (*cells, replace(mean, mark=mark))
    if not values:
        return (*cells, Cell())
    mark += f" (of {len(values)})" if len(values) < len(cells) else ""
    return (*cells, Cell(sum(values) / len(values), percent=cells[0].percent, mark=mark))


def mean_head(metric: str) -> str:
    """Head of the last column, GenImage's for accuracy."""
    if metric == "accuracy":
        return "Avg Acc. (%)"
    return f"Avg {METRICS[metric].title}{' (%)' if METRICS[metric].reads in {'verdicts', 'ranks'} else ''}"


def notes_of(rows: Sequence[Row]) -> list[str]:
    """Metric, unit, threshold, n per class, interval, what was left out, for the shown rows of scores."""
    metrics = [METRICS[name] for name in dict.fromkeys(row["metric"] for row in rows)]
    percent = any(metric.reads in {"verdicts", "ranks"} for metric in metrics)
    unit = f"{metrics[0].title}{' in percent' if percent else ''}" if len(metrics) == 1 else "Rates in percent"
    notes = [unit + _threshold(rows, metrics[0].reads == "verdicts") + "."]
    single = [row for row in rows if row["test_set"] != MEAN] or list(rows)
    notes.append(
        f"Test images: {_span(row['n_real'] for row in single)} real, {_span(row['n_ai'] for row in single)} AI."
    )
    halves = [(row["ci_high"] - row["ci_low"]) / 2 for row in rows if None not in (row["ci_low"], row["ci_high"])]
    if halves:
        method = "by a bootstrap over groups of images, each class by itself"
        single_rate = (row["metric"] in RATES and MEAN not in (row["test_set"], row["condition"]) for row in rows)
        if any(single_rate) and "kind" not in rows[0]:  # a difference of rates is no rate
            method = f"Wilson's for the rates of one test set, else {method}"
        widest = f", no wider than ±{100 * max(halves):.1f} points" if percent and len(metrics) == 1 else ""
        notes.append(f"Intervals are 95 %, {method}{widest}.")
    if failed := max((row["n_error"] or 0 for row in single), default=0):
        notes.append(f"Left out because they could not be read: up to {failed} images a test set.")
    if any("†" in cell_of(row).mark for row in rows):
        notes.append(f"† The false positive rate stands for fewer than {ENOUGH} real images.")
    return notes


def _threshold(rows: Sequence[Row], verdicts: bool) -> str:
    thresholds = {row["threshold"] for row in rows} - {None}
    if not verdicts or not thresholds:
        return ""
    return f", AI if logit > {thresholds.pop():g}" if len(thresholds) == 1 else ", at each detector's own threshold"


def _span(numbers: Iterable[int | None]) -> str:
    known = [number for number in numbers if number is not None]
    if not known:
        return "an unknown number"
    return f"{min(known)}" if min(known) == max(known) else f"{min(known)} to {max(known)}"


def views_of(scores: pl.DataFrame) -> list[str]:
    """Views of the test images, as stored first."""
    return sorted(scores["view"].drop_nulls().unique(), key=lambda view: (view != "none", view))


def only_view(scores: pl.DataFrame) -> str:
    """The view, if there is just one; else a ``UsageError``."""
    views = views_of(scores)
    if len(views) != 1:
        raise UsageError(f"Expected scores of one view, got {', '.join(views) or 'none'}. Choose a view.")
    return views[0]


def tests_of(scores: pl.DataFrame) -> list[str]:
    """All test sets of some scores."""
    return [name for name in scores["test_set"].drop_nulls().unique(maintain_order=True) if name != MEAN]


def view_names(table: pl.DataFrame) -> dict[str, str]:
    """Words for the views in the columns ``view`` and ``train_view``: raw, the name of a protocol, or the recipe.

    >>> view_names(pl.DataFrame({"view": ["none", "aligned", "jpeg:q=96"]}))
    {'none': 'raw', 'aligned': 'aligned', 'jpeg:q=96': 'jpeg:q=96'}
    """
    columns = [column for column in ("view", "train_view") if column in table.columns]
    found = (view for column in columns for view in table[column].drop_nulls().unique(maintain_order=True))
    return {view: "raw" if view == "none" else chain_words(view) for view in dict.fromkeys(["none", *found])}


def view_words(scores: pl.DataFrame, shown: pl.DataFrame) -> str:
    """End of a title: the view of the shown scores, where there are several."""
    return f", {view_names(scores)[shown['view'][0]]} view" if len(views_of(scores)) > 1 else ""


def view_notes(shown: pl.DataFrame) -> list[str]:
    """What the view of the shown scores does to every image, where it does anything."""
    view = shown["view"][0]
    if view == "none":
        return []
    recipe = "this recipe, applied to every image" if ":" in view else "as `data align` was told"
    return [f"The view {view}: {PROTOCOLS[view].says if view in PROTOCOLS else recipe}."]


def slug(scores: pl.DataFrame, shown: pl.DataFrame) -> str:
    """End of a file name: the view of the shown scores, where there are several."""
    if len(views_of(scores)) < 2:
        return ""
    return "_" + re.sub(r"\W+", "_", view_names(scores)[shown["view"][0]]).strip("_")
