"""The candidates, and how each is fitted to the training images of one fold and scores others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch

from synthscope.config import load_recipe
from synthscope.detectors.base import Detector, preprocess
from synthscope.detectors.hub import load_detector
from synthscope.detectors.input import InputConfig
from synthscope.runtime import track
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train
from synthscope.training.losses import balanced_weights
from synthscope.training.schedule import learning_rate

SIDE = 128  # pixels that are shown of a test image, all that the view laundered leaves


class Candidate(NamedTuple):
    """A network trained by a recipe of the project, or a linear classifier of frozen features."""

    name: str
    recipe: str | None = None
    overrides: tuple[str, ...] = ()
    features: str | None = None  # name of cached features
    extra: tuple[str, ...] = ()  # fakes, sandbox: images added to the training set
    permuted: int | None = None  # control: labels exchanged between generators and sources, by this seed


SHORT = ("data.holdout=0.1", "loss.class_weights=balanced", "detector.input.crop=64", "batch_size=32")
NETWORKS = {
    "residual CNN": ("cpu_small", ("steps=60",)),
    "SRM front end": ("cpu_small", ("steps=60", "detector.architecture=srm_small")),
    "NPR": ("cpu_npr", ("steps=30",)),
    "LaDeDa-like patches": ("cpu_tiny_ladeda", ("steps=100",)),
}
TUNED = (
    "steps=30", "optimizer.lr=3e-4", "detector.architecture=timm:tf_efficientnet_lite0",
    "detector.input.mean=[0.5,0.5,0.5]", "detector.input.std=[0.5,0.5,0.5]",
)  # fmt: skip
CHOSEN = "EfficientNet-Lite0, frozen"
CONTROLS = 100


def candidates(efficientnet: str) -> list[Candidate]:
    """All of them, in the order of the table; ``efficientnet`` names ImageNet weights."""
    nets = [Candidate(name, recipe, SHORT + more) for name, (recipe, more) in NETWORKS.items()]
    frozen = Candidate(CHOSEN, features="efficientnet")
    extras = (("fakes",), ("sandbox",), ("fakes", "sandbox"))
    tuned = (*TUNED, f"detector.options.pretrained={efficientnet}")
    return [
        *nets,
        Candidate("EfficientNet-Lite0, fine-tuned", "cpu_small", (*SHORT, *tuned)),
        frozen,
        *(frozen._replace(name=f"{frozen.name} + {' + '.join(extra)}", extra=extra) for extra in extras),
        Candidate("CLIP ViT-B/16, 8 bit, frozen (upper reference)", features="clip"),
        Candidate("floor: history of the pixels", features="history"),
        *(frozen._replace(name=f"control: labels exchanged, {k}", permuted=k) for k in range(CONTROLS)),
    ]  # fmt: skip


def permuted(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Labels exchanged between generators and sources, each whole; in every fold both labels remain."""
    members = rows.select("fold", "subset", "label").unique().sort("fold", "subset")
    rng = np.random.default_rng(seed)
    while True:
        drawn = members.with_columns(label=pl.Series(rng.permutation(members["label"].to_numpy())))
        if drawn.group_by("fold").agg(pl.col("label").n_unique())["label"].min() == 2:
            return rows.drop("label").join(drawn, on=["fold", "subset"], how="left", maintain_order="left")


def head_logits(features: np.ndarray, labels: np.ndarray, tests: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Logits of a linear classifier of frozen features, trained as the recipe ``bundled`` trains it, without flips."""
    config = load_recipe(TrainConfig, "bundled", package="synthscope.training")
    matrix, targets = torch.from_numpy(features), torch.from_numpy(labels).float()
    weights = balanced_weights(int((labels == 0).sum()), int((labels == 1).sum()))
    steps, epochs = -(-len(labels) // config.batch_size), config.epochs or 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head = torch.nn.Linear(features.shape[1], 1)
        optimizer = torch.optim.AdamW(head.parameters(), weight_decay=config.optimizer.weight_decay)
        for step in range(epochs * steps):
            if step % steps == 0:
                batches = torch.randperm(len(labels)).tensor_split(steps)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(
                    step / steps, lr=config.optimizer.lr, epochs=epochs, schedule=config.schedule
                )
            rows = batches[step % steps]
            config.loss(head(matrix[rows]).T, targets[rows], weights).backward()
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        return [head(torch.from_numpy(test))[:, 0].double().numpy() for test in tests]


def network_logits(candidate: Candidate, rows: pl.DataFrame, folder: Path, images: Sequence[np.ndarray]) -> np.ndarray:
    """Train the candidate's recipe on ``rows`` and score the middle of ``images``."""
    overrides: list[Any] = [*candidate.overrides, f"name={folder.name}"]
    config = load_recipe(TrainConfig, candidate.recipe or "", package="synthscope.training", overrides=overrides)
    detector = load_detector(train(config, rows.with_columns(split=pl.lit("train")), folder))
    return middle_logits(detector, images)


@torch.no_grad()
def middle_logits(detector: Detector, images: Sequence[np.ndarray]) -> np.ndarray:
    """Logits ``(n,)`` of the middle ``SIDE`` pixels of images that are at least so large."""
    detector = detector.to(memory_format=torch.channels_last)
    config = InputConfig(resize=None, crop=SIDE)
    found = []
    for start in track(range(0, len(images), 32), "scoring", total=-(-len(images) // 32), unit="batches"):
        found.append(detector(torch.stack([preprocess(image, config) for image in images[start : start + 32]])))
    return torch.cat(found).double().numpy()
