"""Many files: in order, each content once, and no work done twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from synthscope.inspection import run as module
from synthscope.inspection.calibrated import Calibrated
from synthscope.inspection.evidence import Answer, Evidence
from synthscope.inspection.inspect import Settings
from synthscope.inspection.run import Inspected, inspect_files
from synthscope.inspection.table import summary, table
from tests.inspection.conftest import Calibrate, scene

QUICK = Settings(stability=False, explainers=())


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Four images, the last a copy of the first, then a file that is none, and one that is not there."""
    found = [tmp_path / f"{name}.jpg" for name in "abcd"]
    for seed, path in enumerate(found[:3]):
        Image.fromarray(scene(seed)).save(path)
    shutil.copy(found[0], found[3])
    (tmp_path / "none.jpg").write_bytes(b"no image")
    return [*found, tmp_path / "none.jpg", tmp_path / "absent.jpg"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that detectors were asked about."""
    names: list[str] = []
    whole = module.inspect_image

    def count(examined, *rest, **more):  # type: ignore[no-untyped-def]
        names.append(examined.file.name)
        return whole(examined, *rest, **more)

    monkeypatch.setattr(module, "inspect_image", count)
    return names


def run(paths: Sequence[Path], asked: Calibrated, out: Path, settings: Settings = QUICK) -> list[Inspected]:
    return list(inspect_files(paths, [asked], settings, out=out, workers=2))


def test_files_come_in_order_and_each_content_is_scored_once(
    paths: list[Path], calibrate: Calibrate, tmp_path: Path, counted: list[str]
) -> None:
    asked = calibrate([0.0] * 100)
    found = run(paths, asked, tmp_path / "out")
    assert [one.path for one in found] == paths
    assert [one.evidence.file.name for one in found] == [path.name for path in paths]
    assert sorted(counted) == ["a.jpg", "b.jpg", "c.jpg", "none.jpg"] or sorted(counted) == [
        "b.jpg", "c.jpg", "d.jpg", "none.jpg",
    ]  # fmt: skip
    first, copy = found[0].evidence, found[3].evidence
    assert first.detectors == copy.detectors
    assert [one.evidence.answer for one in found[4:]] == [Answer.NOT_APPLICABLE] * 2
    assert "6 files: " in summary(found) and "2 not applicable" in summary(found)
    rows = table(found, [asked])
    assert rows["path"].to_list() == list(map(str, paths))
    assert rows["logit"].null_count() == 2 and rows["p_ai"].null_count() == 6  # the detector stores no calibration


def test_a_second_run_asks_nobody(paths: list[Path], calibrate: Calibrate, tmp_path: Path, counted: list[str]) -> None:
    asked = calibrate([0.0] * 100)
    first = run(paths, asked, tmp_path / "out")
    counted.clear()
    assert run(paths, asked, tmp_path / "out") == first
    assert counted == []


@pytest.mark.parametrize("what", ["settings", "reference", "file"])
def test_what_changes_is_asked_again(
    paths: list[Path], calibrate: Calibrate, tmp_path: Path, counted: list[str], what: str
) -> None:
    run(paths[:2], calibrate([0.0] * 100), tmp_path / "out")
    counted.clear()
    asked, settings = calibrate([0.0] * 100), QUICK
    if what == "settings":
        settings = QUICK.model_copy(update={"level": 0.02})
    elif what == "reference":
        asked = calibrate([1.0] * 100)
    else:
        Image.fromarray(scene(9)).save(paths[0])
    run(paths[:2], asked, tmp_path / "out", settings)
    assert sorted(counted) == (["a.jpg"] if what == "file" else ["a.jpg", "b.jpg"])


def test_a_damaged_file_of_the_run_is_made_again(paths: list[Path], calibrate: Calibrate, tmp_path: Path) -> None:
    asked = calibrate([0.0] * 100)
    first = run(paths[:1], asked, tmp_path / "out")
    (stored,) = (tmp_path / "out" / "evidence").rglob("*.json")
    stored.write_text(stored.read_text()[:-20])
    assert run(paths[:1], asked, tmp_path / "out") == first
    Evidence.model_validate_json(stored.read_bytes())


def test_a_heatmap_that_is_missing_is_made_again(paths: list[Path], calibrate: Calibrate, tmp_path: Path) -> None:
    asked, settings = calibrate([0.0]), QUICK.model_copy(update={"explainers": ("gradcam",)})
    first = run(paths[:1], asked, tmp_path / "out", settings)
    (overlay,) = (tmp_path / "out" / "heatmaps").rglob("*.png")
    overlay.unlink()
    assert run(paths[:1], asked, tmp_path / "out", settings) == first and overlay.is_file()


def test_heatmaps_are_files_beside_the_evidence(paths: list[Path], calibrate: Calibrate, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"explainers": ("gradcam", "input_x_grad")})
    (one,) = run(paths[:1], calibrate([0.0]), tmp_path / "out", settings)
    assert [heatmap.explainer for heatmap in one.evidence.heatmaps] == ["gradcam", "input_x_grad"]
    for heatmap in one.evidence.heatmaps:
        for name in (heatmap.raw, heatmap.overlay):
            assert name is not None and (tmp_path / "out" / name).stat().st_size > 100
