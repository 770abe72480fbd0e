"""The run: heatmaps kept by key, and scores on images where it is known what a detector looks at."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor
from typer.testing import CliRunner

from synthscope.annotations import ANNOTATIONS, save_annotations
from synthscope.cli import app
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.detectors.input import InputConfig, Placed
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers import EXPLAINERS
from synthscope.explainers.base import Explainer
from synthscope.inference.heatmaps import batches
from synthscope.inference.heatmaps.explain import HEATMAPS, explain
from synthscope.inference.heatmaps.store import read_heatmap, read_index, write_part
from synthscope.inference.predict import predict
from synthscope.report.heatmaps.run import HeatmapRun
from synthscope.schema import MANIFEST, conform
from synthscope.scoring.heatmaps.score import heatmap_values, write_heatmap_scores
from synthscope.scoring.heatmaps.stability import stability
from synthscope.scoring.heatmaps.summary import HEATMAP_SCORES, summarise_values

EDGE, TEXTURE = "low-level-edge_shape", "low-level-texture"


class RedSeeker(Detector):
    """Counts how much redder than green pixels are; ``input_x_grad:baseline=black`` is that very map."""

    calls = 0

    def __init__(self, **input: object) -> None:
        config = InputConfig.model_validate({"resize": None, "crop": None, **input})
        super().__init__(DetectorConfig(name="red", architecture="red", input=config))

    def forward(self, images: Tensor) -> Tensor:
        RedSeeker.calls += 1
        pixels = images.float()
        return (pixels[:, 0] - pixels[:, 1]).relu().sum((1, 2)) / 255


class RedCubes(RedSeeker):
    """The same to the power of 3."""

    def forward(self, images: Tensor) -> Tensor:
        RedSeeker.calls += 1
        pixels = images.float() / 255
        return (pixels[:, 0] - pixels[:, 1]).relu().pow(3).sum((1, 2))


METHOD = "input_x_grad:baseline=black"


def rectangle(rows: tuple[int, int], columns: tuple[int, int]) -> list[list[list[float]]]:
    (top, bottom), (left, right) = rows, columns  # the boundary belongs to a polygon
    return [[[left, top], [right - 1, top], [right - 1, bottom - 1], [left, bottom - 1]]]


@pytest.fixture
def world(tmp_path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Three grey images of 40 x 60 with a red rectangle of 8 x 10, the third annotated as clean, and an unreadable."""
    rows, regions = [], []
    for number in range(3):
        rgb = np.full((40, 60, 3), 90 + number, np.uint8)
        top, left = 12 + number, 20 + 2 * number
        rgb[top : top + 8, left : left + 10] = (255, 0, 0)
        path = tmp_path / f"{number}.png"
        Image.fromarray(rgb).save(path)
        rows.append({"path": str(path), "label": 1, "generator": "one" if number else "other"})
        image = {"path": str(path), "width": 60, "height": 40, "gt_kind": "polygon"}
        drawn = rectangle((top, top + 8), (left, left + 10))
        elsewhere = rectangle((0, 4), (0, 5))
        if number < 2:
            regions.append(image | {"region": 1, "category": EDGE, "polygons": drawn})
        if number == 1:
            regions.append(image | {"region": 2, "category": TEXTURE, "polygons": elsewhere})
        if number == 2:
            regions.append(image | {"region": None})
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows.append({"path": str(tmp_path / "broken.png"), "label": 0, "generator": "real"})
    return conform(pl.DataFrame(rows), MANIFEST, "m"), pl.DataFrame(regions, schema=ANNOTATIONS)


def one(scores: pl.DataFrame, **wanted: object) -> dict[str, object]:
    for name in ("category", "level"):
        scores = scores.filter(pl.col(name).is_null() if wanted.get(name) is None else pl.col(name) == wanted[name])
    rest = {name: value for name, value in wanted.items() if name not in ("category", "level")}
    return scores.filter(**rest).row(0, named=True)


def test_scores_of_a_detector_that_looks_at_known_pixels(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    table = explain(manifest, [RedSeeker()], [METHOD], out=tmp_path / "run", conditions=["none", "resize:scale=0.5"])
    assert table.schema == HEATMAPS and table.height == 8
    assert table.filter(pl.col("error").is_not_null())["path"].unique().to_list() == [str(tmp_path / "broken.png")]
    heat = read_heatmap(tmp_path / "run/heatmaps", table.row(0, named=True))
    expected = np.zeros((40, 60))
    expected[12:20, 20:30] = 1
    np.testing.assert_allclose(heat, expected, atol=1e-3)
    scores = write_heatmap_scores(tmp_path / "run", annotations)
    assert scores.schema == HEATMAP_SCORES
    assert scores.equals(pl.read_parquet(tmp_path / "run/explanation_scores.parquet"))

    any_other = one(scores, generator="other", condition="none", metric="relevance_mass")
    area = 80 / 2400
    assert any_other["value"] == pytest.approx(1) and any_other["n_images"] == any_other["n_instances"] == 1
    assert any_other["baseline_random"] == pytest.approx(area) and any_other["lift"] == pytest.approx(1 - area)
    assert any_other["baseline_centre"] > area  # type: ignore[operator]
    assert any_other["ci_low"] is None and any_other["gt_kind"] == "polygon" and any_other["layer"] == "input"

    edge = one(
        scores, generator="all", condition="none", metric="iou_at_area", category=EDGE, level="Low-level Distortions"
    )
    assert edge["value"] == pytest.approx(1) and (edge["n_images"], edge["n_instances"], edge["n_excluded"]) == (
        2,
        2,
        1,
    )
    texture = one(
        scores,
        generator="one",
        condition="none",
        metric="relevance_mass",
        category=TEXTURE,
        level="Low-level Distortions",
    )
    assert texture["value"] == 0 and texture["n_images"] == 1 and texture["n_excluded"] == 1
    level = one(scores, generator="all", condition="none", metric="relevance_mass", level="Low-level Distortions")
    assert level["n_instances"] == 3

    micro = {
        m: one(scores, generator="all", condition="none", metric=f"micro_{m}")
        for m in ("iou", "precision", "recall", "f1")
    }
    assert micro["precision"]["value"] == pytest.approx(160 / 240)  # the clean image's rectangle is a false positive
    assert micro["recall"]["value"] == pytest.approx(160 / 180)
    assert micro["iou"]["value"] == pytest.approx(160 / 260)
    assert micro["f1"]["value"] == pytest.approx(2 * 160 / (240 + 180)) and micro["f1"]["n_images"] == 3

    half = one(scores, generator="all", condition="resize:scale=0.5", metric="relevance_mass")
    assert 0.6 < half["value"] <= 1  # type: ignore[operator]
    for metric in ("stability_spearman", "stability_cosine", "stability_iou_10pct"):
        assert 0.3 < one(scores, generator="all", condition="resize:scale=0.5", metric=metric)["value"] <= 1  # type: ignore[operator]


def test_masks_follow_the_view(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, annotations = world
    manifest = manifest.head(1).with_columns(view=pl.lit("crop:size=32|resize:scale=2"))
    explain(manifest, [RedSeeker(resize=32)], [METHOD], out=tmp_path / "run")
    scores = write_heatmap_scores(tmp_path / "run", annotations)
    assert one(scores, generator="all", metric="relevance_mass")["value"] > 0.75  # type: ignore[operator]
    assert one(scores, generator="all", metric="relevance_mass")["baseline_random"] == pytest.approx(
        80 / 1024, rel=0.05
    )


def test_annotations_are_found_by_sha256_too(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, annotations = world
    table = explain(manifest.head(1), [RedSeeker()], [METHOD], out=tmp_path / "run")
    moved = annotations.head(1).with_columns(path=pl.lit("elsewhere.png"), sha256=pl.lit(table["sha256"][0]))
    assert write_heatmap_scores(tmp_path / "run", moved).height
    with pytest.raises(SynthscopeError, match="annotated images or several conditions"):
        write_heatmap_scores(tmp_path / "run", moved.with_columns(sha256=pl.lit("0")))


def test_nothing_is_computed_twice(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, _ = world
    manifest = pl.concat([manifest, manifest.head(1)])  # the same file twice
    out = tmp_path / "run"
    first = explain(manifest.head(2), [RedSeeker()], [METHOD], out=out)
    RedSeeker.calls = 0
    assert explain(manifest.head(2), [RedSeeker()], [METHOD], out=out).equals(first) and RedSeeker.calls == 0
    whole = explain(
        manifest, [RedSeeker()], [METHOD, "occlusion:window=20,stride=20"], out=out, conditions=["none", "jpeg:q=50"]
    )
    assert whole.height == 5 * 4 and whole["part"].null_count() == 4
    assert read_index(out / "heatmaps").height == 3 * 4
    RedSeeker.calls = 0
    explain(manifest, [RedSeeker()], ["occlusion:window=20,stride=20"], out=out)
    assert RedSeeker.calls == 0
    explain(manifest, [RedSeeker(resize=20)], [METHOD], out=out)  # another preprocessing
    assert RedSeeker.calls > 0
    settings = json.loads((out / "explain.json").read_text())
    assert settings["sign"] == {METHOD: "signed"}


def test_the_gap_of_integrated_gradients_is_kept_and_told(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, _ = world
    out, methods = tmp_path / "run", ["integrated_gradients:baseline=black,steps=1,max_steps=1", METHOD]
    table = explain(manifest.head(2), [RedCubes()], methods, out=out)
    assert table.filter(explainer=METHOD)["completeness_gap"].null_count() == 2
    gaps = table.filter(explainer=methods[0])["completeness_gap"].to_list()
    assert gaps == pytest.approx([0.25, 0.25], abs=1e-4)  # 3 t ** 2 is 0.75 at 0.5, and 1 on the mean of 0 to 1
    told = capsys.readouterr().err
    assert f"completeness gap of {methods[0]} of red@" in told and "median 25.00%, worst 25.00%" in told
    assert METHOD not in told

    for part in (out / "heatmaps").glob("*.parquet"):  # as older versions wrote them
        pl.read_parquet(part).drop("completeness_gap").write_parquet(part)
    RedSeeker.calls = 0
    again = explain(manifest.head(2), [RedCubes()], methods, out=out)
    assert RedSeeker.calls == 0 and again.equals(table.with_columns(completeness_gap=pl.lit(None, pl.Float64)))
    assert "completeness" not in capsys.readouterr().err


def test_results_do_not_depend_on_batches_or_order(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, _ = world
    detector = create_detector("cnn_small", input={"crop": 32})
    one_by_one = explain(manifest.head(3), [detector], ["layercam"], out=tmp_path / "a", batch_size=1)
    together = explain(manifest.head(3).reverse(), [detector], ["layercam"], out=tmp_path / "b", workers=1)
    for a, b in zip(one_by_one.iter_rows(named=True), together.reverse().iter_rows(named=True), strict=True):
        assert a["path"] == b["path"]
        maps = [read_heatmap(tmp_path / run / "heatmaps", row) for run, row in (("a", a), ("b", b))]
        np.testing.assert_allclose(maps[0], maps[1], rtol=2e-3, atol=1e-3 * np.abs(maps[1]).max())


def test_logits_are_those_of_predict_and_come_from_one_pass_for_all(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, _ = world
    detectors = [create_detector("cnn_small", input={"crop": 32}), RedSeeker(crop=32)]
    conditions, methods = ["none", "jpeg:q=50"], ["input_x_grad", METHOD, "gradcam", "layercam"]
    predicted = predict(manifest.head(3), detectors, out=tmp_path / "predicted", conditions=conditions)
    RedSeeker.calls = 0
    table = explain(manifest.head(3), detectors, methods, out=tmp_path / "run", conditions=conditions, batch_size=3)
    assert RedSeeker.calls - 2 == len(conditions)  # and two that find no maps to look at
    both = table.join(predicted, on=["sha256", "detector", "condition"], suffix="_predicted")
    assert both.height == table.height == 3 * 2 * (4 + 2) and both["logit"].n_unique() > 6
    np.testing.assert_allclose(both["logit"], both["logit_predicted"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(both["p_ai"], both["p_ai_predicted"], rtol=1e-5, atol=1e-6)
    assert both["threshold"].equals(both["threshold_predicted"])
    verdicts = HeatmapRun(tmp_path / "run").verdicts()
    clean = predicted.filter(condition="none").select("detector", "path", pl.col("logit") > pl.col("threshold"), "p_ai")
    assert len(verdicts) == clean.height == 6
    for detector, path, ai, p in clean.iter_rows():
        assert verdicts[detector, path] == (ai, pytest.approx(p, rel=1e-5, abs=1e-6))
    later = explain(manifest.head(3), detectors, [*methods, "rise:masks=4"], out=tmp_path / "run")
    again = later.filter(pl.col("explainer") == "rise:masks=4").join(predicted, on=["sha256", "detector", "condition"])
    np.testing.assert_allclose(again["logit"], again["logit_right"], rtol=1e-5, atol=1e-5)

    for part in (tmp_path / "run/heatmaps").glob("*.parquet"):  # as older versions wrote them
        pl.read_parquet(part).drop("logit").write_parquet(part)
    assert explain(manifest.head(3), detectors, methods, out=tmp_path / "run")["logit"].null_count() == 3 * (4 + 2)


class Stateful(Explainer):
    """Hangs a hook into the detector and remembers what it saw: wrong as soon as two threads share either."""

    name = "stateful"

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        def keep(module: torch.nn.Module, args: object, output: Tensor) -> None:
            time.sleep(0.01)
            self.seen = output

        handle = detector.get_submodule("stages").register_forward_hook(keep)
        detector(images)
        handle.remove()
        assert len(detector.get_submodule("stages")._forward_hooks) == 0
        return self.seen.mean((1, 2, 3))[:, None, None].expand(-1, *images.shape[-2:])


def test_threads_explain_side_by_side_and_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, paths = np.random.default_rng(0), []
    for number in range(40):  # three chunks
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(paths[-1])
    manifest = conform(pl.DataFrame({"path": [*paths, paths[3]]}), MANIFEST, "m")
    detector, runs = create_detector("cnn_small", input={"crop": 32}), []
    monkeypatch.setitem(EXPLAINERS._values, "stateful", Stateful)
    threads: set[int] = set()
    made = batches.explain_batch
    monkeypatch.setattr(batches, "explain_batch", lambda *given: (threads.add(threading.get_ident()), made(*given))[1])
    for workers in (1, 4):
        out = tmp_path / f"run{workers}"
        table = explain(manifest, [detector], ["stateful", "gradcam"], out=out, workers=workers, batch_size=2)
        runs.append([read_heatmap(out / "heatmaps", row) for row in table.iter_rows(named=True)])
        assert table.height == 82 and read_index(out / "heatmaps").height == 80
    assert len(threads) > 2 and threading.get_ident() not in threads
    for one, other in zip(*runs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-6)
    assert len({float(heat.mean()) for heat in runs[1][::2]}) > 30  # of each image its own, in half precision


def test_copies_share_weights_and_nothing_else() -> None:
    detector = create_detector("cnn_small", input={"crop": 32})
    copied = batches.twin(detector)
    originals = dict(detector.state_dict(keep_vars=True)) | {"mean": detector.mean}
    copies = dict(copied.state_dict(keep_vars=True)) | {"mean": copied.mean}
    assert all(copies[name] is tensor for name, tensor in originals.items()) and len(originals) > 4
    assert not set(map(id, detector.modules())) & set(map(id, copied.modules()))


def test_the_store_keeps_tiny_values_and_survives_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heat = np.array([[1e-12, -3e-12], [0, 5e-13]], np.float32)
    key = {"sha256": "s", "view": "none", "detector": "d", "preprocessing": "p", "explainer": "e", "options": "{}"}
    key |= {"layer": "l", "condition": "none", "seed": 0, "height": 2, "width": 2}  # type: ignore[dict-item]
    write_part(tmp_path, [key, key | {"condition": "x"}], [heat, np.zeros((3, 1), np.float32)])
    index = read_index(tmp_path)
    np.testing.assert_allclose(read_heatmap(tmp_path, index.row(0, named=True)), heat, rtol=1e-3)
    assert not read_heatmap(tmp_path, index.row(1, named=True)).any()
    (npz,) = tmp_path.glob("*.npz")
    npz.write_bytes(npz.read_bytes()[:50])
    with pytest.raises(SynthscopeError, match=r"Delete part-.*\.parquet"):
        read_heatmap(tmp_path, index.row(0, named=True))
    npz.unlink()
    assert read_index(tmp_path).is_empty() and "computed again" in capsys.readouterr().err


def test_pairs_that_do_not_fit_are_left_out(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, _ = world
    table = explain(manifest.head(1), [RedSeeker()], [METHOD, "chefer"], out=tmp_path / "run")
    assert table["explainer"].to_list() == [METHOD]
    assert "left out: chefer of red@" in capsys.readouterr().err
    for arguments, sentence in {
        ((), ("gradcam",)): "at least one detector",
        (("red",), ()): "at least one explainer",
        (("red",), ("chefer",)): "that fits a detector",
        (("red",), (METHOD, METHOD)): "twice",
    }.items():
        with pytest.raises(UsageError, match=sentence):
            explain(manifest, [RedSeeker() for _ in arguments[0]], arguments[1], out=tmp_path / "run")
    with pytest.raises(UsageError, match="empty manifest"):
        explain(manifest.head(0), [RedSeeker()], [METHOD], out=tmp_path / "run")
    with pytest.raises(UsageError, match="Expected one recipe as the view of heatmaps, got aligned"):
        explain(manifest.with_columns(protocol=pl.lit("aligned")), [RedSeeker()], [METHOD], out=tmp_path / "run")


def test_conditions_that_crop_are_not_compared(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, annotations = world
    explain(manifest.head(1), [RedSeeker()], [METHOD], out=tmp_path / "run", conditions=["none", "crop:frac=0.5"])
    with pytest.raises(UsageError, match="keep the whole image"):
        write_heatmap_scores(tmp_path / "run", annotations)


def test_inputs_that_a_detector_chooses_itself_are_not_scored(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    detector = create_detector("ssp", options={"side": 32})
    table = explain(manifest.head(1), [detector], ["input_x_grad"], out=tmp_path / "run")
    assert table["input"][0] is None and table["part"][0] is not None
    with pytest.raises(SynthscopeError, match="got neither"):
        write_heatmap_scores(tmp_path / "run", annotations)


def test_stability_of_known_maps() -> None:
    rng = np.random.default_rng(0)
    heat, seen = rng.normal(size=(20, 20)).astype(np.float32), np.ones((20, 20), bool)
    assert stability(Placed(heat, seen), Placed(np.exp(heat), seen))[0] == pytest.approx(1)
    rank, cosine, iou = stability(Placed(heat, seen), Placed(-heat, seen))
    assert (rank, cosine, iou) == pytest.approx((-1, -1, 0))
    left = seen.copy()
    left[:, 10:] = False
    half = np.where(left, heat, 99).astype(np.float32)  # differs only where it did not look
    assert stability(Placed(heat, seen), Placed(half, left)) == pytest.approx([1, 1, 1])
    assert np.isnan(stability(Placed(heat, seen), Placed(np.zeros_like(heat), seen))).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 9, 10**6]), st.integers(2, 300))
def test_stability_is_that_of_ranks_and_quantiles(seed: int, values: int, pixels: int) -> None:
    """Against scipy and numpy, with ties, negative values and both zeros."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-values, values + 1, (2, 1, pixels)) / np.float32(values) * 1e-9).astype(np.float32)
    a[0, :2], b[0, :2] = (-0.0, 1), (1, 0.0)
    everywhere = np.ones((1, pixels), bool)
    x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    top_x, top_y = x > np.quantile(x, 0.9), y > np.quantile(y, 0.9)
    union = (top_x | top_y).sum()
    expected = [spearmanr(x, y).statistic, x @ y / np.sqrt((x @ x) * (y @ y))]
    expected.append((top_x & top_y).sum() / union if union else np.nan)
    found = stability(Placed(a, everywhere), Placed(b, everywhere))
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_blank_maps_are_counted_and_means_have_intervals() -> None:
    common = {"detector": "d", "explainer": "e", "layer": "l", "view": "none", "condition": "none", "generator": "g"}
    values = [0.1, 0.3, 0.5, float("nan")]
    rows = [
        common | {"path": str(i), "metric": "m", "value": v, "baseline_random": 0.2, "n_instances": 2}
        for i, v in enumerate(values)
    ]
    from synthscope.scoring.heatmaps.summary import VALUES

    summary = summarise_values(pl.DataFrame(rows, schema=VALUES)).filter(generator="g").row(0, named=True)
    assert summary["value"] == pytest.approx(0.3) and summary["lift"] == pytest.approx(0.1)
    assert (summary["n_images"], summary["n_blank"], summary["n_instances"]) == (4, 1, 8)
    assert 0.1 <= summary["ci_low"] < 0.3 < summary["ci_high"] <= 0.5


def test_runs_know_the_groups_of_the_manifest_and_older_ones_the_bytes(
    world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    manifest, annotations = world
    grouped = manifest.with_columns(group=pl.Series(["a", "a", None, None]))
    run = tmp_path / "run"
    table = explain(grouped, [RedSeeker()], [METHOD], out=run)
    assert table["group"].to_list() == ["a", "a", None, None]
    known = dict(heatmap_values(run, annotations).select("path", "group").rows())
    assert list(known.values()) == ["group a", "group a", f"sha256 {table['sha256'][2]}"]
    table.drop("group").write_parquet(run / "explanations.parquet")
    assert set(heatmap_values(run, annotations)["group"]) == {f"sha256 {name}" for name in table["sha256"][:3]}


def test_the_command(world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    manifest, annotations = world
    manifest.write_parquet(tmp_path / "m.parquet")
    save_annotations(annotations, tmp_path / "a.parquet")
    save_detector(create_detector("cnn_small", input={"crop": 32}), tmp_path / "det")
    arguments = ["explain", tmp_path / "m.parquet", "-d", tmp_path / "det", "-e", "layercam", "-e", "chefer"]
    arguments += [
        "--degrade",
        "none",
        "--degrade",
        "jpeg:q=65",
        "--annotations",
        tmp_path / "a.parquet",
        "-o",
        tmp_path / "run",
    ]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 3, result.output  # one file is unreadable
    assert "explanation_scores.parquet" in result.stdout and "relevance_mass" in result.stdout
    assert "broken.png" in result.stderr and "left out: chefer" in result.stderr
    scores = pl.read_parquet(tmp_path / "run/explanation_scores.parquet")
    assert set(scores["condition"]) == {"none", "jpeg:q=65"}
    cropped = CliRunner().invoke(app, [str(a) for a in [*arguments, "--degrade", "crop:frac=0.5"]])
    assert isinstance(cropped.exception, UsageError)


def test_heatmaps_of_a_loaded_detector_need_no_gradient_mode(tmp_path: Path) -> None:
    from synthscope.explainers.base import create_explainer

    with torch.no_grad():
        heat = create_explainer("input_x_grad")(RedSeeker().eval(), torch.full((1, 3, 4, 4), 9.0))
    assert heat.shape == (1, 4, 4)
