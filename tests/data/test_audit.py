from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.stats import binomtest

from synthscope.data.audit import ATTRIBUTES, OVERALL, audit, warning
from synthscope.data.manifest import load_manifest, with_view
from synthscope.errors import SynthscopeError
from synthscope.schema import MANIFEST, conform

REAL = Path(__file__).parents[2] / "../shared/images"


def files(n: int = 200, seed: int = 0, **ai: object) -> pl.DataFrame:
    """Reals and fakes of subset "a" with the same distribution of attributes, except those given for the fakes."""
    rng = np.random.default_rng(seed)
    rows = []
    for label in (0, 1):
        for i in range(n):
            width, height = (int(side) for side in rng.integers(200, 600, 2))
            row = {
                "path": f"/d/{label}/{i}",
                "label": label,
                "subset": "a",
                "generator": "a" if label else "real",
                "width": width,
                "height": height,
                "format": "JPEG",
                "jpeg_quality": int(rng.integers(60, 100)),
                "bytes": int(width * height * rng.uniform(0.2, 0.6)),
                "view": "none",
            }
            rows.append(row | (ai if label else {}))
    return conform(pl.DataFrame(rows, infer_schema_length=None), MANIFEST, "test")


def value(table: pl.DataFrame, attributes: str, subset: str = "a") -> float:
    return table.filter(attributes=attributes, subset=subset)["balanced_accuracy"].item()


def test_equal_files_cannot_be_told_apart() -> None:
    table = audit(files(400))
    assert table.height == 2 * (1 + len(ATTRIBUTES))
    for row in table.iter_rows(named=True):
        assert abs(row["balanced_accuracy"] - 0.5) < 0.07 and row["ci_low"] < 0.5 < row["ci_high"], row
    assert warning(table) is None


@pytest.mark.parametrize(
    ("attribute", "difference", "rule"),
    [
        ("format", {"format": "PNG"}, "format is PNG -> AI"),
        ("size", {"width": 700, "height": 700}, "width x height > "),
        ("aspect", {"width": 400, "height": 400}, " < width / height <= 1.00"),
        ("jpeg_quality", {"jpeg_quality": None}, "not a JPEG of quality above 29.5 -> AI"),
        ("bytes_per_pixel", {"bytes": 10}, "bytes per pixel <= 0.1"),
    ],
)
def test_each_attribute_is_found_alone(attribute: str, difference: dict[str, object], rule: str) -> None:
    table = audit(files(**difference))
    assert value(table, attribute) > 0.95 and value(table, "all") > 0.95
    assert rule in table.filter(attributes=attribute, subset="a")["rule"].item()
    assert "subset a" in (sentence := warning(table) or "") and "200 real, 200 AI" in sentence
    if attribute == "format":
        assert all(abs(value(table, other) - 0.5) < 0.12 for other in ATTRIBUTES[1:])


def test_value_and_interval_by_hand() -> None:
    """100 reals of which 20 are PNG, 100 fakes of which 90 are: 80 and 90 right."""
    table = files(100).with_columns(
        format=pl.when(pl.int_range(pl.len()).over("label") < pl.when(pl.col("label") == 1).then(90).otherwise(20))
        .then(pl.lit("PNG"))
        .otherwise(pl.lit("JPEG"))
    )
    row = audit(table).filter(attributes="format", subset="a").row(0, named=True)
    assert row["balanced_accuracy"] == pytest.approx(0.85)
    bounds = [binomtest(right, 100).proportion_ci(method="wilson") for right in (80, 90)]
    below = np.hypot(0.8 - bounds[0].low, 0.9 - bounds[1].low) / 2
    above = np.hypot(bounds[0].high - 0.8, bounds[1].high - 0.9) / 2
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.85 - below, 0.85 + above))
    assert (row["n_real"], row["n_ai"], row["rule"]) == (100, 100, "format is PNG -> AI")


def test_interval_covers_chance_as_often_as_it_says() -> None:
    hits = [
        row["ci_low"] <= 0.5 <= row["ci_high"]
        for seed in range(16)
        for row in audit(files(60, seed)).filter(attributes="jpeg_quality", subset="a").iter_rows(named=True)
    ]
    assert np.mean(hits) >= 0.8  # folds are not independent, so somewhat below 0.95


def test_imbalance_neither_flatters_nor_hides() -> None:
    reals, fakes = files(300).filter(pl.col("label") == 0), files(20).filter(pl.col("label") == 1)
    assert abs(value(audit(pl.concat([reals, fakes])), "all") - 0.5) < 0.25  # "always real" has accuracy 0.94
    png = pl.when(pl.int_range(pl.len()) < 75).then(pl.lit("PNG")).otherwise("format").alias("format")
    mixed = pl.concat([reals.with_columns(png), fakes.with_columns(format=pl.lit("PNG"))])
    assert value(audit(mixed), "format") == pytest.approx((225 / 300 + 1) / 2)  # most PNG are real, yet PNG says AI


def test_shared_reals_belong_to_every_subset_and_broken_files_to_none() -> None:
    table = files(30)
    two = pl.concat([table, table.filter(pl.col("label") == 1).with_columns(subset=pl.lit("b"), generator=pl.lit("b"))])
    two = two.with_columns(
        subset=pl.when(pl.col("label") == 1).then("subset"),
        error=pl.when(pl.col("path") == "/d/0/0").then(pl.lit("empty")),
    )
    counts = audit(two).filter(attributes="all").select("subset", "n_real", "n_ai").rows()
    assert counts == [("a", 29, 30), ("b", 29, 30), (OVERALL, 29, 60)]
    assert audit(two, by="generator").filter(attributes="all").select("subset", "n_real", "n_ai").rows() == counts


def test_one_class_and_no_rows_give_nulls() -> None:
    for table in (files().filter(pl.col("label") == 1), files().clear(), files(1)):
        result = audit(table)
        assert result["balanced_accuracy"].null_count() == result.height > 0
        assert warning(result) is None


def test_same_table_whatever_the_order_of_rows_and_the_seed_matters() -> None:
    table = files(50)
    assert audit(table, seed=1).equals(audit(table.reverse(), seed=1))
    assert not audit(table, seed=1).equals(audit(table, seed=2))


def test_warning_speaks_of_one_view_at_a_time() -> None:
    raw, aligned = audit(files(format="PNG")), audit(files()).with_columns(view=pl.lit("jpeg:q=96"))
    other = raw.filter(subset="a").with_columns(subset=pl.lit("b"))
    assert warning(pl.concat([raw, aligned])) == warning(raw)
    assert "and above 0.60 in 1 more" in (warning(pl.concat([raw, other, other.with_columns(view=pl.lit("x"))])) or "")
    assert warning(aligned) is None


def test_unmeasured_rows_are_refused() -> None:
    with pytest.raises(SynthscopeError, match="data verify"):
        audit(files().with_columns(width=pl.lit(None, pl.Int32)))


def test_a_view_is_audited_as_the_detector_sees_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(24):
        for kind, side in (("ai", 64), ("nature", 80)):
            path = tmp_path / "ADM/val" / kind / f"{i}.{'png' if kind == 'ai' else 'jpg'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            small = rng.integers(0, 256, (side // 8, side // 8, 3), np.uint8)
            Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(path, quality=96)
    (tmp_path / "ADM/val/ai/cut.png").write_bytes((tmp_path / "ADM/val/ai/0.png").read_bytes()[:-200])
    table = load_manifest(f"genimage:{tmp_path}")
    assert value(audit(table), "all", "ADM") == 1.0
    viewed = audit(with_view(table, "crop:size=48"))
    assert set(viewed["view"]) == {"crop:size=48"}
    assert set(viewed["n_ai"]) == {24}  # the truncated one is left out
    for attribute in ("format", "size", "aspect", "jpeg_quality"):
        assert viewed.filter(attributes=attribute)["rule"].unique().to_list()[0].startswith("everything is")
        assert value(viewed, attribute, "ADM") == pytest.approx(0.5, abs=0.05)
    uncropped = audit(with_view(table, "jpeg:q=90"))
    assert value(uncropped, "size", "ADM") == 1.0
    assert "align the images further" in (warning(uncropped) or "")


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the photographs of ../shared/images")
def test_the_real_set_is_found_to_leak() -> None:
    table = audit(load_manifest(f"genimage:{REAL}"))
    every = table.filter(attributes="all")
    assert every.height == 9 and every["balanced_accuracy"].min() > 0.93
    assert table.filter(attributes="format", subset=OVERALL)["rule"].item() == "format is PNG -> AI"
    assert value(table, "aspect", OVERALL) > 0.93
    assert "and above 0.60 in 7 more" in (warning(table) or "")
