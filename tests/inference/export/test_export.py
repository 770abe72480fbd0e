"""Exported detectors: the example runs without torch and gives predict's logit; the words are those of the pixels."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope.detectors.base import Detector, DetectorConfig, preprocess
from synthscope.detectors.hub import create_detector, load_detector, save_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inference.export.folder import export_detector
from synthscope.inference.export.program import example
from synthscope.inference.export.words import steps
from synthscope.inference.predict import predict

RUN_WITHOUT_TORCH = """
import runpy, sys
class NotInstalled:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("torch", "synthscope"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInstalled())
sys.path[:] = [path for path in sys.path if path]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def picture(file: Path, width: int = 90, height: int = 70) -> Path:
    """A smooth image, as photographs are: resampling noise differs more between libraries."""
    rng = np.random.default_rng(3)
    small = Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8))
    small.resize((width, height), Image.Resampling.BICUBIC).save(file)
    return file


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_the_example_gives_the_logit_of_predict_without_torch(form: str, tmp_path: Path) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(form, form), reason=f"the extra {form} is not installed")
    detector = create_detector(
        "cnn_small", name="mine", input={"resize": 48, "crop": 32, "interpolation": "pillow_bilinear"}
    )
    save_detector(detector, tmp_path / "detector")
    image = picture(tmp_path / "a.png")
    parity = export_detector(tmp_path / "detector", tmp_path / "out", form=form, images=[image])
    assert (parity.images, parity.pixels) == (1, 0) and parity.graph < 1e-5 and parity.program < 1e-5
    done = subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT_TORCH, str(tmp_path / "out" / "run.py"), str(image)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logit, verdict = done.stdout.split()
    table = predict(pl.DataFrame({"path": [str(image)]}), [load_detector(tmp_path / "detector")], out=tmp_path / "run")
    assert float(logit) == pytest.approx(table["logit"][0], abs=1e-5)
    assert verdict == ("AI" if table["logit"][0] > table["threshold"][0] else "real")
    told = json.loads((tmp_path / "out" / "detector.json").read_text())
    graph = tmp_path / "out" / told["graph"]
    assert told["sha256"][graph.name] == hashlib.sha256(graph.read_bytes()).hexdigest()
    assert told["weights_sha256"] == load_detector(tmp_path / "detector").config.weights_sha256
    assert told["fields"] == detector.config.input.model_dump() | {"mean": list(detector.config.input.mean),
                                                                   "std": list(detector.config.input.std),
                                                                   "corner": "round"}  # fmt: skip


INPUTS = st.builds(
    InputConfig,
    resize=st.none() | st.integers(8, 40),
    resize_mode=st.sampled_from(["short", "square"]),
    interpolation=st.sampled_from(["pillow_bilinear", "pillow_bicubic", "opencv_bilinear", "bilinear", "bicubic"]),
    crop=st.integers(8, 40),
    corner=st.sampled_from(["round", "floor"]),
    small=st.sampled_from(["upscale", "pad", "tile"]),
)


@settings(max_examples=60, deadline=None)
@given(INPUTS, st.integers(6, 60), st.integers(6, 60))
def test_the_pixels_of_the_example_are_those_of_the_detector(config: InputConfig, width: int, height: int) -> None:
    space: dict[str, object] = {"__file__": __file__, "__name__": "run"}
    source = example("a", config, 0.0, "onnx").replace("import onnxruntime\n", "")
    exec(compile(source, "run.py", "exec"), space)
    rgb = np.random.default_rng(width * height).integers(60, 196, (height, width, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(rgb).save(file, "png")
    file.seek(0)
    found = space["pixels"](file)  # type: ignore[operator]
    expected = preprocess(rgb, config)[None].numpy()
    assert found.shape == expected.shape and found.dtype == np.uint8
    exact = config.interpolation.startswith(("pillow", "opencv"))
    assert np.abs(found.astype(int) - expected).max() <= (0 if exact else 1)
    assert len(source.splitlines()) <= 30 and len(steps(config)) >= 4


class Depends(Detector):
    """Its path depends on values."""

    def __init__(self) -> None:
        super().__init__(DetectorConfig(name="depends", architecture="d", input=InputConfig(resize=None, crop=8)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = self.normalize(images)
        return values.mean((1, 2, 3)) if values.sum() > 0 else values.amax((1, 2, 3))


def test_what_no_graph_can_hold_is_refused_with_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    with pytest.raises(SynthscopeError, match="Expected a detector that a graph can hold, got depends@"):
        export_detector(Depends(), tmp_path / "out", form="onnx")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="no fixed size of input"):
        export_detector(create_detector("cnn_small", input={"crop": None}), tmp_path / "out", form="onnx")
    with pytest.raises(UsageError, match="a choice of input by its own code"):
        export_detector(create_detector("ssp", input={"crop": 32}), tmp_path / "out", form="onnx")
    with pytest.raises(UsageError, match="Did you mean onnx"):
        export_detector(create_detector("cnn_small"), tmp_path / "out", form="onx")
