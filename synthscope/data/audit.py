"""Can file attributes alone tell the label? Then a detector may learn the files instead of the images.

A decision tree of depth 2 sees format, size, aspect, JPEG quality and bytes per pixel, never a pixel; its
cross-validated balanced accuracy is reported per subset. 0.5 is chance. ("Fake or JPEG?", Grommelt et al. 2024.)
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from synthscope.data.degrade.recipe import Recipe, parse_recipe, read_viewed
from synthscope.data.manifest import sample
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.metrics.intervals import weighted_rates_interval
from synthscope.runtime import track

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

LIMIT = 0.60  # balanced accuracy above which results need the warning
ATTRIBUTES = ("format", "size", "aspect", "jpeg_quality", "bytes_per_pixel")
OVERALL = "overall"
MOST = 20_000  # images a class and subset; the interval is then within 0.005
MOST_DECODED = 1000
AUDIT = pl.Schema(
    {
        "subset": pl.String,  # or "overall", all images together
        "view": pl.String,
        "attributes": pl.String,  # one attribute, or "all"
        "balanced_accuracy": pl.Float64,  # null where a class has fewer than two images
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "n_real": pl.Int64,
        "n_ai": pl.Int64,
        "rule": pl.String,  # what the tree found on all the images
    }
)


def audit(table: pl.DataFrame, *, by: str = "subset", seed: int = 0) -> pl.DataFrame:
    """Balanced accuracy of trees that see only attributes of the files.

    Stratified 5-fold cross-validation (fewer folds for fewer images); 95 % interval from the Wilson intervals of both
    classes (Newcombe 1998, square-and-add). At most 20,000 images a class and subset are used. Where rows have a
    ``view``, what counts is the image after it: at most 1,000 a class and subset are decoded, viewed and stored as
    JPEG of quality 96, and measured.

    Args:
        table: A manifest; rows with an ``error`` are left out.
        by: Column that divides the table. Reals where it is null or ``"real"`` belong to every part.
        seed: Of the sample and of the folds.

    Returns:
        One row for each part (and for all together, called ``overall``) and attribute (and all together, ``all``).
    """
    usable = table.filter(pl.col("error").is_null())
    viewed = bool((usable["view"].fill_null("none") != "none").any())
    usable = sample(usable, (by, "label"), n=MOST_DECODED if viewed else MOST, seed=seed).sort("path")
    view = "+".join(usable["view"].fill_null("none").unique().sort())
    files = measure_viewed(usable, seed) if viewed else usable
    names = sorted(files.filter(pl.col("label") == 1)[by].drop_nulls().unique().cast(pl.String))
    shared = (pl.col("label") == 0) & (pl.col(by).is_null() | (pl.col(by).cast(pl.String) == "real"))
    parts = {name: files.filter((pl.col(by).cast(pl.String) == name) | shared) for name in names}
    rows = []
    for name, part in track((parts | {OVERALL: files}).items(), "auditing", total=len(parts) + 1, unit="subsets"):
        features, labels = file_features(part), part["label"].to_numpy()
        for attributes in ("all", *ATTRIBUTES):
            chosen = {k: v for k, v in features.items() if attributes in ("all", k.split("=")[0])}
            rows.append((name, view, attributes, *_score(chosen, labels, seed)))
    return pl.DataFrame(rows, schema=AUDIT, orient="row")


def warning(table: pl.DataFrame) -> str | None:
    """One sentence when all attributes together exceed ``LIMIT`` anywhere in an audit table, else None."""
    high = table.filter((pl.col("attributes") == "all") & (pl.col("balanced_accuracy") > LIMIT))
    if high.is_empty():
        return None
    worst = high.sort("balanced_accuracy", descending=True, maintain_order=True).row(0, named=True)
    where = "over all images" if worst["subset"] == OVERALL else f"in subset {worst['subset']}"
    beside = (pl.col("view") == worst["view"]) & ~pl.col("subset").is_in([OVERALL, worst["subset"]])
    others = high.filter(beside).height
    raw = worst["view"] == "none"
    what = "File attributes" if raw else f"Size and compressibility after the view {worst['view']}"
    advice = "report an aligned view beside these results" if raw else "align the images further, or choose others"
    return (
        f"{what} alone tell AI from real with balanced accuracy {worst['balanced_accuracy']:.2f} "
        f"(95 % interval {worst['ci_low']:.2f} to {worst['ci_high']:.2f}, {worst['n_real']} real, {worst['n_ai']} AI) "
        f"{where}{f', and above {LIMIT:.2f} in {others} more' if others else ''}: {worst['rule']}. "
        f"A detector may learn that instead of the images; {advice}."
    )


def measure_viewed(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The rows with the attributes of their images after the view, stored as JPEG 4:2:0 of quality 96."""
    from joblib import Parallel, cpu_count, delayed

    views = {view: parse_recipe(view) for view in table["view"].fill_null("none").unique()}
    images = table.select("path", pl.col("view").fill_null("none"))
    pool = Parallel(n_jobs=cpu_count(), backend="threading", return_as="generator")
    results = pool(delayed(_stored)(path, views[view], seed) for path, view in images.iter_rows())
    sizes = list(track(results, "decoding for the audit", total=images.height))
    width, height, size = ([None if s is None else s[i] for s in sizes] for i in range(3))
    stored = table.with_columns(
        pl.Series("width", width, pl.Int32),
        pl.Series("height", height, pl.Int32),
        pl.Series("bytes", size, pl.Int64),
        format=pl.lit("JPEG"),
        jpeg_quality=pl.lit(96, pl.Int16),
    )
    return stored.filter(pl.col("width").is_not_null())


def _stored(path: str, view: Recipe, seed: int) -> tuple[int, int, int] | None:
    """Width, height and bytes of one image as JPEG; None where it cannot be read."""
    from PIL import Image

    try:
        rgb = read_viewed(path, view, seed=seed)
    except UnreadableImageError:
        return None
    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=96)
    return rgb.shape[1], rgb.shape[0], file.tell()


def file_features(files: pl.DataFrame) -> dict[str, np.ndarray]:
    """Name -> float64 ``(n,)``; formats as one column each, a missing JPEG quality as -1."""
    if files["width"].null_count() or files["format"].null_count():
        raise SynthscopeError(
            "Expected measured images, got rows without width or format. Run `synthscope data verify`."
        )
    width, height = (files[side].to_numpy().astype(np.float64) for side in ("width", "height"))
    formats = {
        f"format={name}": (files["format"] == name).to_numpy().astype(np.float64)
        for name in sorted(files["format"].unique())
    }
    return formats | {
        "size": width * height,
        "aspect": width / height,
        "jpeg_quality": files["jpeg_quality"].fill_null(-1).to_numpy().astype(np.float64),
        "bytes_per_pixel": files["bytes"].to_numpy() / (width * height),
    }


def _score(
    features: dict[str, np.ndarray], labels: np.ndarray, seed: int
) -> tuple[float | None, float | None, float | None, int, int, str | None]:
    """Balanced accuracy with interval, images a class, and the rule."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    n_real, n_ai = int((labels == 0).sum()), int((labels == 1).sum())
    if min(n_real, n_ai) < 2:
        return None, None, None, n_real, n_ai, None
    matrix = np.column_stack(list(features.values()))
    folds = StratifiedKFold(min(5, n_real, n_ai), shuffle=True, random_state=seed)
    predicted = cross_val_predict(_tree(seed), matrix, labels, cv=folds)
    right_real, right_ai = int((predicted[labels == 0] == 0).sum()), int((predicted[labels == 1] == 1).sum())
    value = (right_real / n_real + right_ai / n_ai) / 2
    low, high = weighted_rates_interval((right_real, right_ai), (n_real, n_ai), (0.5, 0.5))
    return value, low, high, n_real, n_ai, _rule(_tree(seed).fit(matrix, labels), list(features))


def _tree(seed: int) -> DecisionTreeClassifier:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=2, class_weight="balanced", random_state=seed)


def _rule(tree: DecisionTreeClassifier, names: list[str]) -> str:
    """The ranges of attributes that the tree calls AI, in words."""
    ranges = _ai_ranges(tree.tree_, 0, {})
    if ranges in ([], [{}]):
        return "everything is AI" if ranges else "everything is real"
    return " or ".join(" and ".join(_say(names[f], *r) for f, r in each.items()) for each in ranges) + " -> AI"


def _ai_ranges(tree: Any, node: int, here: dict[int, tuple[float, float]]) -> list[dict[int, tuple[float, float]]]:
    """For each leaf below ``node`` that says AI: feature -> (low, high], within ``here``; leaves that agree are one."""
    leaves = _classes(tree, node)
    if len(leaves) == 1:
        return [here] if 1 in leaves else []
    feature, threshold = tree.feature[node], float(tree.threshold[node])
    low, high = here.get(feature, (-np.inf, np.inf))
    below = _ai_ranges(tree, tree.children_left[node], here | {feature: (low, threshold)})
    return below + _ai_ranges(tree, tree.children_right[node], here | {feature: (threshold, high)})


def _classes(tree: Any, node: int) -> set[int]:
    if tree.children_left[node] == -1:
        return {int(tree.value[node][0].argmax())}
    return _classes(tree, tree.children_left[node]) | _classes(tree, tree.children_right[node])


def _say(name: str, low: float, high: float) -> str:
    attribute, _, value = name.partition("=")
    if attribute == "format":
        return f"format is {value}" if low > 0 else f"format is not {value}"
    if attribute == "jpeg_quality" and low == -np.inf:
        return f"not a JPEG of quality above {high:g}"
    words = {"size": "width x height", "aspect": "width / height"}.get(attribute, attribute.replace("_", " "))
    low_text, high_text = (f"{limit:.0f}" if attribute == "size" else f"{limit:.4g}" for limit in (low, high))
    if low == -np.inf:
        return f"{words} <= {high_text}"
    return f"{words} > {low_text}" if high == np.inf else f"{low_text} < {words} <= {high_text}"
