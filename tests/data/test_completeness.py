"""Counts against the full GenImage, damage by rule, and deletion that never reaches too far."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from synthscope.cli.data import data
from synthscope.data.completeness import PUBLISHED, SD15, completeness
from synthscope.data.damage import KINDS, damage, delete_damaged
from synthscope.data.index import index
from synthscope.data.layouts.imagenet import synsets
from synthscope.data.manifest import load_manifest, verify
from synthscope.errors import SynthscopeError
from synthscope.schema import MANIFEST, conform

REAL = Path(__file__).parents[2] / "../shared/images"


def cell(subset: str | None, split: str, label: int, per_class: int, *, classes: int = 1000) -> pl.DataFrame:
    """Rows of one cell of GenImage: ``per_class`` images of each class."""
    kind, suffix = ("ai", "PNG" if subset == "ADM" else "png") if label else ("nature", "JPEG")
    numbers = pl.DataFrame({"class_index": range(classes)}).join(pl.DataFrame({"i": range(per_class)}), how="cross")
    table = numbers.select(
        "class_index",
        path=pl.format(f"/g/{subset}/{split}/{kind}/{{}}_x_{{}}.{suffix}", "class_index", "i"),
        label=pl.lit(label),
        subset=pl.lit(subset, pl.String),
        split=pl.lit(split),
        synset=pl.lit(pl.Series(synsets())).gather("class_index"),
    )
    return conform(table, MANIFEST, "test")


def test_the_published_counts_add_up() -> None:
    assert 1000 * sum(p.train + p.val for p in PUBLISHED.values()) == 1_350_000
    assert sum(p.volumes for p in PUBLISHED.values()) == 208
    assert [sum(getattr(p, split) for p in PUBLISHED.values()) for split in ("train", "val")] == [1300, 50]


def test_a_full_split_lacks_nothing_and_a_hole_is_found() -> None:
    full = pl.concat([cell(name, "val", label, PUBLISHED[name].val) for name in ("BigGAN", SD15) for label in (0, 1)])
    report = completeness(full)
    assert not report.sample and report.classes.is_empty()
    here = report.counts.filter(pl.col("present") > 0)
    assert here.select("subset", "label", "expected", "present", "missing").rows() == [
        (SD15, 1, 8000, 8000, 0),
        (SD15, 0, 8000, 8000, 0),
        ("BigGAN", 1, 6000, 6000, 0),
        ("BigGAN", 0, 6000, 6000, 0),
    ]
    assert report.notes == ("Not here: Midjourney, stable_diffusion_v_1_4, ADM, glide, wukong, VQDM.",)
    gone = pl.col("class_index").is_in([7, 8, 500]) & (pl.col("label") == 1) & (pl.col("subset") == "BigGAN")
    hole = completeness(full.filter(~gone).sample(fraction=1, shuffle=True, seed=0))
    assert hole.classes.rows() == [("BigGAN", "val", n, 6, 0) for n in (7, 8, 500)]
    assert hole.notes[1] == "BigGAN: 18 val ai images missing in 3 classes (7-8, 500)."
    assert "again (volumes .z01, .z02 … and .zip: BigGAN 8)" in hole.notes[2] and "7z" in hole.notes[2]


def test_training_reals_are_about_as_many() -> None:
    train = pl.concat([cell("VQDM", "train", 1, 162), cell("vqdm", "train", 0, 160)])
    report = completeness(train)
    reals = report.counts.filter(subset="VQDM", split="train", label=0)
    assert reals.select("expected", "exact", "present", "missing").rows() == [(162_000, False, 160_000, None)]
    assert len(report.notes) == 1
    few = completeness(train.filter((pl.col("label") == 1) | (pl.col("class_index") < 500)))
    assert few.notes[1] == "VQDM: 80,000 train real images, where about 162,000 should be."


def test_merged_reals_are_those_of_imagenet() -> None:
    report = completeness(pl.concat([cell("sdv4", "val", 1, 6), cell(None, "val", 0, 50)]))
    merged = report.counts.filter(pl.col("subset").is_null())
    assert merged.select("split", "expected", "present", "missing").rows() == [
        ("train", 1_281_167, 0, 1_281_167),
        ("val", 50_000, 50_000, 0),
    ]
    assert report.counts.filter(subset="stable_diffusion_v_1_4", split="val")["present"].to_list() == [6000]
    assert not any("missing" in note for note in report.notes)


def test_a_sample_is_counted_and_not_scolded() -> None:
    tiny = pl.concat([cell(name, split, label, 2) for name in ("ADM", "BigGAN") for split in ("train", "val")
                      for label in (0, 1)])  # fmt: skip
    report = completeness(tiny)
    assert report.sample and report.classes.is_empty()
    assert report.notes[0] == "A sample of GenImage, 16,000 of 2,681,167 images: nothing is called missing."
    assert len(report.notes) == 2 and "4,000 files end in .PNG" in report.notes[1]
    assert report.to_text().splitlines()[1].split() == ["ADM", "train", "ai", "2,000", "162,000", "0", "0", "0", "0"]
    foreign = completeness(cell("sandbox", "val", 1, 6))
    assert foreign.counts.is_empty() and foreign.to_text().startswith("No subset has the name of a GenImage generator")


def test_damage_of_the_public_copies_is_told_from_that_of_this_one() -> None:
    train = pl.concat([cell(SD15, "train", label, 166) for label in (0, 1)])
    inside = (pl.col("label") == 0) & pl.col("synset").is_between(pl.lit("n03444034"), pl.lit("n03450230"))
    first = (pl.col("label") == 1) & pl.col("path").str.ends_with("/33_x_137.png")
    broken = train.with_columns(
        error=pl.when(inside).then(pl.lit("a damaged image (OSError: image file is truncated (3 bytes not processed))"))
        .when(first).then(pl.lit("an empty file"))
    )  # fmt: skip
    report = completeness(broken)
    n = broken.filter(inside).height
    assert f"{n:,} damaged real training images of {SD15} have synsets n03444034 to n03530642" in report.notes[1]
    assert report.notes[2].startswith("1 AI training images are empty files. The public copies hold 17")
    assert len(report.notes) == 3  # nothing to fetch again
    cells = report.counts.filter(subset=SD15, split="train").select("label", *KINDS).rows()
    assert cells == [(1, 1, 0, 0, 0), (0, 0, n, 0, 0)]
    outside = broken.with_columns(error=pl.when(first).then(pl.lit("a damaged image (x: broken)")).otherwise("error"))
    assert f"and .zip: {SD15} 32)" in completeness(outside).notes[-1]


@pytest.mark.parametrize(
    ("error", "name", "kind"),
    [
        (None, "a.png", None),
        ("an empty file", "a.png", "empty"),
        ("a damaged image (OSError: image file is truncated (3 bytes not processed))", "a.png", "truncated"),
        ("a damaged image (OSError: Truncated File Read)", "a.png", "truncated"),
        ("a damaged image (SyntaxError: broken PNG file)", "a.png", "undecodable"),
        ("no readable JPEG, PNG or WEBP header", "a.JPEG", "undecodable"),
        ("no readable JPEG, PNG or WEBP header", "a.heic", "other"),
        ("a damaged image (MemoryError: )", "a.png", "other"),
        ("a damaged image (DecompressionBombError: Image size …)", "a.png", "other"),
        ("20000 x 20000 pixels, more than 100 megapixels", "a.png", "other"),
        ("no such file or directory", "a.png", "other"),
        ("permission denied", "a.png", "other"),
        ("not an image suffix", "a.dat", "other"),
    ],
)
def test_kinds_of_damage(error: str | None, name: str, kind: str | None) -> None:
    rows = pl.DataFrame({"path": [name], "error": [error]}, schema={"path": pl.String, "error": pl.String})
    assert rows.select(damage=damage())["damage"].to_list() == [kind]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with two sound and four damaged images, and an image outside that a link leads to."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    folder = tmp_path / "GenImage/ADM/imagenet_ai_0508_adm/train/ai"
    folder.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for i, place in enumerate((*[folder] * 5, tmp_path / "outside")):
        Image.fromarray(noise).save(place / f"{i}_adm_1.PNG")
    sound = (folder / "0_adm_1.PNG").read_bytes()
    (folder / "1_adm_1.PNG").write_bytes(b"")
    (folder / "2_adm_1.PNG").write_bytes(sound[: len(sound) // 2])
    (folder / "3_adm_1.PNG").write_bytes(b"<html>404</html>")
    (tmp_path / "outside/5_adm_1.PNG").write_bytes(b"")
    (folder / "5_adm_1.PNG").symlink_to(tmp_path / "outside/5_adm_1.PNG")
    (folder / "sub").symlink_to(tmp_path / "outside")
    (folder / "6_adm_1.dat").write_bytes(b"x")
    return tmp_path / "GenImage"


def test_only_undecodable_files_of_the_root_are_deleted(copy: Path, tmp_path: Path) -> None:
    table = verify(index(f"genimage:{copy}"), workers=1)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    listing = tmp_path / "deleted.csv"
    deleted = delete_damaged(table, listing)
    found = {Path(path).name: kind for path, kind in deleted.iter_rows()}
    assert found == {"1_adm_1.PNG": "empty", "2_adm_1.PNG": "truncated", "3_adm_1.PNG": "undecodable"}
    assert before - {path for path in tmp_path.rglob("*") if path.is_file()} == set(map(Path, deleted["path"]))
    with listing.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == deleted["path"].to_list()
    assert [row["bytes"] for row in rows][::2] == ["", "16"] and rows[0]["error"] == "an empty file"
    (copy / "ADM/imagenet_ai_0508_adm/train/ai/4_adm_1.PNG").write_bytes(b"")
    delete_damaged(verify(table, workers=1), listing)
    assert len(listing.read_text().splitlines()) == 5  # earlier lines stay


def test_nothing_is_deleted_on_hearsay(copy: Path, tmp_path: Path) -> None:
    table = verify(index(f"genimage:{copy}"), workers=1)
    listing = tmp_path / "deleted.csv"
    sound = table.filter(pl.col("error").is_null()).with_columns(error=pl.lit("an empty file"))
    assert delete_damaged(sound, listing).is_empty()  # decodable after all
    for source in (f"genimage:{tmp_path}/outside", f"csv:{tmp_path}/list.csv", "somewhere", f"genimage:{copy}/../x"):
        assert delete_damaged(table.with_columns(source=pl.lit(source)), listing).is_empty()
    dots = table.with_columns(path=pl.col("path").str.replace("/ai/", "/ai/../ai/"))
    assert delete_damaged(dots, listing).is_empty()
    assert not listing.exists()
    listing.write_text("mine\n")
    with pytest.raises(SynthscopeError, match="list of deleted files at .*, got another file"):
        delete_damaged(table, listing)
    assert verify(table, workers=1).equals(table) and listing.read_text() == "mine\n"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no images at {REAL}")
def test_other_images_in_the_layout_are_not_compared() -> None:
    report = completeness(index(f"genimage:{REAL}", workers=1))
    assert report.counts.is_empty() and len(report.notes) == 1


def test_verify_reports_and_deletes_only_when_asked(copy: Path, tmp_path: Path) -> None:
    arguments = ["verify", f"genimage:{copy}", "-o", str(tmp_path / "m.parquet"), "-j", "1"]
    files = sorted(tmp_path.rglob("*"))
    told = CliRunner().invoke(data, arguments)
    assert told.exit_code == 3 and "A sample of GenImage, 8 of 2,681,167 images" in told.stdout
    assert "6 unreadable:" in told.stderr
    assert sorted(tmp_path.rglob("*")) == sorted([*files, tmp_path / "m.parquet"])
    deleting = CliRunner().invoke(data, [*arguments, "--delete"])
    assert deleting.exit_code == 3
    assert f"3 damaged files deleted, listed in {tmp_path / 'deleted.csv'}." in deleting.stdout
    left = load_manifest(tmp_path / "m.parquet")
    assert left.height == 5 and all(Path(path).exists() for path in left["path"])
