from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope.data.manifest import (
    check_two_classes,
    describe,
    errors_of,
    filter_manifest,
    load_manifest,
    sample,
    save_manifest,
    split_by_group,
    verify,
    with_view,
)
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform

GENERATORS = ("ADM", "glide", "VQDM")


def manifest(n: int = 40, *, root: str = "/data", groups: bool = False) -> pl.DataFrame:
    """``n`` reals and ``n`` fakes of three subsets, split val and train alternately."""
    rows = [
        {
            "path": f"{root}/{subset}/{split}/{'ai' if label else 'nature'}/{i}.png",
            "label": label,
            "generator": subset if label else "real",
            "subset": subset,
            "split": split,
            "width": 200 + i,
            "height": 256,
            "format": "PNG" if label else "JPEG",
            "group": f"{subset}-{i // 2}" if groups else None,
            "view": "none",
        }
        for subset in GENERATORS
        for label in (0, 1)
        for i in range(n)
        for split in [("val", "train")[i % 2]]
    ]
    return conform(pl.DataFrame(rows, infer_schema_length=None), MANIFEST, "test")


def test_saving_and_loading_keeps_everything(tmp_path: Path) -> None:
    table = manifest()
    save_manifest(table.with_columns(junk=pl.lit(1)), tmp_path / "new/m.parquet")
    assert load_manifest(tmp_path / "new/m.parquet").equals(table)
    assert load_manifest(str(tmp_path / "new/m.parquet")).schema == MANIFEST


def test_loading_indexes_a_layout(tmp_path: Path) -> None:
    folder = tmp_path / "ADM/val/ai"
    folder.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    assert load_manifest(f"genimage:{tmp_path}")["subset"].to_list() == ["ADM"]


def test_what_is_not_a_manifest_is_named(tmp_path: Path) -> None:
    manifest().rename({"label": "labels"}).write_parquet(tmp_path / "wrong.parquet")
    manifest().with_columns(label=pl.lit(2)).write_parquet(tmp_path / "two.parquet")
    manifest().with_columns(width=pl.lit("wide")).write_parquet(tmp_path / "text.parquet")
    (tmp_path / "photo.JPG").touch()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1xxPAR1")
    cases = {
        "wrong.parquet": "no 'label' among .* Did you mean labels.* parquet:",
        "two.parquet": "label 0, 1 or null in row 1 .*, got 2",
        "photo.JPG": "got the image .*photo.JPG. Write files:/.*photo.JPG",
        "text.parquet": "Int32 in column 'width'",
        "broken.parquet": "Expected a Parquet file at .*broken",
        "absent.parquet": "Expected a manifest at .*absent.parquet, got nothing",
        "": "got the folder .* as in genimage:",
    }
    for name, message in cases.items():
        with pytest.raises(SynthscopeError, match=message):
            load_manifest(tmp_path / name)
    with pytest.raises(UsageError, match="Did you mean genimage"):
        load_manifest(f"genimages:{tmp_path}")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", pl.lit(True)),
        ("split=val", pl.col("split") == "val"),
        (
            "split=val subset=ADM,glide label=1",
            (pl.col("split") == "val") & pl.col("subset").is_in(["ADM", "glide"]) & (pl.col("label") == 1),
        ),
        ("subset!=ADM", pl.col("subset") != "ADM"),
        ("width>=210 width<220", pl.col("width").is_between(210, 219)),
        ("width>237.5 width<=238", pl.col("width") == 238),
        ("error=null group=null", pl.lit(True)),
        ("group!=null", pl.lit(False)),
        ("generator='no such'", pl.lit(False)),
    ],
)
def test_filters(expression: str, expected: pl.Expr) -> None:
    assert filter_manifest(manifest(), expression).equals(manifest().filter(expected))


def test_shared_reals_belong_to_every_subset() -> None:
    table = manifest().with_columns(subset=pl.when(pl.col("label") == 1).then("subset"))
    kept = filter_manifest(table, "subset=ADM")
    assert (kept["label"] == 0).sum() == 3 * 40 and (kept["label"] == 1).sum() == 40
    assert filter_manifest(table, "subset!=ADM").height == 240 - 40
    assert filter_manifest(table, "subset=null").height == 3 * 40


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("splitt=val", "got 'splitt'. Did you mean split"),
        ("split", "got 'split'. Write COLUMN=VALUE"),
        ("split = val", "Write COLUMN=VALUE"),
        ("width>=wide", "Expected a number in 'width>=wide'"),
        ("width=wide", "Expected a number in 'width=wide'"),
        ("subset>ADM", "Expected = or != after subset"),
        ("subset='ADM", "Expected balanced quotes"),
        ("__import__('os')=1", "Write COLUMN=VALUE"),
    ],
)
def test_bad_filters_are_named(expression: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        filter_manifest(manifest(), expression)


@settings(max_examples=12, deadline=None)
@given(st.floats(0.05, 0.95), st.integers(0, 5), st.booleans(), st.randoms(use_true_random=False))
def test_split_is_a_stratified_partition_that_ignores_row_order(
    fraction: float, seed: int, groups: bool, random: Random
) -> None:
    table = manifest(groups=groups)
    rest, held = split_by_group(table, fraction, seed=seed)
    assert pl.concat([rest, held]).sort("path").equals(table.sort("path"))
    cells = held.group_by("subset", "label").len()
    assert all(abs(n - 40 * fraction) <= (1 if groups else 0.5) for n in cells["len"])
    if groups:
        assert not set(rest["group"]) & set(held["group"])
    order = list(range(table.height))
    random.shuffle(order)
    assert set(split_by_group(table[order], fraction, seed=seed)[1]["path"]) == set(held["path"])


def test_split_moves_with_the_images_nests_and_follows_the_seed() -> None:
    held = split_by_group(manifest(), 0.2, seed=1)[1]
    elsewhere = split_by_group(manifest(root="/mnt/other/place"), 0.2, seed=1)[1]
    assert [p.removeprefix("/mnt/other/place") for p in elsewhere["path"]] == [
        p.removeprefix("/data") for p in held["path"]
    ]
    assert set(held["path"]) < set(split_by_group(manifest(), 0.3, seed=1)[1]["path"])
    assert set(held["path"]) != set(split_by_group(manifest(), 0.2, seed=2)[1]["path"])
    for fraction in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="between 0 and 1"):
            split_by_group(manifest(), fraction)


def test_groups_across_subsets_and_labels_stay_together() -> None:
    table = manifest().with_columns(group=pl.col("path").str.extract(r"(\d+)\.png"))  # 6 rows a group
    rest, held = split_by_group(table, 0.25)
    assert not set(rest["group"]) & set(held["group"]) and held.height == 60


def test_files_of_the_same_bytes_stay_together() -> None:
    table = manifest().with_columns(sha256=pl.col("path").str.extract(r"(\d+)\.png"))
    rest, held = split_by_group(table, 0.25)
    assert not set(rest["sha256"]) & set(held["sha256"]) and held.height == 60


def test_sample_takes_at_most_n_of_each_cell() -> None:
    table = manifest()
    few = sample(table, ("subset", "label"), n=7, seed=3)
    assert set(few.group_by("subset", "label").len()["len"]) == {7}
    assert few.equals(table.filter(pl.col("path").is_in(few["path"].implode())))  # order of the table
    assert set(few["path"]) == set(sample(table.reverse(), ("subset", "label"), n=7, seed=3)["path"])
    assert set(few["path"]) != set(sample(table, ("subset", "label"), n=7, seed=4)["path"])
    assert sample(table, ("label",), n=1000).equals(table)
    with pytest.raises(UsageError, match="Did you mean label"):
        sample(table, ("labl",), n=1)


def test_verify_hashes_decodes_and_keeps_going(tmp_path: Path) -> None:
    folder = tmp_path / "ADM/val/ai"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name in ("good.png", "cut.png", "gone.png"):
        Image.fromarray(noise).save(folder / name)
    (folder / "odd.dat").write_bytes((folder / "good.png").read_bytes())
    cut = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(cut[: len(cut) // 2])
    table = load_manifest(f"genimage:{tmp_path}")
    assert errors_of(table)["error"].to_list() == ["not an image suffix"]  # headers look fine
    (folder / "gone.png").unlink()
    checked = verify(table, workers=2)
    assert checked.schema == MANIFEST and checked["path"].equals(table["path"])
    errors = dict(zip((Path(p).name for p in checked["path"]), checked["error"], strict=True))
    assert errors["good.png"] is None and errors["gone.png"] == "no such file or directory"
    assert "truncated" in errors["cut.png"] and errors["odd.dat"] == "not an image suffix"
    good = checked.filter(pl.col("path").str.ends_with("good.png")).row(0, named=True)
    assert good["sha256"] == hashlib.sha256((folder / "good.png").read_bytes()).hexdigest()
    (folder / "cut.png").write_bytes(cut)
    assert "cut.png" not in " ".join(errors_of(verify(checked))["path"])  # mended files come back


def test_views_are_canonical_recipes() -> None:
    assert set(with_view(manifest(), "jpeg:q=96")["view"]) == {"jpeg:q=96"}
    assert set(with_view(manifest(), "none")["view"]) == {"none"}
    with pytest.raises(UsageError):
        with_view(manifest(), "jpg:q=96")


def test_one_class_is_refused_in_a_sentence() -> None:
    check_two_classes(manifest(), "the training set")
    fakes = manifest().filter(pl.col("label") == 1)
    with pytest.raises(SynthscopeError, match=r"real and AI images in the training set, got 0 real, 120 AI\. Add"):
        check_two_classes(fakes, "the training set")
    broken = manifest(1).with_columns(error=pl.when(pl.col("label") == 1).then(pl.lit("empty")))
    with pytest.raises(SynthscopeError, match="got 3 real, 0 AI and 3 unusable ones"):
        check_two_classes(broken, "x")
    with pytest.raises(SynthscopeError, match="got 0 real, 0 AI"):
        check_two_classes(manifest().clear(), "x")


def test_describe_counts_every_cell() -> None:
    lines = describe(manifest(3)).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["subset", "split", "real", "ai", "unusable", "formats"],
        ["ADM", "train", "1", "1", "0", "JPEG", "PNG"],
        ["ADM", "val", "2", "2", "0", "JPEG", "PNG"],
    ]
    assert lines[-1].split() == ["total", "9", "9", "0"]
