"""Every verb has a function with the same names and defaults; what differs is listed here, with its reason."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from synthscope.cli import app
from synthscope.cli.functions import FUNCTIONS
from tests.test_verbs import resolved

# What may be given several times is singular as an option and plural as an argument, counts are ``n_…``, and the
# conditions of tables are made by degrading.
RENAMED = {
    "detector": "detectors",
    "explainer": "explainers",
    "degrade": "conditions",
    "resamples": "n_resamples",
    "surrogate": "surrogates",
}
# Functions take tables and objects, verbs where these lie: ``load_manifest(SOURCE).filter(…)``, ``seen_through``.
LOADED = {
    "source", "sources", "where", "view", "remote", "run", "data", "photographs", "files", "reals", "reconstruct",
    "captions", "classes", "prompts",
}  # fmt: skip
# Functions return what verbs write or print; ``schema.write_table`` writes it.
WRITTEN = {"out", "csv", "json", "html", "output_overall", "output_per_generator", "drop"}
# Further functions that a verb calls, whose arguments are options of it, too.
BESIDE = {
    "inspect": ("inspection.inspect.Settings", "inspection.run.inspect_files"),
    "serve": ("inspection.inspect.Settings", "inspect", "web.run.bound"),
    "browse": ("web.run.bound",),
    "explain": ("scoring.heatmaps.score.write_heatmap_scores",),
    "score": ("scoring.score.write_scores",),
    "data align": ("data.align.protocols.Protocol", "data.align.files.write_aligned"),
    "data dedupe": ("data.near_duplicates.stored.hash_images",),
    "data split": ("data.splits.split_shares", "data.near_duplicates.clusters.find_clusters",
                   "data.near_duplicates.stored.hash_images"),
    "data generate": ("generation.plan.class_orders", "generation.prompts.template", "generation.contract.Permission",
                      "generation.reconstruct.alike.saving"),
    "data card": ("report.card.contents.read_card",),
    "analyze attacks": ("studies.attacks.study.Attacks",),
    "analyze correlation": ("studies.correlation.read_transfer",),
    "analyze errors": ("studies.errors.prediction.null_control", "studies.errors.table.prediction_tables"),
    "xaigd-metrics pixel": ("scoring.xaigd.records.read_images", "metrics.xaigd.Frame"),
    "xaigd-metrics instance": ("scoring.xaigd.records.read_images",),
}  # fmt: skip
ALREADY_IN = "a key of the recipe: overrides=['annotations=…']"
ASKED_FIRST = "nothing is sent or deleted by a function that was not called"
OTHERWISE = {
    "inspect": {"quick": "stability=False, explainers=(), provenance=False",
                "out": "files of several images are kept where the caller says"},
    "serve": {"allow_network": "said again for a person who may not know what --host means",
              "allow_host": "hosts of create_app", "host": "said by the caller of web.run.bound",
              "port": "said by the caller of web.run.bound"},
    "browse": {"port": "a page has the same address every time; the function takes what is free"},
    "train": {"annotations": ALREADY_IN},
    "demo": {"out": "the demo has a place, a run of one's own is named"},
    "export": {"image": "images"},
    "score": {"metric": "the verb prints GenImage's accuracy; a benchmark compares by balanced accuracy",
              "answers": "scoring.answers.add_answers(run, files)"},
    "benchmark": {"dry": "benchmarking.cost.dry_run.dry_run"},
    "data verify": {"delete": ASKED_FIRST},
    "data align": {"write": "write_aligned", "smallest": "min of a Protocol", "largest": "max of a Protocol",
                   "quality": "None keeps the protocol's", "balance": "None keeps the protocol's",
                   "metadata": "data.metadata.join_metadata", "grid": "None keeps the protocol's"},
    "data dedupe": {"hashes": "folder of hash_images"},
    "data split": {"hashes": "folder of hash_images", "val": "the verb has shares by default",
                   "test": "the verb has shares by default"},
    "data generate": {"train": "a count of images is said", "val": "a count of images is said",
                      "generator": "opened by generation.spec.open_generator", "template": "objects of template()",
                      "like_source": "generation.reconstruct.alike.LikeSource", "shard": "None is (0, 1), all of them",
                      "dry_run": "generation.estimate.estimate"},
    "data sandbox": {"fingerprint": "on is True, off is False", "artifacts": "on is True, off is False"},
    "data card": {"no_images": "pictures=False", "about": "read by data.card.about.read_about"},
    "data export": {"shard_size": "a number of bytes"},
    "data push": {"private": "must be said, here and there", "yes": ASKED_FIRST, "dry_run": "to_push"},
    "analyze scaling": {"classes": "numbers instead of a text", "per_class": "numbers instead of a text"},
    "analyze attacks": {"budget": "budgets, numbers instead of a text", "n": "images of Attacks"},
    "analyze truth": {"config": "recipes"},
    "analyze errors": {"annotations": "judgements, read", "whole": "a list instead of a text"},
    "annotate project": {"annotators": "a list instead of a text"},
    "detectors list": {"published": "detectors.published.published_table"},
    "detectors import": {"overrides": "options and input, as mappings"},
}  # fmt: skip


def commands() -> Iterator[tuple[str, Any]]:
    waiting: list[tuple[str, Any]] = [("", get_command(app))]
    for name, command in waiting:
        below = getattr(command, "commands", {})
        waiting += [(f"{name} {key}".strip(), one) for key, one in below.items()]
        if not below:
            yield name, command


COMMANDS = dict(commands())


def arguments(verb: str) -> dict[str, list[Any]]:
    """Names with the defaults that they have in the functions of a verb."""
    found: dict[str, list[Any]] = {}
    for name in (FUNCTIONS[verb], *BESIDE.get(verb, ())):
        for key, parameter in inspect.signature(resolved(name)).parameters.items():
            found.setdefault(key, []).append(parameter.default)
    return found


def differences(verb: str) -> set[str]:
    """Options that no function of the verb has, or not with their default."""
    known, found = arguments(verb), set()
    for option in (one for one in COMMANDS[verb].params if one.name != "help"):
        name = option.name if option.name in known else RENAMED.get(option.name, option.name)
        lists = option.multiple and not option.default  # of no option at all the function's own default is taken
        if name in known and (option.required or lists or option.default in known[name]):
            continue
        if name not in known and option.name in LOADED | WRITTEN:
            continue
        found.add(option.name)
    return found


def test_every_verb_has_a_function_and_says_so_in_its_help() -> None:
    assert set(FUNCTIONS) == set(COMMANDS)
    for verb, command in COMMANDS.items():
        assert command.epilog == f"From Python: synthscope.{FUNCTIONS[verb]}"
        assert callable(resolved(FUNCTIONS[verb]))


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_verb_and_its_functions_have_the_same_names_and_defaults(verb: str) -> None:
    assert differences(verb) == set(OTHERWISE.get(verb, {}))


def test_what_is_listed_is_needed() -> None:
    assert OTHERWISE.keys() | BESIDE.keys() <= COMMANDS.keys()
    options = {one.name for command in COMMANDS.values() for one in command.params}
    assert LOADED | WRITTEN | RENAMED.keys() <= options
    named = {name for verb in COMMANDS for name in arguments(verb)}
    assert set(RENAMED.values()) <= named
