"""Attacks on AI images that a detector catches, and what of them it still catches.

A detector is judged at the threshold that lets it call a fixed share of photographs AI, in the view that the images are
seen through. What it catches at that threshold is attacked; an attack succeeds where the logit falls to the threshold
or below. The study is for research on robustness: it writes figures and tables, and pictures only where asked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch

from synthscope.data.degrade.recipe import expand, parse_recipe
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import detector_id, load_detector
from synthscope.errors import UsageError
from synthscope.inference.parts import each_part, one_run, write_part
from synthscope.inference.plan import make_plan
from synthscope.inference.predict import predict
from synthscope.runtime import Progress, tune_allocator
from synthscope.schema import PREDICTIONS, conform, write_table
from synthscope.studies.attacks.images import KEY, VALUES, Job, Row, Setting, key_of
from synthscope.studies.attacks.kinds import (
    UNTOUCHED,
    Attack,
    gradient_attacks,
    recipe_attack,
    regeneration,
    transfer_attacks,
)
from synthscope.studies.attacks.plan import Attacks, caught, report_jobs, search_jobs
from synthscope.studies.attacks.scores import attack_scores
from synthscope.studies.attacks.search import choose_chains, draw_chains

SECONDS_BETWEEN_PARTS = 5.0  # what a kill can cost, beside the image in work
IMAGE = ["path", "sha256", "label", "generator", "subset", "group", "view"]
ATTACKED = pl.Schema(
    {name: PREDICTIONS[name] for name in IMAGE}
    | {"part": pl.String, "clean": pl.Float32, "threshold": pl.Float64}  # search | report | photographs
    | {"generated": pl.Int64, "caught": pl.Int64}  # AI images, and those of them above the threshold
    | {name: VALUES[name] for name in VALUES if name not in IMAGE}
    | {"error": pl.String}
)
IMAGES_FILE, SEARCH_FILE, FILE = "attacks_images.parquet", "attacks_search.parquet", "attacks.parquet"


def write_attacks(
    run: str | Path,
    images: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    attacks: Attacks | None = None,
    *,
    save: bool = False,
    seed: int = 0,
) -> pl.DataFrame:
    """Attack the AI images that detectors catch, and write what came of it.

    A run that was stopped goes on where it was; what failed is tried again.

    Args:
        run: Folder. Gets the clean ``predictions.parquet``, ``attacks_images.parquet`` (columns of ``ATTACKED``),
            ``attacks_search.parquet`` (``search.CHOICE``), ``attacks.parquet`` (``scores.ATTACKS``), and ``attacks/``,
            from which a run goes on.
        images: Columns of ``schema.MANIFEST``, of both classes; seen through their own ``view``.
        detectors: Specs for ``load_detector``, or detectors, which are moved to the best device.
        attacks: What is done.
        save: Also keep attacked pictures, as PNG files in ``run/attacked/``.
        seed: Of everything random.

    Returns:
        Columns of ``scores.ATTACKS``.

    Raises:
        UsageError: A number out of range, no detectors, or the same twice.
        SynthscopeError: Too few photographs for the false alarms, or no AI image that is caught.
    """
    attacks, run = attacks or Attacks(), Path(run)
    attacks.check()
    conditions = parse_recipe("none"), parse_recipe(f"jpeg:q={attacks.jpeg}")
    plain = [recipe_attack("plain", text, seed) for text in expand(list(attacks.plain))]
    found = [one if isinstance(one, Detector) else load_detector(one) for one in detectors]
    clean = caught(predict(images, found, out=run, seed=seed), attacks.false_alarms)
    plan, _ = make_plan(found, ["none"], images=8, precision="fp32", batch_size=None, workers=1, seed=seed)
    units = [detector_id(detector) for detector in plan.detectors]
    setting = Setting(plan, conditions, attacks.steps, run / "attacked" if save else None)
    chains = [recipe_attack("search", chain, seed) for chain in draw_chains(attacks.queries, seed=seed)]
    searched = attack(search_jobs(clean, units, chains, attacks.images, seed), setting, run)
    choice = choose_chains(searched.filter(pl.col("error").is_null()))
    chosen = {(row["detector"], row["view"]): row["chain"] for row in choice.filter("chosen").iter_rows(named=True)}
    common = [UNTOUCHED, *gradient_attacks(attacks.budgets, attacks.steps, seed), *plain]
    common += [regeneration(folder, plan.device) for folder in dict.fromkeys(attacks.regenerate)]
    surrogates = _surrogates(attacks.surrogates, plan.device)
    jobs: list[Job] = []
    for (detector, view), rows in clean.group_by("detector", "view", maintain_order=True):
        own = list(common)
        for name, surrogate in surrogates.items():
            own += transfer_attacks(name, surrogate, attacks.budgets, attacks.steps) if name != detector else []
        own += [recipe_attack("jitter", chosen[detector, view], seed)] if (detector, view) in chosen else []
        jobs += report_jobs(rows, units.index(str(detector)), own, attacks.images, seed)
    table = attack(jobs, setting, run)
    scores = attack_scores(table, false_alarms=attacks.false_alarms, seed=seed)
    for name, part in ((SEARCH_FILE, choice), (IMAGES_FILE, pl.concat([searched, table])), (FILE, scores)):
        write_table(part, run / name)
    return scores


def attack(jobs: Sequence[Job], setting: Setting, run: Path) -> pl.DataFrame:
    """All that ``jobs`` ask for, columns of ``ATTACKED`` in their order; what an earlier run did is read."""
    folder, lines, fresh = run / "attacks", [], list[Row]()
    tune_allocator()
    with one_run(folder):
        done = {tuple(row) for row in _read(folder).select(KEY).iter_rows()}
        written = time.monotonic()
        with Progress("attack", len(jobs)) as progress, torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            try:
                for job in jobs:
                    asked = setting.lines(job)
                    missing = [line for line in asked if key_of(line[2]) not in done or _unsaved(setting, job, line[0])]
                    values, failed = setting.run(job, missing) if missing else ([], [])
                    errors = {key_of(row): row["error"] for row in failed}
                    lines += [_line(job, key, errors.get(key_of(key))) for _, _, key in asked]
                    fresh += values
                    done |= {key_of(row) for row in values}
                    if time.monotonic() - written >= SECONDS_BETWEEN_PARTS:
                        _write(folder, fresh)
                        fresh, written = [], time.monotonic()
                    progress.advance()
            finally:
                _write(folder, fresh)
        index = pl.DataFrame(lines, schema={name: ATTACKED[name] for name in _INDEX}, infer_schema_length=None)
        table = index.join(_read(folder), on=KEY, how="left", maintain_order="left")
    return conform(table, ATTACKED, "the attacks")


_KNOWN = "clean", "threshold", "generated", "caught"
_INDEX = [*IMAGE, "part", *_KNOWN, *(name for name in KEY if name not in IMAGE), "error"]


def _line(job: Job, key: Row, error: str | None) -> Row:
    told = {name: job.image[name] for name in (*IMAGE, *_KNOWN)}
    return told | key | {"part": job.part, "error": error}


def _unsaved(setting: Setting, job: Job, attack: Attack) -> bool:
    file = setting.picture(job, attack)
    return file is not None and not file.is_file()


def _surrogates(specs: Sequence[str | Path | Detector], device: torch.device) -> dict[str, Detector]:
    loaded = [(spec if isinstance(spec, Detector) else load_detector(spec)).eval().to(device) for spec in specs]
    named = {detector_id(detector): detector for detector in loaded}
    if len(named) < len(loaded):
        raise UsageError("Expected different surrogates, got one twice. Name each once.")
    return named


def _write(folder: Path, rows: list[Row]) -> None:
    write_part(folder, conform(pl.DataFrame(rows, infer_schema_length=None), VALUES, "the part"))


def _read(folder: Path) -> pl.DataFrame:
    """All parts, each key once, the oldest."""
    parts = pl.concat(each_part(folder, VALUES, of="attacks"))
    return parts.unique(KEY, keep="first", maintain_order=True)
