"""Backends agree with eager float32, say how far they are from it, and never mix with it in a run."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor

from synthscope.detectors import DETECTORS
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inference.backends import BACKENDS, Model, Setting, choose
from synthscope.inference.backends.choose import load_models
from synthscope.inference.backends.drift import drift, noise
from synthscope.inference.predict import predict
from synthscope.schema import write_table
from synthscope.scoring.score import score

PACKAGES = {"onnx": ("onnxruntime", "onnxscript"), "openvino": ("openvino", "onnxscript")}
SMALL: dict[str, dict[str, object]] = {  # inputs and options that keep the test cheap
    "cnn_small": {"input": {"crop": 32}},
    "spectrum_lr": {"input": {"crop": 32}},
    "tiny_ladeda": {"input": {"resize": 32}},
    "timm:test_resnet": {"input": {"resize": None, "crop": 32}},
    "timm:test_vit": {"input": {"resize": None, "crop": 32}},
}
LARGER: dict[str, dict[str, object]] = {
    "artifact_vit": {"input": {"resize": None, "crop": 32}},
    "f3net": {},
    "freqnet": {"input": {"resize": 64}},
    "gramnet": {"input": {"resize": 96}},
    "npr": {"input": {"resize": 32}},
    "spec": {},
    "swin_t": {},
}
MINUTES = pytest.mark.skipif("SLOW" not in os.environ, reason="takes minutes; set SLOW=1")
FALL_BACK = {("openvino", "spectrum_lr"), ("openvino", "freqnet"), ("openvino", "spec"), ("onnx", "spec")}


def installed(backend: str) -> bool:
    return all(map(find_spec, PACKAGES[backend]))


def needs(backend: str) -> None:
    if not installed(backend):
        pytest.skip(f"the extra {backend} is not installed")


class Blind(Detector):
    """Mean colour, scaled."""

    def __init__(self, name: str = "blind", side: int | None = 16) -> None:
        super().__init__(DetectorConfig(name=name, architecture="b", input=InputConfig(resize=None, crop=side)))
        self.scale = torch.nn.Parameter(torch.tensor([0.3, -0.2, 0.1]))

    def forward(self, images: Tensor) -> Tensor:
        return (self.normalize(images).mean((2, 3)) * self.scale).sum(1)


class Turned(Blind):
    """The path depends on values."""

    def forward(self, images: Tensor) -> Tensor:
        values = super().forward(images)
        return values if values.sum() > 0 else -values


class Convolved(Blind):
    """A convolution, which int8 rounds."""

    def __init__(self) -> None:
        super().__init__("convolved")
        self.first = torch.nn.Conv2d(3, 4, 3)
        torch.nn.init.normal_(self.first.weight, generator=torch.Generator().manual_seed(0))

    def forward(self, images: Tensor) -> Tensor:
        return self.first(self.normalize(images)).relu().mean((1, 2, 3))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(10):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    paths = sorted(map(str, folder.glob("*.png")))
    fields = {"generator": pl.lit("adm"), "subset": pl.lit("adm"), "split": pl.lit("val")}
    return pl.DataFrame({"path": paths, "label": [0, 1] * 5}).with_columns(**fields)


@pytest.mark.parametrize(
    "architecture", [*SMALL, *(pytest.param(name, marks=[pytest.mark.slow, MINUTES]) for name in LARGER)]
)
def test_every_architecture_agrees_with_eager_or_falls_back(architecture: str, tmp_path: Path) -> None:
    needs("onnx")
    detector = create_detector(architecture, **(SMALL | LARGER)[architecture]).eval()  # type: ignore[arg-type]
    side = detector.config.input.side or 0
    setting = Setting(noise((3, side, side)), batch_size=4, workers=2, folder=tmp_path)
    batch = torch.randint(0, 256, (5, 3, side, side), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = detector(batch)
    for backend in [name for name in PACKAGES if installed(name)]:
        loaded = choose._checked(detector, backend, "fp32", setting.images, setting)
        sizes = [1, 2, 3, 5] * 3
        with ThreadPoolExecutor(3, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for count, found in zip(sizes, pool.map(lambda n: loaded.model(batch[:n]), sizes), strict=True):  # noqa: B023
                assert found.dtype == torch.float32
                torch.testing.assert_close(found, expected[:count], rtol=1e-4, atol=1e-4)
        if (backend, architecture) in FALL_BACK:
            assert loaded.backend == "eager" and loaded.told["instead_of"] == backend and loaded.told["reason"]
        else:
            assert loaded.backend == backend and loaded.told["max_difference"] < 1e-4, loaded.told


def test_no_architecture_is_forgotten() -> None:
    same = {  # the net of another one, at a size that no test has
        "cnnspot": "timm:test_resnet", "resnet50": "timm:test_resnet", "ssp": "timm:test_resnet",
        "drct_convnext": "swin_t", "drct_clip": "timm:test_vit", "deit_s": "timm:test_vit", "univfd": "timm:test_vit",
        "linear_probe": "timm:test_vit", "timm": "timm:test_vit", "ladeda": "tiny_ladeda", "srm_small": "cnn_small",
        "safe": "npr", "rine": "timm:test_vit", "effort": "timm:test_vit", "c2p_clip": "timm:test_vit",
        "commfor": "timm:test_vit", "dda": "timm:test_vit", "bfree": "timm:test_vit",
        "cospy": "npr", "cospy_progan": "npr",
        "aide": "timm:test_resnet",
    }  # fmt: skip
    assert set(DETECTORS) == {name for name in {**SMALL, **LARGER} if ":" not in name} | set(same)
    assert set(same.values()) <= {*SMALL, *LARGER}


def test_compile_is_the_same_from_several_threads_for_any_batch() -> None:
    detector = Blind().eval()
    (loaded,) = load_models({"blind": detector}, "compile", "fp32", batch_size=4, workers=3)
    if loaded.backend == "eager":
        pytest.skip(f"torch.compile does not work here: {loaded.told['reason']}")
    batch = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    expected = detector(batch).detach()
    with ThreadPoolExecutor(3, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for count, found in zip([1, 4, 3] * 4, pool.map(lambda n: loaded.model(batch[:n]), [1, 4, 3] * 4), strict=True):
            torch.testing.assert_close(found, expected[:count], rtol=1e-5, atol=1e-5)


def registered(monkeypatch: pytest.MonkeyPatch, name: str, model: Model | Exception) -> None:
    def build(detector: Detector, precision: str, setting: Setting) -> Model:
        if isinstance(model, Exception):
            raise model
        return lambda batch: detector(batch).detach() + model(batch)

    monkeypatch.setitem(BACKENDS._values, name, build)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda batch: torch.full((len(batch),), 0.02), "more than rounding (0.001)"),
        (lambda batch: torch.full((len(batch),), torch.nan), "not finite"),
        (lambda batch: torch.zeros(1, 1), "shape"),
        (ValueError("no rule for aten::odd\nmore"), "ValueError: no rule for aten::odd"),
    ],
)
def test_what_does_not_agree_falls_back_with_a_sentence(
    model: Model | Exception, reason: str, monkeypatch: pytest.MonkeyPatch, images: pl.DataFrame, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    registered(monkeypatch, "onnx", model)
    expected = predict(images, [Blind()], out=tmp_path / "eager")
    table = predict(images, [Blind()], out=tmp_path / "run", backend="onnx")
    assert table.equals(expected) and set(table["backend"]) == {"eager"}
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("backend:")]
    assert "eager fp32 instead of onnx" in line and reason in line
    (told,) = json.loads((tmp_path / "run" / "run.json").read_text())["backends"].values()
    assert told["instead_of"] == "onnx" and reason in told["reason"]


def test_drift_counts_verdicts_and_measures_the_largest_difference() -> None:
    detector = Blind().eval()
    inputs = torch.cat([noise((3, 16, 16))[:3], noise((3, 16, 16))])
    logits = detector(inputs).detach()
    detector.config = detector.config.model_copy(update={"threshold": float(logits[0]) + 0.005})
    found = drift(lambda batch: detector(batch).detach() + 0.01, detector, inputs, batch_size=4)
    flips = int(((logits > logits[0] + 0.005) != (logits + 0.01 > logits[0] + 0.005)).sum())
    assert found.difference == pytest.approx(0.01, rel=1e-3) and found.changed == flips >= 1
    assert (found.images, found.noise, found.within) == (3, 7, False)


def test_two_backends_of_one_detector_stay_apart_and_old_parts_are_eager(
    monkeypatch: pytest.MonkeyPatch, images: pl.DataFrame, tmp_path: Path
) -> None:
    registered(monkeypatch, "onnx", lambda batch: torch.full((len(batch),), 1e-5))
    eager = predict(images, [Blind()], out=tmp_path)
    for file in [*(tmp_path / "parts").glob("part-*.parquet"), tmp_path / "predictions.parquet"]:
        write_table(pl.read_parquet(file).drop("backend"), file)  # as before there were backends
    settings = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(settings | {"passes": [
        {key: value for key, value in one.items() if key != "backend"} for one in settings["passes"]]}))  # fmt: skip
    assert predict(images, [Blind()], out=tmp_path).equals(eager)
    told = json.loads((tmp_path / "run.json").read_text())
    assert len(told["passes"]) == 1 and told["scorings"] == 0
    other = predict(images, [Blind()], out=tmp_path, backend="onnx")
    assert set(other["backend"]) == {"onnx"} and (other["logit"] - eager["logit"]).abs().min() > 0
    both = pl.read_parquet(tmp_path / "predictions.parquet")
    assert both["backend"].value_counts().sort("backend").rows() == [("eager", 10), ("onnx", 10)]
    with pytest.raises(SynthscopeError, match="a run folder of its own"):
        score(both)


def test_auto_takes_the_fastest_and_stays_with_it(
    monkeypatch: pytest.MonkeyPatch, images: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(monkeypatch, "onnx", lambda batch: torch.zeros(len(batch)))
    registered(monkeypatch, "openvino", SynthscopeError("not installed"))
    monkeypatch.setattr(choose, "_rates", lambda models, batch: {"eager": 2.0, "onnx": 5.0})
    assert set(predict(images, [Blind()], out=tmp_path, backend="auto")["backend"]) == {"onnx"}
    assert "chosen by auto (relative speed on one core: eager 1, onnx 2.5)" in capsys.readouterr().err
    monkeypatch.setattr(choose, "_rates", lambda models, batch: {"eager": 2.0, "onnx": 1.0})
    assert set(predict(images, [Blind()], out=tmp_path, backend="auto")["backend"]) == {"onnx"}  # as the run began
    assert set(predict(images, [Blind()], out=tmp_path / "new", backend="auto")["backend"]) == {"eager"}


def test_the_probe_measures_each_in_turn() -> None:
    calls = {"a": 0, "b": 0}

    def model(name: str) -> Model:
        def run(batch: Tensor) -> Tensor:
            calls[name] += 1
            return batch

        return run

    rates = choose._rates({name: model(name) for name in calls}, torch.zeros(1))
    assert calls["a"] == calls["b"] > 1 and all(rate > 0 for rate in rates.values())


def test_int8_is_keyed_by_what_it_was_calibrated_on(images: pl.DataFrame, tmp_path: Path) -> None:
    needs("onnx")
    detector = Convolved()
    exact = predict(images, [detector], out=tmp_path)
    table = predict(images, [detector], out=tmp_path, precision="int8", backend="onnx")
    (precision,) = set(table["precision"])
    assert precision.startswith("int8@") and len(precision) == 13 and set(table["backend"]) == {"onnx"}
    difference = (table["logit"] - exact["logit"]).abs().max()
    assert 0 < difference < 0.2 * exact["logit"].abs().min()  # type: ignore[operator]
    again = predict(images[5:], [detector], out=tmp_path, precision="int8", backend="onnx")
    assert set(again["precision"]) != {precision}


def test_requests_that_cannot_be(images: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(sentence: str, **changes: object) -> None:
        with pytest.raises(SynthscopeError, match=sentence):
            predict(images, [Blind()], out=tmp_path, **changes)  # type: ignore[arg-type]

    fails("Did you mean openvino", backend="openvin")
    fails("fp32 or bf16 or fp16 for the backend eager, got int8. Add --backend onnx or openvino", precision="int8")
    fails("backend by name for shards", backend="auto", shard=(0, 2))
    with pytest.raises(UsageError, match="fp32 or int8 for the backend onnx, got bf16"):
        predict(images, [Blind()], out=tmp_path, backend="onnx", precision="bf16")
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    fails(r"Run pip install 'synthscope\[onnx\]'", backend="onnx")


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_paths_that_depend_on_values_and_sizes_that_follow_the_image_stay_with_eager(
    backend: str, images: pl.DataFrame, tmp_path: Path
) -> None:
    needs(backend)
    detectors = [Turned("turned"), Blind("whole", None)]
    table = predict(images, detectors, out=tmp_path, backend=backend)
    assert set(table["backend"]) == {"eager"} and table["error"].is_null().all()
    told = json.loads((tmp_path / "run.json").read_text())["backends"]
    reasons = {name.partition("@")[0]: one["reason"] for name, one in told.items()}
    assert "every size would be a graph of its own" in reasons["whole"] and reasons["turned"]
