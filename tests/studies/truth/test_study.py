"""The truth test where the truth is exact: twin sandboxes, and detectors whose evidence is known pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

from synthscope.annotations import image_masks
from synthscope.cli.analyze import analyze
from synthscope.data.images import read_file, read_rgb
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.cnn_small import CnnSmall
from synthscope.detectors.input import InputConfig
from synthscope.errors import UsageError
from synthscope.sandbox import build_sandbox
from synthscope.studies.truth.study import explained, truth
from synthscope.studies.truth.table import truth_scores
from synthscope.studies.truth.values import ARTIFACTS, FINGERPRINTS, TRUTH, UNTRAINED
from synthscope.studies.truth.verdicts import verdicts
from synthscope.studies.truth.worlds import CAUSES, World, twin_worlds
from synthscope.training.config import TrainConfig

SIDE, SIZES = 64, {"size": 64, "classes": 3, "train": 2, "test": 3}
METHODS = "input_x_grad:baseline=black", "occlusion:window=8,stride=8"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    return twin_worlds(tmp_path_factory.mktemp("twins"), **SIZES, workers=1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """The generated test pictures of the world of artifacts as they were before their artifacts: (n, 3, 64, 64)."""
    folder = tmp_path_factory.mktemp("sound") / "world"
    report = build_sandbox(
        folder, size=SIDE, classes=3, train=2, val=3, formats="aligned", layouts="genimage", workers=1,
        fingerprint=False, artifacts=False,
    )  # fmt: skip
    return torch.stack([torch.from_numpy(pixels(path)).permute(2, 0, 1) for path in report.genimage.rglob("val/ai/*")])


def pixels(path: str | Path) -> np.ndarray:
    return read_rgb(read_file(path)[0], name=path)


class Known(Detector):
    """Reads single pixels, so that ``input_x_grad`` shows its evidence."""

    def __init__(self, name: str) -> None:
        config = DetectorConfig(name=name, architecture=name, input=InputConfig(resize=None, crop=SIDE))
        super().__init__(config)


class Restorer(Known):
    """Remembers every picture without artifacts; evidence is what differs visibly from the nearest."""

    def __init__(self, sound: Tensor) -> None:
        super().__init__("restorer")
        self.register_buffer("sound", sound.float())

    def forward(self, images: Tensor) -> Tensor:
        pictures = images.float()
        nearest = torch.cdist(pictures.detach().flatten(1), self.sound.flatten(1)).argmin(1)  # type: ignore[operator]
        return ((pictures - self.sound[nearest]).abs() - 12).relu().sum((1, 2, 3)) / 255  # type: ignore[index]


class Grain(Known):
    """Evidence is grain of the finest scale, which decoders leave everywhere."""

    def forward(self, images: Tensor) -> Tensor:
        grey = images.float().mean(1)
        return (grey[:, 1:, 1:] - grey[:, 1:, :-1] - grey[:, :-1, 1:] + grey[:, :-1, :-1]).square().mean((1, 2))


def test_twins_show_one_scene_and_differ_in_their_causes_alone(worlds: dict[str, World], sound: Tensor) -> None:
    a, b = (worlds[name].images.sort("twin") for name in CAUSES)
    assert a["twin"].to_list() == b["twin"].to_list() and a.select("width", "height").equals(
        b.select("width", "height")
    )
    same = ["label", "generator", "subset", "split", "class_index", "format", "jpeg_quality"]
    assert a.select(same).equals(b.select(same)) and set(a["width"]) == {SIDE}
    for one, other, label in zip(a["path"], b["path"], a["label"], strict=True):
        assert (Path(one).read_bytes() == Path(other).read_bytes()) == (label == 0)  # photographs are the same files
        if label:
            blurred = [cv2.blur(pixels(path), (16, 16)).astype(float).ravel() for path in (one, other)]
            assert np.corrcoef(blurred)[0, 1] > 0.6
    marks = {name: world.regions.drop("path").sort("twin", "region") for name, world in worlds.items()}
    assert marks[ARTIFACTS].equals(marks[FINGERPRINTS]) and marks[ARTIFACTS].height > 50
    for name, table in (("artifacts", a), ("fingerprints", b)):
        assert set(worlds[name].regions["path"]) <= set(table.filter(label=1)["path"])


def test_artifacts_alone_differ_from_the_sound_pictures(worlds: dict[str, World], sound: Tensor) -> None:
    world = worlds[ARTIFACTS]
    inside, outside = [], []
    for path in world.images.filter(split="val", label=1)["path"]:
        picture = torch.from_numpy(pixels(path)).permute(2, 0, 1).float()
        change = (sound - picture).abs().amax(1)
        nearest = change[change.mean((1, 2)).argmin()].numpy()
        mask = image_masks(world.regions.filter(path=path), SIDE, SIDE)
        blocks = cv2.dilate(mask.astype(np.uint8), np.ones((33, 33), np.uint8)) > 0  # a change spoils its JPEG blocks
        inside += nearest[mask].tolist()
        outside += nearest[~blocks].tolist()
    assert np.mean(inside) > 15 and np.mean(outside) < 0.1


@pytest.fixture(scope="module")
def values(worlds: dict[str, World], sound: Tensor, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Heatmaps of the restorer, of the reader of grain, and of a network with random weights."""
    torch.manual_seed(0)
    plain = CnnSmall(DetectorConfig(name="plain", architecture="cnn_small", input=InputConfig(resize=None, crop=SIDE)))
    rows = []
    for name, detector in ((ARTIFACTS, Restorer(sound)), (FINGERPRINTS, Grain("grain")), (UNTRAINED, plain)):
        world = worlds.get(name, worlds[ARTIFACTS])
        out = tmp_path_factory.mktemp(name)
        table = explained(world, world.images.filter(split="val"), detector, METHODS, out=out, workers=1)
        told = {"recipe": "known", "seed": 0, "world": name, "right": True}
        rows.append(table.with_columns(pl.lit(value).alias(key) for key, value in told.items()))
    return pl.concat(rows).select(TRUTH.names()).cast(TRUTH)


def test_known_evidence_tells_the_worlds_apart(values: pl.DataFrame) -> None:
    table = verdicts(truth_scores(values)).filter(images="all")
    found = {(row["explainer"], row["measure"]): row for row in table.iter_rows(named=True)}
    for explainer in METHODS[:1]:
        for measure in ("relevance_mass", "relevance_rank", "iou_at_area", "pixel_average_precision", "micro_f1"):
            row = found[explainer, measure]
            assert row["tells_apart"] == "yes" and row["artifacts"] > row["fingerprints"] + 0.1, (measure, row)
            assert row["learned"] > 0.1 and row["p_above"] > 0.8
    mass = found[METHODS[0], "relevance_mass"]
    assert mass["artifacts"] > 0.85 and abs(mass["untrained"] - mass["chance"]) < 0.1
    assert mass["n_images"] + mass["n_blank"] == 24


def test_edges_are_those_of_the_pictures_whatever_the_detector(values: pl.DataFrame) -> None:
    edges = values.filter(explainer="edges").sort("twin", "measure")
    on_artifacts, untrained = (edges.filter(world=world)["value"] for world in (ARTIFACTS, UNTRAINED))
    assert on_artifacts.equals(untrained) and edges.filter(pl.col("measure").str.starts_with("micro")).is_empty()
    learned = truth_scores(values).filter(explainer="edges", quantity="learned")
    assert (learned["value"] == 0).all()


def recipe(**changes: object) -> TrainConfig:
    tree = {
        "name": "tiny",
        "detector": {"architecture": "cnn_small", "options": {"width": 4}, "input": {"crop": SIDE}},
        "data": {"holdout": 0.25}, "steps": 1, "batch_size": 8, "precision": "fp32",
    }  # fmt: skip
    return TrainConfig.model_validate(tree | changes)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(analyze, ["truth", *map(str, arguments)])


def test_the_command_trains_explains_and_resumes(tmp_path: Path) -> None:
    settings = (
        "steps=1",
        "batch_size=8",
        f"detector.input.crop={SIDE}",
        "detector.options.width=4",
        "data.holdout=0.5",
    )
    arguments: list[object] = ["-o", tmp_path, "--size", SIDE, "--classes", 3, "--train", 2, "--test", 1, "-j", 1]
    arguments += ["-e", "layercam", "-e", "chefer", *(part for setting in settings for part in ("--set", setting))]
    first = run(*arguments, "--seeds", 2)
    assert first.exit_code == 0, first.output
    assert "balanced_accuracy" in first.stdout and "tells_apart" in first.stdout and "left out: chefer" in first.stderr
    files = {f"truth{end}" for end in (".parquet", ".csv", ".png", ".svg", "_values.parquet", "_accuracy.csv")}
    assert files <= {path.name for path in tmp_path.iterdir()}
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    parts = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*")}
    assert len(weights) == 4 and parts
    scores = (tmp_path / "truth.parquet").read_bytes()
    again = run(*arguments, "--seeds", 2)
    assert again.stdout == first.stdout and (tmp_path / "truth.parquet").read_bytes() == scores
    assert weights == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert parts == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*")}
    table = pl.read_parquet(tmp_path / "truth_values.parquet")
    assert table.schema == TRUTH and set(table["explainer"]) == {"layercam", "edges"}
    assert table["detector"].str.extract(r"(.+)@").unique().sort().to_list() == sorted(
        f"cpu_small.{world}.seed{seed}" for world in (*CAUSES, UNTRAINED) for seed in (0, 1)
    )
    counts = pl.read_csv(tmp_path / "truth.csv")
    assert set(counts.filter(images="all")["n_seeds"]) == {2} and set(counts["recipe"]) == {"cpu_small"}


@pytest.mark.parametrize(
    ("recipes", "seeds", "sentence"),
    [
        ([], 1, "got none"),
        ([recipe(), recipe()], 1, "got tiny, tiny"),
        ([recipe()], 0, "1 seed or more"),
        ([recipe(init_from="x")], 1, "learns from labels alone"),
        ([recipe(task="both")], 1, "learns from labels alone"),
    ],
)
def test_what_cannot_be_tested_is_told_first(
    recipes: list[TrainConfig], seeds: int, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        truth(recipes, out=tmp_path / "out", seeds=seeds)
    assert not (tmp_path / "out").exists()
