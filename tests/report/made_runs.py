"""A run folder made by hand: predictions from known normal distributions, scores by the plainest possible code."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from sklearn.metrics import roc_auc_score

from synthscope.schema import MANIFEST, PREDICTIONS, SCORES

SUBSETS = ["ADM", "Midjourney", "stable_diffusion_v_1_4"]


def make_predictions(
    folder: Path,
    *,
    detectors: dict[str, str | None] | None = None,
    subsets: list[str] = SUBSETS,
    conditions: tuple[str, ...] = ("none", "jpeg:q=30", "lr:64"),
    views: tuple[str, ...] = ("none", "jpeg:q=96"),
    n: int = 20,
    labels: tuple[int, ...] = (0, 1),
) -> pl.DataFrame:
    """Rows of ``PREDICTIONS``: AI logits lie higher where the detector was trained on the subset."""
    detectors = {"resnet50.adm@11111111": "ADM", "npr@22222222": None} if detectors is None else detectors
    rng = np.random.default_rng(7)
    rows = []
    for (detector, train), subset, view, condition in itertools.product(detectors.items(), subsets, views, conditions):
        shift = (4.0 if subset in (train or "").split("+") else 1.2) * (1.0 if condition == "none" else 0.4)
        for label, index in itertools.product(labels, range(n)):
            logit = float(rng.normal(shift if label else -1.0, 1.5))
            rows.append({
                "path": (folder / subset / ("ai" if label else "nature") / f"{index:03}.png").as_posix(),
                "label": label, "generator": subset if label else "real", "subset": subset, "split": "val",
                "detector": detector, "architecture": "resnet50", "train_set": train, "train_view": "none",
                "view": view, "condition": condition, "preprocessing": "0123456789ab", "precision": "fp32",
                "backend": "eager",
                "logit": logit, "p_ai": 1 / (1 + np.exp(-logit)), "threshold": 0.0,
            })  # fmt: skip
    return pl.DataFrame(rows, schema_overrides=PREDICTIONS).select(
        pl.col(name) if name in rows[0] else pl.lit(None, dtype=kind).alias(name) for name, kind in PREDICTIONS.items()
    )


def make_scores(predictions: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``SCORES`` with invented intervals; means over test sets and over degradations included."""
    group = ["detector", "architecture", "train_set", "train_view", "subset", "view", "condition"]
    rows: list[dict] = []
    for key, part in predictions.filter(pl.col("error").is_null()).group_by(group, maintain_order=True):
        truth, logits = part["label"].to_numpy(), part["logit"].to_numpy()
        n_real, n_ai = int((truth == 0).sum()), int((truth == 1).sum())
        rates = [float(((logits > 0) == truth)[truth == c].mean()) if (truth == c).any() else None for c in (0, 1)]
        both = None not in rates
        values = {
            "accuracy": float(((logits > 0) == truth).mean()),
            "balanced_accuracy": sum(rates) / 2 if both else None,
            "auroc": float(roc_auc_score(truth, logits)) if both else None,
            "tpr_at_fpr_1": float((logits[truth == 1] > logits[truth == 0].max()).mean()) if both else None,
            "real_accuracy": rates[0],
            "ai_accuracy": rates[1],
        }
        names = ["detector", "architecture", "train_set", "train_view", "test_set", "view", "condition"]
        for metric, value in values.items():
            row = dict(zip(names, key, strict=True)) | {"metric": metric, "value": value, "threshold": 0.0}
            rows.append(row | {"n_real": n_real, "n_ai": n_ai, "n_error": 0, "higher_is_better": True})
    for axis in ("test_set", "condition"):
        rest = [name for name in rows[0] if name not in {axis, "value", "n_real", "n_ai", "n_error"}]
        table = pl.DataFrame(rows, infer_schema_length=None)
        if axis == "condition":
            table = table.filter(pl.col("condition") != "none")
        for _, part in table.group_by(rest, maintain_order=True):
            if part.height < 2:
                continue
            row = {name: part[name][0] for name in rest} | {axis: "mean"}
            row["value"] = None if part["value"].null_count() else part["value"].mean()
            rows.append(row | {name: int(part[name].sum()) for name in ("n_real", "n_ai", "n_error")})
    table = pl.DataFrame(rows, infer_schema_length=None).with_columns(
        ci_low=(pl.col("value") - 0.05).clip(0, 1), ci_high=(pl.col("value") + 0.05).clip(0, 1)
    )
    return table.select(pl.col(name).cast(kind) for name, kind in SCORES.items())


def make_audit(value: float = 0.93) -> pl.DataFrame:
    """An audit whose every subset has the same balanced accuracy."""
    rows = [
        {"subset": subset, "attributes": attributes, "balanced_accuracy": value, "ci_low": value - 0.04,
         "ci_high": min(value + 0.04, 1.0), "n_real": 20, "n_ai": 20, "rule": "format is PNG -> ai"}
        for subset in ["overall", *SUBSETS] for attributes in ("all", "format")
    ]  # fmt: skip
    return pl.DataFrame(rows)


def make_images(predictions: pl.DataFrame) -> None:
    """A small noisy picture for every path."""
    rng = np.random.default_rng(0)
    for path in predictions["path"].unique(maintain_order=True):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)).save(path)


def write_run(run: Path, predictions: pl.DataFrame, scores: pl.DataFrame | None = None) -> Path:
    """The files of a run folder."""
    run.mkdir(parents=True, exist_ok=True)
    predictions.write_parquet(run / "predictions.parquet")
    (make_scores(predictions) if scores is None else scores).write_parquet(run / "scores.parquet")
    manifest = predictions.unique(["path", "view"], maintain_order=True)
    manifest.select(
        pl.col(name) if name in manifest.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in MANIFEST.items()
    ).write_parquet(run / "manifest.parquet")
    settings = {"command": "synthscope predict", "versions": {"torch": "2.9.0"}, "settings": {"seed": 3}}
    (run / "run.json").write_text(json.dumps(settings))
    return run
