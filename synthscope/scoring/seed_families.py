"""Which figures of ``seeds.parquet`` stand in one table: their differences are one family of comparisons."""

from __future__ import annotations

from collections.abc import Mapping

from synthscope.annotations.taxonomy import CATEGORIES

DETECTION = "balanced_accuracy", "f1", "auroc"
HEATMAPS = (
    "relevance_mass", "relevance_rank", "pointing_game", "iou_at_area", "pixel_average_precision", "micro_iou",
    "micro_f1",
)  # fmt: skip
STABILITY = "stability_spearman", "stability_cosine", "stability_iou_10pct"
MASKS = "iou", "pix_precision", "pix_recall", "pix_f1", "average_precision"
MASKS_BY_CATEGORY = {"pix_precision": "precision", "pix_recall": "recall", "iou": "IoU"}
ERASURE = "drop_artifact", "drop_benign", "drop_twin", "difference", "difference_sd", "flips_artifact", "flips_benign"
RECALLS = "recall_clean", "recall_artifacts", "recall_difference"


def keys_of(about: str) -> dict[str, str]:
    """
    >>> keys_of("explainer=occlusion:window=12 condition=jpeg:q=65")
    {'explainer': 'occlusion:window=12', 'condition': 'jpeg:q=65'}
    """
    pairs = (part.partition("=") for part in about.split())
    return {key: value for key, _, value in pairs}


def family_of(table: str, about: str, metric: str) -> str | None:
    """Name of the family that a figure's difference belongs to; None for what no table shows.

    >>> family_of("detection", "test_set=own", "auroc"), family_of("masks", "generator=ADM", "iou")
    ('detection auroc', None)
    """
    keys = keys_of(about)
    kind = _KINDS[table](keys, set(keys) - {"view"}, metric) if table in _KINDS else None
    return None if kind is None else " ".join((table, kind, keys.get("view", ""))).rstrip()


def _detection(keys: Mapping[str, str], about: set[str], metric: str) -> str | None:
    return metric if set(keys) <= {"test_set"} and metric in DETECTION else None


def _explanation(keys: Mapping[str, str], about: set[str], metric: str) -> str | None:
    if about == {"explainer"} and metric in HEATMAPS:
        return keys["explainer"]
    degraded = about == {"explainer", "condition"} and metric in STABILITY
    return f"{keys['explainer']} {keys['condition']}" if degraded else None


def _masks(keys: Mapping[str, str], about: set[str], metric: str) -> str | None:
    if not about:
        return "all" if metric in MASKS else None
    known = about == {"category"} and keys["category"] in {category.label for category in CATEGORIES}
    return metric if known and metric in MASKS_BY_CATEGORY else None


def _erasure(keys: Mapping[str, str], about: set[str], metric: str) -> str | None:
    return keys["fill"] if about == {"fill"} and metric in ERASURE else None


def _fidelity(keys: Mapping[str, str], about: set[str], metric: str) -> str | None:
    if metric in RECALLS:
        return "recalls"
    return "correlations" if metric == "spearman" and keys.get("level") == "image_within_generator" else None


_KINDS = {
    "detection": _detection,
    "explanation": _explanation,
    "masks": _masks,
    "erasure": _erasure,
    "fidelity": _fidelity,
}
