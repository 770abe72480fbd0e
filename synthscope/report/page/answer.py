"""The first paragraph of a report: what the scores say, in words, with every number's interval and n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from synthscope.data.degrade.chains import chain_words
from synthscope.metrics.significance import SURE
from synthscope.report.names import CHANCE, distinct, metric_name, number, percent
from synthscope.report.rows import chosen, comparable
from synthscope.scoring.columns import MEAN
from synthscope.tables.wording import FLOORS, floor_of, pretty, short_names, tests_of, trained_on, view_names, views_of

GUESSING = {name: CHANCE[name] for name in ("balanced_accuracy", "auroc")}  # whatever the share of the classes
SMALL = 100  # images a class below which a single figure is called uncertain


def headline_metric(scores: pl.DataFrame) -> str:
    """Balanced accuracy where it was computed, else the first metric that has a value."""
    valued = distinct(scores.filter(pl.col("value").is_not_null()), "metric")
    for metric in ("balanced_accuracy", "accuracy", "auroc", *valued):
        if metric in valued:
            return metric
    return "balanced_accuracy"


def ranked(scores: pl.DataFrame, metric: str, view: str, *, floor: str | None = None) -> pl.DataFrame:
    """One row per detector on clean images, the best first: the macro mean, or the only test set.

    Floors are left out where there are detectors; with ``floor``, that kind of floor alone is ranked.
    """
    table = chosen(scores, metric, view).filter(pl.col("condition") == "none", pl.col("value").is_not_null())
    wanted = pl.Series([floor_of(name or "") == floor for name in table["detector"]], dtype=pl.Boolean)
    if floor is not None or wanted.any():
        table = table.filter(wanted)
    where = MEAN if MEAN in table["test_set"] else next(iter(distinct(table, "test_set")), MEAN)
    best_first = True if table.is_empty() else table["higher_is_better"][0] is not False
    return table.filter(test_set=where).sort("value", descending=best_first, maintain_order=True)


def answer(scores: pl.DataFrame) -> list[str]:
    """Sentences: whether any detector is above chance, the best one, above which floors, off its own generator, under
    degradation, in other views, and how sure that is."""
    metric = headline_metric(scores)
    views = views_of(scores)
    if not views or (order := ranked(scores, metric, views[0])).is_empty():
        return ["No metric could be computed from these predictions. See the tables for the reasons."]
    names, words = short_names(distinct(scores, "detector")), view_names(scores)
    best = order.row(0, named=True)
    table = chosen(scores, metric, views[0])
    chance = _chance(order, words[views[0]])
    sentences = [chance + _first(order, names, table, metric, words[views[0]], guessing=_guessing(best) and not chance)]
    sentences += _floors(scores, best, metric, views[0])
    sentences += _off_generator(table.filter(detector=best["detector"]), best, names[best["detector"]], metric)
    sentences += _worst_condition(table.filter(detector=best["detector"]), metric)
    for view in views[1:]:
        sentences += _other_view(ranked(scores, metric, view), best, names, metric, words[view])
    return sentences + _uncertainty(scores, metric)


def answer_over_seeds(seeds: pl.DataFrame) -> list[str]:
    """Sentences on recipes that were trained with several seeds: the best by its mean, and what differs for sure.

    Args:
        seeds: Columns of ``SEEDS``. The best single seed is never named: it is the luckiest, not the best.
    """
    rows = seeds.filter(table="detection", metric="balanced_accuracy").filter(pl.col("value").is_not_null())
    sentences = []
    for (about,), own in rows.group_by(["about"], maintain_order=True):
        order = own.sort("value", descending=True, maintain_order=True)
        best, where = order.row(0, named=True), pretty(str(about).removeprefix("test_set="))
        above = any((row["ci_low"] or row["value"]) > GUESSING["balanced_accuracy"] for row in own.to_dicts())
        text = "" if above else f"No row is above chance on {where}. "
        text += f"On {where}, {best['row']} has the best balanced accuracy over {best['n_seeds']} training seeds: "
        text += f"{100 * best['value']:.1f}\u00a0%"
        if best["ci_low"] is not None:
            text += f" (95\u00a0% t interval over seeds {100 * best['ci_low']:.1f}–{100 * best['ci_high']:.1f})"
        compared = own.filter(pl.col("p_holm").is_not_null())
        sure = compared.filter(pl.col("p_holm") <= SURE)
        apart = [f"{row['row']} by {100 * row['difference']:+.1f}" for row in sure.iter_rows(named=True)]
        if compared.height:
            against = compared["against"][0]
            text += f"; from {against} differ for sure: {', '.join(apart) or 'none'}"
        sentences.append(f"{text}.")
    return sentences


def _chance(order: pl.DataFrame, view: str) -> str:
    """What has to be said before anything else: that detectors, the best first, cannot be told from guessing."""
    best = order.row(0, named=True)
    if not all(_guessing(row) for row in order.iter_rows(named=True)):
        return ""
    where = f"{view} images" if best["test_set"] == MEAN else f"{view} images of {pretty(best['test_set'])}"
    text = f"No detector is above chance on {where}. "
    if best["ci_high"] is not None and best["ci_high"] < GUESSING[best["metric"]]:
        text += "Even the best lies below it: labels may be exchanged. "
    return text


def _guessing(row: dict[str, Any]) -> bool:
    """Whether the interval of a score, or its value where there is none, contains chance or lies below it."""
    chance, least = GUESSING.get(row["metric"]), row["value"] if row["ci_low"] is None else row["ci_low"]
    return chance is not None and least <= chance


def _first(
    order: pl.DataFrame, names: dict[str, str], table: pl.DataFrame, metric: str, view: str, *, guessing: bool
) -> str:
    best = order.row(0, named=True)
    tests = [test for test in distinct(table.filter(condition="none"), "test_set") if test != MEAN]
    many = best["test_set"] == MEAN and len(tests) > 1
    where = f"Averaged over {len(tests)} test sets of" if many else f"On {pretty(tests[0])},"
    claim = f"{where} {view} images, {names[best['detector']]}"
    claim += f" has the best {_low(metric)}: " if order.height > 1 else f" reaches a {_low(metric)} of "
    guess = ", which cannot be told from guessing" if guessing else ""
    claim += f"{_value(best, metric)}{guess}."
    if order.height > 1:
        second = order.row(1, named=True)
        claim += f" {names[second['detector']]} follows with {_value(second, metric, n=False)}"
        overlap = None not in (best["ci_low"], best["ci_high"]) and best["ci_low"] <= second["value"] <= best["ci_high"]
        claim += ", inside the first one's interval: only a paired comparison can part them." if overlap else "."
    return claim


def _floors(scores: pl.DataFrame, best: dict[str, Any], metric: str, view: str) -> list[str]:
    """What it takes to beat the best of each kind of floor, and whether the best detector does."""
    sentences = []
    for kind, what in FLOORS.items():
        order = ranked(scores, metric, view, floor=kind).filter(test_set=best["test_set"])
        if order.is_empty():
            continue
        top = order.row(0, named=True)
        beaten = top["value"] < best["value"] if top["higher_is_better"] is not False else top["value"] > best["value"]
        verdict = "" if beaten else ": the best detector does not beat it"
        where = f", learned on {trained_on(top['train_set'], tests_of(scores))}," if top["train_set"] else ""
        sentences.append(f"The floor of {what}{where} is {_value(top, metric, n=False)}{verdict}.")
    return sentences


def missing(failures: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each part of a benchmark that failed, as ``failures.json`` lists them."""
    return [
        f"Missing because it failed ({failure['step']}): {failure['name']}. {failure['error']}" for failure in failures
    ]


def _off_generator(own: pl.DataFrame, best: dict[str, Any], name: str, metric: str) -> list[str]:
    """How much is lost on generators that the detector was not trained on."""
    single = own.filter(pl.col("test_set") != MEAN, pl.col("condition") == "none", pl.col("value").is_not_null())
    seen = pl.col("test_set").is_in((best["train_set"] or "").split("+"))
    inside, outside = single.filter(seen)["value"], single.filter(~seen)["value"]
    if inside.is_empty() or outside.is_empty():
        return []
    before, after = float(inside.mean()), float(outside.mean())  # type: ignore[arg-type]
    trained = "the generator" if len(inside) == 1 else f"the {len(inside)} generators"
    others = "the other" if len(outside) == 1 else f"the {len(outside)} others"
    return [
        f"{name} scores {_plain(metric, before)} on {trained} it was trained on and {_plain(metric, after)} "
        f"on {others}, a difference of {_points(metric, before - after)}."
    ]


def _worst_condition(own: pl.DataFrame, metric: str) -> list[str]:
    """The lowest score among those that a degradation lowers, beside that of the same images clean."""
    table = comparable(own).filter(pl.col("condition") != MEAN, pl.col("value").is_not_null())
    clean = dict(table.filter(condition="none").select("test_set", "value").iter_rows())
    hurt = table.filter(pl.col("condition") != "none")
    if hurt.is_empty():
        return []
    sign = -1 if hurt["higher_is_better"][0] is False else 1
    rows = sorted(hurt.to_dicts(), key=lambda row: sign * row["value"])
    lowered = [row for row in rows if sign * (row["value"] - clean.get(row["test_set"], row["value"] + sign)) < 0]
    worst = (lowered or rows)[0]
    where = "the mean over the test sets" if worst["test_set"] == MEAN else pretty(worst["test_set"])
    before = _plain(metric, clean[worst["test_set"]]) if worst["test_set"] in clean else ""
    end = ", which cannot be told from guessing." if _guessing(worst) else "."
    name = chain_words(worst["condition"])
    if not lowered:
        found = f"under {name} it has {_value(worst, metric)} on {where}, on clean images {before}"
        return [f"No degradation lowers it: {found}{end}"]
    before = f" from {before} on clean images" if before else ""
    return [f"The worst degradation, {name}, takes it{before} to {_value(worst, metric)} on {where}{end}"]


def _other_view(order: pl.DataFrame, best: dict[str, Any], names: dict[str, str], metric: str, view: str) -> list[str]:
    """The best detector of another view, and how the first view's winner does there."""
    if order.is_empty():
        return []
    top = order.row(0, named=True)
    text = f"On {view} images the best is {names[top['detector']]} with {_value(top, metric)}"
    same = order.filter(detector=best["detector"])
    if top["detector"] != best["detector"] and not same.is_empty():
        text += f"; {names[best['detector']]} has {_value(same.row(0, named=True), metric, n=False)} there"
    return [f"{text}{', which cannot be told from guessing' if _guessing(top) else ''}."]


def _uncertainty(scores: pl.DataFrame, metric: str) -> list[str]:
    single = scores.filter(
        pl.col("metric") == metric, pl.col("test_set") != MEAN, pl.col("condition") == "none",
        pl.col("value").is_not_null(),
    )  # fmt: skip
    fewest = single.select(pl.min_horizontal("n_real", "n_ai").min()).item() if single.height else None
    if fewest is None or fewest >= SMALL:
        return []
    half = single.select(((pl.col("ci_high") - pl.col("ci_low")) / 2).max()).item()
    sure = "" if half is None else f", so a figure for one test set is uncertain by up to ±{_points(metric, half)}"
    return [f"The smallest test set holds {fewest} images of a class{sure}: read small differences as noise."]


def _low(metric: str) -> str:
    name = metric_name(metric)
    return name if name.isupper() else name[0].lower() + name[1:]


def _plain(metric: str, value: float) -> str:
    return f"{number(metric, value)}\u00a0%" if percent(metric) else number(metric, value)


def _points(metric: str, value: float) -> str:
    return f"{number(metric, value)}\u00a0points" if percent(metric) else number(metric, value)


def _value(row: dict[str, Any], metric: str, *, n: bool = True) -> str:
    """ "83.5 % (95\u00a0% interval 78.5–88.5; 214 real + 214 AI)" """
    inside = []
    if row["ci_low"] is not None and row["ci_high"] is not None:
        inside.append(f"95\u00a0% interval {number(metric, row['ci_low'])}–{number(metric, row['ci_high'])}")
    if n:
        inside.append(f"{row['n_real'] or 0:,} real + {row['n_ai'] or 0:,} AI")
    return _plain(metric, row["value"]) + (f" ({'; '.join(inside)})" if inside else "")
