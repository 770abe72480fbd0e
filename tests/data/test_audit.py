from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.stats import binomtest

from synthscope.data.audit import ATTRIBUTES, AUDIT, HISTORY, OVERALL, audit, file_features, warning
from synthscope.data.degrade.recipe import read_viewed
from synthscope.data.manifest import load_manifest, with_view
from synthscope.data.probes import folds, judge_files, judge_history
from synthscope.errors import SynthscopeError
from synthscope.metrics.intervals import weighted_rates_interval
from synthscope.schema import MANIFEST, conform
from tests.data.histories import Change, enlarge, jpeg, picture, world

REAL = Path(__file__).parents[2] / "../shared/images"
ALIGNED = "crop:size=160,grid=16|jpeg:q=96"


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [picture(i) for i in range(120)]


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


def history(table: pl.DataFrame, column: str = "balanced_accuracy") -> float:
    return table.filter(attributes=HISTORY, subset=OVERALL)[column].item()


def test_equal_files_cannot_be_told_apart() -> None:
    table = audit(files(400))
    assert table.height == 2 * (1 + len(ATTRIBUTES) + 1)
    unread = table.filter(attributes=HISTORY)
    assert unread.select("balanced_accuracy", "n_real", "n_ai").unique().rows() == [(None, 0, 0)]
    assert unread["rule"].to_list() == ["600 unreadable left out"] * 2
    for row in table.filter(pl.col("attributes") != HISTORY).iter_rows(named=True):
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
    assert counts == [("a", 29, 30), ("b", 29, 30), (OVERALL, 29, 30)]
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
    assert viewed.filter(attributes=HISTORY)["rule"].to_list() == ["1 unreadable left out; 48 too small left out"] * 2
    viewed = viewed.filter(pl.col("attributes") != HISTORY)
    assert set(viewed["view"]) == {"crop:size=48"}
    assert set(viewed["n_ai"]) == {24}  # the truncated one is left out
    for attribute in ("format", "size", "aspect", "jpeg_quality"):
        assert viewed.filter(attributes=attribute)["rule"].unique().to_list()[0].startswith("everything is")
        assert value(viewed, attribute, "ADM") == pytest.approx(0.5, abs=0.05)
    uncropped = audit(with_view(table, "jpeg:q=90"))
    assert value(uncropped, "size", "ADM") == 1.0
    assert "align the images further" in (warning(uncropped) or "")


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the photographs of ../shared/images")
def test_the_real_set_is_found_to_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthscope.data.audit.MOST_HISTORIES", 5)  # decoding all takes most of a minute
    table = audit(load_manifest(f"genimage:{REAL}"))
    every = table.filter(attributes="all")
    assert every.height == 9 and every["balanced_accuracy"].min() > 0.93
    assert table.filter(attributes="format", subset=OVERALL)["rule"].item() == "format is PNG -> AI"
    assert value(table, "aspect", OVERALL) > 0.93
    assert "and above 0.60 in 7 more" in (warning(table) or "")


def test_the_history_of_equal_pictures_is_at_chance_whatever_the_container(
    tmp_path: Path, pictures: list[np.ndarray]
) -> None:
    """All were compressed once: reals are those JPEG files, the others their pixels in PNG."""
    for i, rgb in enumerate(pictures):
        kind = "ai" if i % 2 else "nature"
        path = tmp_path / "one/val" / kind / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(path, quality=96)
        if i % 2:
            Image.open(path).save(path.with_suffix(".png"))
            path.unlink()
    table = load_manifest(f"genimage:{tmp_path}")
    for view in ("none", ALIGNED):
        audited = audit(with_view(table, view))
        low, high = history(audited, "ci_low"), history(audited, "ci_high")
        assert low < 0.5 < high and high - low < 0.25
        sentence = warning(audited)
        assert sentence is None if view == ALIGNED else "format is PNG" in (sentence or "")
        assert "history" not in (sentence or "")


@pytest.mark.parametrize(
    ("real", "ai", "view"),
    [
        (jpeg(96), np.copy, "aligned"),
        (lambda rgb: jpeg(75 + int(rgb[0, 0, 0]) % 21)(rgb), np.copy, "aligned"),
        (lambda rgb: rgb, enlarge, "crop:size=160,grid=16"),
    ],
    ids=["JPEG 96", "JPEG 75 to 95", "enlarged"],
)
def test_the_history_is_found(tmp_path: Path, pictures: list[np.ndarray], real: Change, ai: Change, view: str) -> None:
    view = ALIGNED if view == "aligned" else view
    audited = audit(world(tmp_path, real, ai, pictures=pictures, view=view))
    assert history(audited) > 0.9
    sentence = warning(audited) or ""
    assert f"pixels after the view {view} keep traces" in sentence and "AUROC" in sentence


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the photographs of ../shared/images")
def test_shrunk_photographs_have_no_history_until_they_are_given_one(tmp_path: Path) -> None:
    paths = sorted(path for path in REAL.glob("*/*/nature/*") if min(Image.open(path).size) >= 320)[:120]
    shrunk = [np.asarray(Image.open(path).convert("RGB").reduce(2)) for path in paths]
    equal = audit(world(tmp_path / "equal", np.copy, np.copy, pictures=shrunk, view=ALIGNED))
    assert history(equal, "ci_low") < 0.5 < history(equal, "ci_high")
    told = audit(world(tmp_path / "told", jpeg(96), np.copy, pictures=shrunk, view=ALIGNED))
    assert history(told) > 0.9


def test_an_image_of_several_subsets_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = world(tmp_path, np.copy, np.copy, pictures=[picture(i, 64 + 8 * (i > 3)) for i in range(12)])
    fakes = table.filter(pl.col("label") == 1)
    reals = table.filter(pl.col("label") == 0).with_columns(subset=pl.lit(None, pl.String))
    small = fakes.head(1).with_columns(path=pl.lit(str(tmp_path / "small.png")), subset=pl.lit("two"))
    Image.fromarray(picture(0, 63)).save(small["path"][0])
    gone = small.with_columns(path=pl.lit(str(tmp_path / "gone.png")))
    table = pl.concat([reals, fakes, fakes.with_columns(subset=pl.lit("two")), small, gone])
    read: list[str] = []

    def counted(path: str, *args: object, **options: object) -> np.ndarray:
        read.append(path)
        return read_viewed(path, *args, **options)

    monkeypatch.setattr("synthscope.data.history.files.read_viewed", counted)
    rows = audit(table).filter(attributes=HISTORY)
    assert sorted(read) == sorted(set(table["path"])) and len(read) == 14
    assert rows.select("subset", "n_real", "n_ai").rows() == [("one", 6, 6), ("two", 6, 6), (OVERALL, 6, 6)]
    assert "left out" not in rows["rule"][0]
    assert all(rule.endswith("; 1 unreadable left out; 1 too small left out") for rule in rows["rule"][1:])


def test_at_most_so_many_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthscope.data.audit.MOST_HISTORIES", 3)
    table = world(tmp_path, np.copy, np.copy, pictures=[picture(i, 64) for i in range(12)])
    row = audit(table).filter(attributes=HISTORY, subset="one").row(0, named=True)
    assert (row["n_real"], row["n_ai"]) == (3, 3) and row["balanced_accuracy"] is not None
    grouped = audit(table.with_columns(group=pl.col("generator"))).filter(attributes=HISTORY, subset="one")
    assert grouped.select("balanced_accuracy", "n_real", "n_ai").rows() == [(None, 3, 3)]  # two folds need two groups


@pytest.mark.parametrize("column", ["group", "sha256", "path"])
def test_copies_do_not_make_chance_look_like_a_finding(column: str) -> None:
    """60 groups of eight equal rows with a random label each, by trees of the files and by the look at the history."""

    def mean(known: bool) -> tuple[float, float]:
        values = []
        for seed in range(6):
            one = files(30, seed).with_columns(label=pl.int_range(60, dtype=pl.Int8) % 2)
            marked = one.with_columns(path=pl.format("/{}", pl.int_range(60)), subset=pl.lit("a"))
            table = pl.concat([marked] * 8)
            if column != "path" or not known:
                table = table.with_columns(path=pl.format("/{}", pl.int_range(480)))
            if known and column != "path":
                table = table.with_columns(pl.Series(column, [f"{i}" for i in range(60)] * 8))
            noise = np.tile(np.random.default_rng(seed).standard_normal((60, 40)), (8, 1))
            traces = {f"{i}": noise[:, i] for i in range(40)}
            labels, divided = table["label"].to_numpy(), folds(table, 0)
            verdicts = judge_files(file_features(table), labels, divided, 0), judge_history(traces, labels, divided)
            values.append([verdict.balanced_accuracy for verdict in verdicts])
        trees, lines = np.mean(values, 0)
        return trees, lines

    trees, lines = mean(known=True)
    assert 0.4 < trees < 0.6 and 0.4 < lines < 0.6
    trees, lines = mean(known=False)
    assert trees > 0.65 and lines > 0.75  # what the folds must prevent


def test_folds_leave_both_classes_to_learn_from() -> None:
    table = files(10)
    assert len(folds(table, 0).splits) == 5
    by_class = table.with_columns(group=pl.col("label").cast(pl.String))
    assert folds(by_class, 0) is None
    assert audit(by_class)["balanced_accuracy"].null_count() == 14
    pairs = table.with_columns(group=pl.format("{}", pl.int_range(10).append(pl.int_range(10))))
    for train, test in folds(pairs, 0).splits:
        assert not set(pairs["group"].gather(train)) & set(pairs["group"].gather(test))
    three = table.with_columns(group=pl.format("{}", pl.int_range(20) % 3))
    assert len(folds(three, 0).splits) == 3


def test_warning_of_the_history() -> None:
    def row(attributes: str, value: float, low: float, view: str = "none") -> dict[str, object]:
        found = {"balanced_accuracy": value, "ci_low": low, "ci_high": 1.0, "n_real": 9, "n_ai": 9}
        return {"subset": "a", "view": view, "attributes": attributes, "rule": "R (AUROC 0.83)"} | found

    def warned(*rows: dict[str, object]) -> str:
        return warning(pl.DataFrame(rows, schema=AUDIT)) or ""

    raw, seen = row("history", 0.9, 0.7), row("history", 0.9, 0.7, "jpeg:q=96")
    assert warned(row("all", 0.5, 0.4), raw).startswith("The pixels as stored keep traces")
    assert "accuracy 0.90 (95 % interval 0.70 to 1.00, 9 real, 9 AI) in subset a; most by: R (AUROC 0" in warned(raw)
    assert warned(row("history", 0.7, 0.49)) == warned(row("history", 0.6, 0.55)) == ""
    files_only = warned(row("all", 0.9, 0.8))
    assert files_only.startswith("File attributes") and warned(row("all", 0.9, 0.8), raw) == files_only
    both = warned(row("all", 0.9, 0.8), raw, seen)
    assert both.startswith(files_only) and "The pixels after the view jpeg:q=96 keep" in both


def test_intervals_know_that_copies_are_no_more_images() -> None:
    """80 groups of eight equal rows with a label drawn for each: the interval holds one half, that of images less."""

    def covers(seed: int) -> list[bool]:
        rng = np.random.default_rng(seed)
        labels = np.repeat(rng.permutation(80) % 2, 8)
        table = pl.DataFrame({"label": labels, "path": [f"/{i}" for i in range(640)]})
        names = pl.Series("group", [f"{i // 8}" for i in range(640)])
        table = conform(table.with_columns(names), MANIFEST, "test")
        features = {name: np.repeat(rng.normal(size=80), 8) for name in "abc"}
        found = judge_files(features, labels, folds(table, seed), seed)
        hits = found.balanced_accuracy * 320  # of both classes alike
        low, high = weighted_rates_interval((hits, hits), (320, 320), (0.5, 0.5))
        return [found.ci_low <= 0.5 <= found.ci_high, low <= 0.5 <= high]

    grouped, images = np.mean([covers(seed) for seed in range(60)], 0)
    assert grouped >= 0.88 and images < 0.8, (grouped, images)
