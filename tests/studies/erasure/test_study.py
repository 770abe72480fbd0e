"""The causal test on detectors of which it is known what they look at: drops are exact, nothing is computed twice."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from torch import Tensor

from synthscope.annotations import ANNOTATIONS, load_annotations
from synthscope.annotations.erase import fill_region
from synthscope.annotations.targets import read_with_size, targets
from synthscope.data.manifest import load_manifest
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import SynthscopeError, UsageError
from synthscope.sandbox import build_sandbox
from synthscope.schema import MANIFEST, conform
from synthscope.studies.erasure.scores import ERASURE_SCORES
from synthscope.studies.erasure.study import ERASURE, erase, write_erasure

EDGE, TEXTURE = "low-level-edge_shape", "low-level-texture"
GREY = 91


class RedSeeker(Detector):
    """Counts pixels that are redder than green; 80 of them are AI."""

    seen: list[int] = []

    def __init__(self, *, name: str = "red", **input: object) -> None:
        config = InputConfig.model_validate({"resize": None, "crop": None, **input})
        super().__init__(DetectorConfig(name=name, architecture="red", input=config, threshold=40.0))

    def forward(self, images: Tensor) -> Tensor:
        RedSeeker.seen.append(len(images))
        pixels = images.float()
        return (pixels[:, 0] - pixels[:, 1]).relu().sum((1, 2)) / 255


class Average(Detector):
    """The mean of all values of the image, whatever they show."""

    def __init__(self) -> None:
        config = InputConfig(resize=None, crop=None)
        super().__init__(DetectorConfig(name="average", architecture="average", input=config, threshold=-1.0))

    def forward(self, images: Tensor) -> Tensor:
        return images.double().mean((1, 2, 3)).float()


class Broken(RedSeeker):
    """No number comes out."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * float("nan")


def rectangle(top: int, left: int, height: int = 8, width: int = 10) -> list[list[list[float]]]:
    bottom, right = top + height - 1, left + width - 1  # the boundary belongs to a polygon
    return [[[left, top], [right, top], [right, bottom], [left, bottom]]]


@pytest.fixture
def world(tmp_path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Three grey images of 60 x 90 with a red rectangle of 8 x 10; the second has a marked place that is grey, the
    third is annotated as clean. Then an unreadable one and a photograph."""
    rows, regions = [], []
    for number in range(3):
        rgb = np.full((60, 90, 3), GREY, np.uint8)
        top, left = 24 + number, 40 + 2 * number
        rgb[top : top + 8, left : left + 10] = (255, 0, 0)
        path = tmp_path / f"{number}.png"
        Image.fromarray(rgb).save(path)
        rows.append({"path": str(path), "label": 1, "generator": "one", "width": 90, "height": 60})
        image = {"path": str(path), "width": 90, "height": 60, "gt_kind": "polygon"}
        if number < 2:
            regions.append(image | {"region": 1, "category": EDGE, "polygons": rectangle(top, left)})
        if number == 1:
            regions.append(image | {"region": 2, "category": TEXTURE, "polygons": rectangle(2, 3, 4, 6)})
        if number == 2:
            regions.append(image | {"region": None})
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows.append({"path": str(tmp_path / "broken.png"), "label": 1, "generator": "one"})
    regions.append({"path": str(tmp_path / "broken.png"), "region": 1, "gt_kind": "box", "box": [0, 0, 2, 2]})
    rows.append({"path": str(tmp_path / "0.png"), "label": 0, "generator": "real"})
    return conform(pl.DataFrame(rows), MANIFEST, "m"), pl.DataFrame(regions, schema=ANNOTATIONS)


def value(scores: pl.DataFrame, metric: str, **wanted: object) -> dict[str, Any]:
    found = scores.filter(pl.col("category").is_null(), metric=metric, **wanted)
    assert found.height == 1, (metric, wanted, found.height)
    return found.row(0, named=True)


def test_drops_of_a_detector_that_reads_the_artifacts_alone(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    scores = write_erasure(tmp_path / "run", manifest, [RedSeeker()], annotations)
    assert scores.schema == ERASURE_SCORES
    assert scores.equals(pl.read_parquet(tmp_path / "run/erasure_scores.parquet"))
    for fill, off in {"mean": 1e-4, "inpaint": 2.0}.items():
        of = {metric: value(scores, metric, fill=fill) for metric in ("drop_artifact", "drop_benign", "difference")}
        assert of["drop_artifact"]["value"] == pytest.approx(80, abs=off)
        assert of["drop_benign"]["value"] == pytest.approx(0, abs=off)
        assert of["difference"]["value"] == pytest.approx(80, abs=off) and of["difference"]["n"] == 2
        assert of["difference"]["p_value"] == pytest.approx(0.5, abs=0.05)  # two images: 2 of 4 signs as extreme
        assert (of["difference"]["n_excluded"], of["difference"]["n_error"]) == (0, 1)
        flips = [value(scores, f"flips_{of}", fill=fill)["value"] for of in ("artifact", "benign", "difference")]
        assert flips == [1, 0, 1]
    assert value(scores, "drop_artifact", fill="blur")["value"] < 80  # the colour stays
    assert value(scores, "difference_sd", fill="mean")["value"] is None  # both logits are 80
    assert not scores["category"].drop_nulls().len()  # fewer than 10 images

    table = pl.read_parquet(tmp_path / "run/erasure.parquet")
    assert table.schema == ERASURE and table.filter(pl.col("error").is_null())["path"].n_unique() == 2
    both = table.filter(pl.col("path").str.ends_with("1.png"), fill="mean")
    area = {row["category"]: row["area"] * 5400 for row in both.iter_rows(named=True)}
    assert area == {None: pytest.approx(104), EDGE: pytest.approx(80), TEXTURE: pytest.approx(24)}
    assert both["area_benign"].to_list() == both["area"].to_list() and both["overlap"].to_list() == [0, 0, 0]
    assert both["kept_shape"].to_list() == [3, 3, 3]
    drop = {row["category"]: row["logit"] - row["logit_artifact"] for row in both.iter_rows(named=True)}
    assert drop == {None: pytest.approx(80), EDGE: pytest.approx(80), TEXTURE: pytest.approx(0)}
    failed = table.filter(pl.col("error").is_not_null())
    assert failed["path"].unique().to_list() == [str(tmp_path / "broken.png")] and failed["logit"].null_count() == 3


def test_a_detector_of_the_mean_colour_is_moved_by_what_was_painted_over(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    scores = write_erasure(tmp_path / "run", manifest.head(1), [Average()], annotations, fills=["mean"])
    expected = 80 * (255 / 3 - GREY) / 5400
    assert value(scores, "drop_artifact")["value"] == pytest.approx(expected, abs=1e-4)
    assert value(scores, "drop_benign")["value"] == pytest.approx(0, abs=1e-4)
    assert value(scores, "flips_artifact")["value"] == 0
    row = value(scores, "difference")
    assert row["ci_low"] is None and row["p_value"] == 1  # one image


def test_only_what_a_detector_sees_is_erased(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, annotations = world
    scores = write_erasure(
        tmp_path / "run", manifest, [RedSeeker(crop=20), RedSeeker(name="whole")], annotations, fills=["mean"]
    )
    table = pl.read_parquet(tmp_path / "run/erasure.parquet").filter(pl.col("error").is_null())
    cropped = table.filter(pl.col("detector").str.starts_with("red@"))
    whole = cropped.filter(pl.col("category").is_null())  # rows 20 to 39 and columns 35 to 54
    assert (whole["area"] * 400).to_list() == pytest.approx([80, 80])
    assert whole["overlap"].to_list() == [0, 0] and whole["area_benign"].to_list() == whole["area"].to_list()
    texture = cropped.filter(category=TEXTURE).row(0, named=True)
    assert texture["excluded"] == "not seen" and texture["logit_artifact"] is None
    for name in ("red", "whole"):
        rows = scores.filter(pl.col("detector").str.starts_with(f"{name}@"))
        assert value(rows, "difference")["value"] == pytest.approx(80, abs=0.01)

    off_centre = annotations.head(1).with_columns(polygons=pl.Series([rectangle(0, 0)], dtype=ANNOTATIONS["polygons"]))
    with pytest.raises(SynthscopeError, match=r"got 1 that cannot. The first is .*0.png: not seen"):
        write_erasure(tmp_path / "none", manifest.head(1), [RedSeeker(crop=20)], off_centre)


def test_images_that_are_mostly_artifacts_are_left_out(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    large = pl.Series([rectangle(0, 0, 40, 90)], dtype=ANNOTATIONS["polygons"])
    annotations = pl.concat([annotations.head(1), annotations.slice(1, 1).with_columns(polygons=large)])
    scores = write_erasure(tmp_path / "run", manifest.head(2), [RedSeeker()], annotations, fills=["mean"])
    assert {(row["n"], row["n_excluded"], row["n_error"]) for row in scores.iter_rows(named=True)} == {(1, 1, 0)}
    table = pl.read_parquet(tmp_path / "run/erasure.parquet").filter(pl.col("excluded") == "more than half")
    assert table["category"].to_list() == [None, EDGE] and table["area"].to_list() == [40 / 60] * 2


def test_masks_follow_the_view(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, annotations = world
    manifest = manifest.head(1).with_columns(view=pl.lit("crop:size=40|resize:scale=2"))
    table = erase(manifest, [RedSeeker()], annotations, out=tmp_path / "run", fills=["mean"])
    row = table.filter(pl.col("category").is_null()).row(0, named=True)
    assert row["area"] == pytest.approx(80 / 1600, rel=0.15) and row["view"] == "crop:size=40|resize:scale=2"
    assert row["logit"] > 280 and row["logit_artifact"] < 0.3 * row["logit"]  # a resized edge is soft
    assert all(logit > 0.95 * row["logit"] for logit in row["logits_benign"])


def twins_of(manifest: pl.DataFrame, folder: Path) -> dict[str, str]:
    folder.mkdir()
    for path in manifest["path"].to_list():
        Image.fromarray(np.full((60, 90, 3), GREY, np.uint8)).save(folder / Path(path).name)
    return {path: str(folder / Path(path).name) for path in manifest["path"].to_list()}


def test_twins_tell_what_artifacts_and_what_erasing_do(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    twins = twins_of(manifest.head(2), tmp_path / "twins")
    out = tmp_path / "run"
    scores = write_erasure(out, manifest.head(2), [RedSeeker(), Average()], annotations, fills=["mean"], twins=twins)
    red = scores.filter(pl.col("detector").str.starts_with("red@"))
    assert value(red, "drop_artifact", fill="repair")["value"] == pytest.approx(80)
    assert value(red, "flips_artifact", fill="repair")["value"] == 1
    assert value(red, "drop_twin", fill="mean")["value"] == pytest.approx(0)  # grey becomes the same grey
    repair = scores.filter(fill="repair")
    assert set(repair["metric"]) == {"drop_artifact", "flips_artifact", "drop_artifact_sd"}
    assert value(repair, "drop_artifact", detector=red["detector"][0])["p_value"] == pytest.approx(0.5, abs=0.05)
    table = pl.read_parquet(out / "erasure.parquet")
    assert table.filter(fill="repair")["logits_benign"].list.len().unique().to_list() == [0]
    assert table.filter(fill="repair")["category"].to_list().count(None) == 4

    small = tmp_path / "small.png"
    Image.fromarray(np.zeros((30, 45, 3), np.uint8)).save(small)
    wrong = erase(manifest.head(1), [RedSeeker()], annotations, out=out, twins={manifest["path"][0]: str(small)})
    assert wrong["error"].str.contains("Expected a twin of 90 x 60 pixels, got 45 x 30").all()


def test_nothing_is_computed_twice(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, annotations = world
    out, detector = tmp_path / "run", RedSeeker()

    def versions(images: pl.DataFrame = manifest, regions: pl.DataFrame = annotations, **options: Any) -> int:
        RedSeeker.seen = []
        erase(images, [detector], regions, out=out, **options)
        return sum(RedSeeker.seen)

    assert versions(pl.concat([manifest.head(1)] * 2), fills=["mean"]) == 1 + 1 + 3  # the same file twice
    assert versions(manifest.head(1), fills=["mean"]) == 0
    assert versions(manifest.head(1), fills=["blur", "mean"]) == 1 + 1 + 3  # what is new
    assert versions(fills=["blur", "mean"]) == 1 + 3 * 2 * (1 + 3)  # the second image: all, and two categories
    assert versions(manifest.head(1), fills=["mean"], draws=2) == 1 + 1 + 2
    assert versions(manifest.head(1), fills=["mean"], seed=1) == 5
    moved = annotations.head(1).with_columns(polygons=pl.Series([rectangle(5, 5)], dtype=ANNOTATIONS["polygons"]))
    assert versions(manifest.head(1), moved, fills=["mean"]) == 5  # another annotation
    twins = twins_of(manifest.head(1), tmp_path / "twins")
    assert versions(manifest.head(1), fills=["mean"], twins=twins) == 1 + 1 + 1 + 3 + 1
    assert versions(manifest.head(1), fills=["mean"], twins=twins) == 0
    for part in (out / "erasures").glob("part-*.parquet"):
        part.write_bytes(part.read_bytes()[:40])
    assert versions(manifest.head(1), fills=["mean"]) == 5
    assert "It is computed again." in capsys.readouterr().err


def test_a_stopped_run_keeps_what_it_has(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, annotations = world
    second = manifest["path"][1]

    def interrupt(rgb: np.ndarray, mask: np.ndarray, *, fill: str, avoid: np.ndarray) -> np.ndarray:
        if (rgb[24] == rgb[0]).all():  # the rectangle of the second image begins a row below
            raise KeyboardInterrupt
        return fill_region(rgb, mask, fill=fill, avoid=avoid)

    monkeypatch.setattr("synthscope.studies.erasure.values.fill_region", interrupt)
    with pytest.raises(KeyboardInterrupt):
        erase(manifest, [RedSeeker()], annotations, out=tmp_path / "run", fills=["mean"])
    monkeypatch.undo()
    assert not (tmp_path / "run/erasure.parquet").exists()
    RedSeeker.seen = []
    table = erase(manifest, [RedSeeker()], annotations, out=tmp_path / "run", fills=["mean"])
    assert sum(RedSeeker.seen) == 1 + 3 * 4 and second in table.filter(pl.col("error").is_null())["path"].to_list()


def test_results_depend_on_neither_batches_nor_order_nor_company(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    detector = create_detector("cnn_small", input={"crop": 32})
    alone = erase(manifest.head(2), [detector], annotations, out=tmp_path / "a", batch_size=1)
    company = [RedSeeker(crop=20), detector]
    together = erase(manifest.head(2).reverse(), company, annotations, out=tmp_path / "b", batch_size=64)
    together = together.filter(pl.col("detector").str.starts_with("cnn_small"))
    key = ["path", "fill", "category"]
    a, b = (table.sort(key, nulls_last=False) for table in (alone, together))
    assert a.select(key).equals(b.select(key)) and a.height == 3 * (2 + 3)
    assert a["excluded"].equals(b["excluded"]) and a["excluded"].count() == 3  # the category that is not seen
    a, b = (table.filter(pl.col("excluded").is_null()) for table in (a, b))
    np.testing.assert_allclose(a["logit_artifact"], b["logit_artifact"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(a["logits_benign"].to_list(), b["logits_benign"].to_list(), rtol=1e-4, atol=1e-5)


def test_failures_are_rows(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, annotations = world
    table = erase(manifest.head(1), [Broken(name="nan"), RedSeeker()], annotations, out=tmp_path / "run")
    failed = table.filter(pl.col("error").is_not_null())
    assert failed["error"].unique().to_list() == ["non-finite logit"] and failed.height == 3
    assert table.filter(pl.col("error").is_null())["logit"].null_count() == 0
    changed = manifest.head(1).with_columns(sha256=pl.lit("0" * 64), view=pl.lit("none"))
    table = erase(changed, [RedSeeker()], annotations, out=tmp_path / "run")
    assert table["error"].str.contains("Verify the manifest again").all()
    listed = manifest.head(1).with_columns(error=pl.lit("was missing"))
    with pytest.raises(SynthscopeError, match="0.png: was missing"):
        write_erasure(tmp_path / "other", listed, [RedSeeker()], annotations)
    other_size = annotations.head(1).with_columns(width=pl.lit(45, pl.Int32))
    table = erase(manifest.head(1), [RedSeeker()], other_size, out=tmp_path / "run")
    assert table["error"].str.contains("Expected an image of 45 x 60 pixels").all()


def test_annotations_are_found_by_sha256_and_wrong_requests_are_named(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    sha256 = hashlib.sha256(Path(manifest["path"][0]).read_bytes()).hexdigest()
    elsewhere = annotations.head(1).with_columns(path=pl.lit("elsewhere.png"), sha256=pl.lit(sha256))
    hashed = manifest.head(1).with_columns(sha256=pl.lit(sha256))
    assert erase(hashed, [RedSeeker()], elsewhere, out=tmp_path / "run", fills=["mean"])["logit"].to_list() == [80, 80]
    for options, sentence in (
        ({"fills": ["inpant"]}, "Did you mean inpaint"),
        ({"fills": []}, "Expected fills, each once, got none"),
        ({"fills": ["mean", "mean"]}, "each once"),
        ({"draws": 0}, "at least 1 benign region"),
    ):
        with pytest.raises(UsageError, match=sentence):
            erase(manifest, [RedSeeker()], annotations, out=tmp_path / "run", **options)  # type: ignore[arg-type]
    for images, regions in ((manifest.filter(label=0), annotations), (manifest.slice(2, 1), annotations)):
        with pytest.raises(SynthscopeError, match="AI-generated images with annotated regions, got none"):
            erase(images, [RedSeeker()], regions, out=tmp_path / "run")


def test_the_sandbox_without_artifacts_holds_the_twins(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"size": 64, "classes": 3, "train": 1, "val": 2, "fingerprint": False, "workers": 1}
    spoilt = build_sandbox(tmp_path / "spoilt", artifacts=1.0, **settings)
    sound = build_sandbox(tmp_path / "sound", artifacts=False, **settings)
    annotations = load_annotations(spoilt.genimage / "annotations.parquet")
    images, others = (load_manifest(f"genimage:{world.genimage}").filter(label=1) for world in (spoilt, sound))
    roots = spoilt.genimage.as_posix(), sound.genimage.as_posix()
    twins = {path: path.replace(*roots) for path in images["path"]}
    assert sorted(twins.values()) == sorted(others["path"])

    xaigd = [load_manifest(f"xaigd:{world.xaigd}?split=labeled_test").filter(label=1) for world in (spoilt, sound)]
    pairs = xaigd[0].join(xaigd[1], on=["generator", "group"], suffix="_twin", validate="1:1")
    assert pairs.height == xaigd[0].height == xaigd[1].height
    twins |= dict(pairs.select("path", "path_twin").iter_rows())
    annotations = pl.concat([annotations, load_annotations(f"xaigd:{spoilt.xaigd}?split=labeled_test")])

    images = pl.concat([images.filter(split="val"), xaigd[0]])
    for row in images.iter_rows(named=True):
        regions = annotations.filter(path=row["path"])
        rgb, size = read_with_size(row["path"], "none", 0)
        mask = targets(regions, size, "none")[0].mask
        away = np.abs(rgb.astype(int) - read_with_size(twins[row["path"]], "none", 0)[0]).sum(2)
        assert away[mask].mean() > 10 * away[~mask].mean(), row["path"]  # their difference lies inside the annotation
    scores = write_erasure(tmp_path / "run", images.head(4), [Average()], annotations, fills=["mean"], twins=twins)
    assert value(scores, "drop_artifact", fill="repair")["n"] + scores["n_excluded"].max() == 4
