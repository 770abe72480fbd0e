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
FROZEN = {"EfficientNet-Lite0 frozen, native": "eff128", "EfficientNet-Lite0 frozen, at 224": "eff224",
          "CLIP ViT-B/16 8 bit (reference)": "clip"}  # fmt: skip


def candidates(efficientnet: Path) -> list[Candidate]:
    """All of them, in the order of the table."""
    nets = [Candidate(name, recipe, SHORT + more) for name, (recipe, more) in NETWORKS.items()]
    first, native = nets[0], FROZEN["EfficientNet-Lite0 frozen, native"]
    tuned = ("detector.architecture=timm:tf_efficientnet_lite0", f"detector.options.pretrained={efficientnet}", "steps=30",
             "detector.input.mean=[0.5,0.5,0.5]", "detector.input.std=[0.5,0.5,0.5]", "optimizer.lr=3e-4")  # fmt: skip
    frozen = [Candidate(name, features=features) for name, features in FROZEN.items()]
    extras = (("fakes",), ("sandbox",), ("fakes", "sandbox"))
    return [
        *nets,
        *(first._replace(name=f"residual CNN + {' + '.join(extra)}", extra=extra) for extra in extras),
        *frozen,
        *(Candidate(f"EfficientNet-Lite0 frozen, native + {' + '.join(e)}", features=native, extra=e) for e in extras),
        Candidate("EfficientNet-Lite0 fine-tuned", "cpu_small", SHORT + tuned),
        *(Candidate(f"control: permuted labels {k}", features=native, permuted=k) for k in range(5)),
    ]


def permuted(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Labels exchanged between generators and sources, each whole; in every fold both labels remain."""
    members = rows.select("fold", "subset", "label").unique().sort("fold", "subset")
    rng = np.random.default_rng(seed)
    while True:
        drawn = members.with_columns(label=pl.Series(rng.permutation(members["label"].to_numpy())))
        if drawn.group_by("fold").agg(pl.col("label").n_unique())["label"].min() == 2:
            return rows.drop("label").join(drawn, on=["fold", "subset"], how="left", maintain_order="left")


def linear_logits(features: np.ndarray, labels: np.ndarray, *tests: np.ndarray) -> list[np.ndarray]:
    """Logits of a shrunk logistic regression with both classes of the same weight."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, class_weight="balanced", max_iter=1000))
    model.fit(features, labels)
    return [model.decision_function(test) for test in tests]


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
