"""Truth test of explainers and measures: twin worlds in which it is known what a detector can look at.

In one world only artifacts betray the generated pictures, in the other only the traces of the generators' decoders,
which are everywhere. Both show the same scenes, so the artifacts of the first are marked in the second too, where
nothing is wrong: a heatmap must find the marks in the first world and miss them in the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from synthscope.annotations import save_annotations
from synthscope.config import configured
from synthscope.errors import UsageError
from synthscope.runtime import seed_for
from synthscope.studies.truth.values import ACCURACY, ARTIFACTS, TRUTH, UNTRAINED, accuracy_rows, image_values
from synthscope.studies.truth.worlds import CAUSES, World, twin_worlds
from synthscope.training.config import TrainConfig

if TYPE_CHECKING:
    from synthscope.detectors.base import Detector

EXPLAINERS = "gradcam", "gradcam++", "layercam", "input_x_grad", "integrated_gradients", "occlusion"


def truth(
    recipes: Sequence[TrainConfig | str | Path] = ("cpu_small",),
    explainers: Sequence[str] = EXPLAINERS,
    *,
    out: str | Path,
    size: int = 96,
    classes: int = 10,
    train: int = 600,
    test: int = 20,
    seeds: int = 1,
    overrides: Sequence[str] | None = None,
    workers: int = 2,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Train each recipe in both worlds and score its heatmaps against the same marks, image by image.

    A third detector of the same architecture has random weights and looks at the world of artifacts: what it scores is
    due to the pictures and the explainer alone (Adebayo et al., NeurIPS 2018).

    Args:
        recipes: Training recipes that learn from labels, or their names or files; their seed is replaced.
        explainers: Texts for ``create_explainer``; those that a detector cannot be explained by are left out.
        out: Folder. Gets ``worlds/`` and ``detectors/``; a second run goes on where the first was stopped.
        size: Side of a picture in pixels.
        classes: Kinds of main objects.
        train: Generated pictures a generator to train on, with as many photographs.
        test: The same to test on; pictures with a visible artifact are explained.
        seeds: Training runs of each recipe and world.
        overrides: Changes of every recipe, as after ``--set``.
        workers: Threads and processes.

    Returns:
        Columns of ``TRUTH``: one row an image and measure; and the accuracy of every detector in its world, see
        :func:`synthscope.studies.truth.values.accuracy_rows`.

    Raises:
        UsageError: No recipe, one twice, one that reads masks or starts from other weights, or no seed.
    """
    chosen = [configured(TrainConfig, one, package="synthscope.training", overrides=overrides) for one in recipes]
    _check(chosen, seeds)
    worlds = twin_worlds(Path(out) / "worlds", size=size, classes=classes, train=train, test=test, workers=workers)
    values, accuracies = [pl.DataFrame(schema=TRUTH)], []
    for config in chosen:
        for seed in range(seeds):
            rows, accuracy = _run(config, seed, worlds, explainers, Path(out) / "detectors", workers)
            values.append(rows)
            accuracies.append(accuracy)
    return pl.concat(values), pl.concat(accuracies)


def _check(recipes: Sequence[TrainConfig], seeds: int) -> None:
    names = [config.name for config in recipes]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"Expected recipes with names of their own, got {', '.join(names) or 'none'}. Name each once.")
    if seeds < 1:
        raise UsageError(f"Expected 1 seed or more, got {seeds}. Raise it.")
    for config in recipes:
        if config.uses_masks or config.init_from is not None:
            raise UsageError(
                f"Expected a recipe that learns from labels alone, got {config.name}, which reads masks or other "
                f"weights: it knows more than its world shows. Choose another recipe."
            )


def _run(
    config: TrainConfig, seed: int, worlds: dict[str, World], explainers: Sequence[str], out: Path, workers: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Values and accuracies of one recipe and seed."""
    from synthscope.inference.predict import predict

    tables, accuracies, called = [], [], None
    for name, detector in _detectors(config, seed, worlds, out):
        world, folder = worlds.get(name, worlds[ARTIFACTS]), out / detector.config.name / "test"
        testing = world.images.filter(split="val")
        predictions = predict(testing, [detector], out=folder, workers=workers)
        if called is None:  # the detector of the world of artifacts comes first
            right = pl.col("logit") > pl.col("threshold")
            called = predictions.join(testing.select("path", "twin"), on="path").select("twin", right=right)
        known = [pl.lit(value).alias(key) for key, value in (("recipe", config.name), ("seed", seed), ("world", name))]
        accuracies.append(accuracy_rows(predictions).with_columns(known).select(ACCURACY.names()).cast(ACCURACY))
        values = explained(world, testing, detector, explainers, out=folder, workers=workers)
        tables.append(values.join(called, on="twin").with_columns(known).select(TRUTH.names()).cast(TRUTH))
    return pl.concat(tables), pl.concat(accuracies)


def _detectors(config: TrainConfig, seed: int, worlds: dict[str, World], out: Path) -> Iterator[tuple[str, Detector]]:
    """The detector of each world, trained or found done, and one of the same kind with other random weights."""
    from synthscope.detectors.hub import load_detector
    from synthscope.training.fit import train

    for world in CAUSES:
        recipe = config.model_copy(update={"name": f"{config.name}.{world}.seed{seed}", "seed": seed})
        detector = load_detector(train(recipe, worlds[world].images, out / recipe.name / "detector"))
        yield world, detector
    yield UNTRAINED, untrained(detector, f"{config.name}.{UNTRAINED}.seed{seed}", seed)


def untrained(detector: Detector, name: str, seed: int) -> Detector:
    """A detector like ``detector`` with other random weights, those of a backbone that was trained before included."""
    from synthscope.detectors.hub import create_detector
    from synthscope.detectors.probe import Probe

    told = detector.config
    options = {key: value for key, value in told.options.items() if key not in ("pretrained", "weights")}
    if isinstance(detector, Probe):
        options["weights"] = "random"  # a probe looks through random weights only when told to
    return create_detector(
        told.architecture, name=name, options=options, input=told.input, seed=seed_for(UNTRAINED, seed)
    )


def explained(
    world: World, images: pl.DataFrame, detector: Detector, explainers: Sequence[str], *, out: Path, workers: int = 2
) -> pl.DataFrame:
    """Scores of a detector's heatmaps of the marked pictures among ``images``: see ``truth_values.image_values``."""
    from synthscope.inference.heatmaps.explain import explain
    from synthscope.scoring.heatmaps.score import heatmap_values

    marked = images.join(world.regions, on="path", how="semi", maintain_order="left")
    regions = world.regions.drop("twin")
    explain(marked, [detector], explainers, out=out, workers=workers)
    save_annotations(regions, out / "annotations.parquet")
    values = heatmap_values(out, regions, workers=workers).drop("group")  # perhaps by the bytes, which differ by world
    twins = marked.select("path", "twin", group=pl.coalesce("group", "twin"))
    return image_values(values.join(twins, on="path"))
