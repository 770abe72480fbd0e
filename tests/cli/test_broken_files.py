"""Damaged files and disks that refuse, over the verbs: one sentence that names the file, and no traceback."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.annotations import ANNOTATIONS, save_annotations
from synthscope.cli import main
from synthscope.data.manifest import load_manifest, save_manifest
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.scoring.seeds import SEEDS
from synthscope.studies.fidelity.study import FIDELITY
from tests.report.made_heatmaps import make_heatmaps
from tests.report.made_runs import make_audit, make_predictions, make_scores, write_run

BROKEN = {"empty": b"", "text": b"none of it\n", "latin1": "é".encode("latin1"), "zeros": bytes(999), "cut": None}
TABLES = {  # file of a run, and the verbs that read it
    "predictions.parquet": ["score RUN", "report RUN", "analyze fidelity RUN --annotations regions.parquet"],
    "scores.parquet": ["report RUN", "analyze correlation RUN -o OUT"],
    "manifest.parquet": ["report RUN", "data audit RUN/manifest.parquet", "data verify RUN/manifest.parquet"],
    "audit.parquet": ["report RUN"],
    "differences.parquet": ["report RUN"],
    "seeds.parquet": ["report RUN", "score RUN"],
    "fidelity.parquet": ["report RUN"],
    "run.json": ["report RUN"],
    "failures.json": ["report RUN"],
    "explanations.parquet": ["report WHY"],
    "explain.json": ["report WHY"],
    "annotations.parquet": ["report WHY", "annotate validate WHY/annotations.parquet"],
}
CASES = [(file, verb) for file, verbs in TABLES.items() for verb in verbs]


def run(arguments: str, world: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of ``synthscope arguments``, whose words in capitals are folders of ``world``."""
    words = arguments.replace("RUN", "run").replace("WHY", "why").replace("OUT", "out")
    monkeypatch.chdir(world)
    monkeypatch.setattr(sys, "argv", ["synthscope", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code if isinstance(ended.value.code, int) else 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a run of heatmaps, a detector, images and annotations."""
    root = tmp_path_factory.mktemp("made")
    predictions = make_predictions(root / "images", n=6, conditions=("none",), views=("none",))
    folder = write_run(root / "run", predictions)
    make_audit().write_parquet(folder / "audit.parquet")
    make_scores(predictions).filter(metric="accuracy").head(2).write_parquet(folder / "differences.parquet")
    pl.DataFrame(schema=FIDELITY).write_parquet(folder / "fidelity.parquet")
    pl.DataFrame(schema=SEEDS).write_parquet(folder / "seeds.parquet")
    (folder / "failures.json").write_text("[]")
    make_heatmaps(root / "why", {("a@1", "gradcam"): [0.9, 0.2]})
    (root / "why" / "explain.json").write_text("{}")
    save_detector(create_detector("cnn_small", name="mine", input={"crop": 32}), root / "detector")
    for place in ("train/ai", "train/nature", "val/ai", "val/nature"):
        (root / "set" / place).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "set" / place / f"{number}.png")
    save_manifest(load_manifest(f"genimage:{root / 'set'}"), root / "m.parquet")
    save_annotations(
        pl.DataFrame({"path": ["a.png"], "gt_kind": ["box"]}, schema_overrides=ANNOTATIONS), root / "r.parquet"
    )
    shutil.copy(root / "r.parquet", root / "regions.parquet")
    return root


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "world"))


def one_sentence(err: str, file: str) -> None:
    (line,) = [line for line in err.strip().splitlines() if line.startswith("synthscope: ")]
    assert line.startswith("synthscope: Expected ") and file in line and line.endswith("."), err
    assert "Traceback" not in err


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize(("file", "verb"), CASES)
def test_a_broken_file_of_a_run(
    file: str, verb: str, kind: str, world: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (path,) = [path for path in (world / "run" / file, world / "why" / file) if path.is_file()]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if BROKEN[kind] is None else BROKEN[kind])
    if path.suffix == ".json" and kind == "cut":
        path.write_bytes(b"7")  # JSON, but of another kind
    assert run(verb, world, monkeypatch) == 1
    one_sentence(capfd.readouterr().err, file)


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize(
    ("file", "verb", "code"),
    [
        ("m.parquet", "predict m.parquet -d detector -o OUT", 1),
        ("m.parquet", "train m.parquet -c cpu_small -o OUT", 1),
        ("r.parquet", "annotate export r.parquet -o coco:OUT/a.json", 1),
        ("detector/config.json", "detectors show detector", 1),
        ("detector/model.safetensors", "predict m.parquet -d detector -o OUT", 1),
        ("mine.yaml", "train m.parquet -c mine.yaml -o OUT", 2),
        ("mine.yaml", "benchmark -c mine.yaml -o OUT", 2),
        ("a.json", "annotate import coco:a.json -o OUT/a.parquet", 1),
        ("a.json", "annotate import labelstudio:a.json -o OUT/a.parquet", 1),
        ("a.xml", "annotate import cvat:a.xml -o OUT/a.parquet", 1),
        ("a.csv", "data index csv:a.csv -o OUT/a.parquet", None),
        ("b.csv", "analyze correlation b.csv -o OUT", 1),
        ("a.parquet", "data index parquet:a.parquet -o OUT/b.parquet", 1),
        ("a.parquet", "annotate import xaigd:a.parquet -o OUT/b.parquet", 1),
        ("a.pth", "detectors import a.pth --as npr -o OUT", 1),
    ],
)
def test_a_broken_file_of_the_user(
    file: str, verb: str, code: int | None, kind: str, world: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = world / file
    whole = path.read_bytes() if path.is_file() else b"PAR1 and no more"
    path.write_bytes(whole[: len(whole) // 2] if BROKEN[kind] is None else BROKEN[kind])
    found = run(verb, world, monkeypatch)
    assert found == code if code else found in (1, 2)
    one_sentence(capfd.readouterr().err, file)


WRITERS = [
    "data index genimage:set -o file/m.parquet",
    "data verify m.parquet -o file/m.parquet",
    "data audit m.parquet -o file/a.parquet",
    "data sandbox -o file/world --train 1 --val 1",
    "predict m.parquet -d detector -o file/run",
    "explain m.parquet -d detector -e input_x_grad -o file/run",
    "train m.parquet -c cpu_small --set data.holdout=0.5 -o file/detector",
    "report RUN -o file/report.html",
    "analyze correlation RUN -o file/x",
    "analyze frequency m.parquet --n 2 --size 32 -o file/x",
    "annotate import r.parquet -o file/a.parquet",
    "annotate export r.parquet -o coco:file/a.json",
    "annotate export r.parquet -o labelme:file/a",
    "annotate export r.parquet -o cvat:file/a.xml",
]


@pytest.mark.parametrize("verb", WRITERS)
@pytest.mark.parametrize("place", ["file", "/proc/absent"])
def test_a_place_that_cannot_be_written(
    verb: str, place: str, world: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (world / "file").write_text("a file, no folder")
    assert run(verb.replace("file/", f"{place}/"), world, monkeypatch) == 1
    err = capfd.readouterr().err
    assert "Expected to write" in err
    one_sentence(err, place)
    assert (world / "file").read_text() == "a file, no folder"
