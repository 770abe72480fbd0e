"""The example that reads CLIP's 8-bit weights, on a small graph quantised here by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from synthscope.detectors.clip import clip_tower
from synthscope.detectors.clip_hf import from_hf_clip
from tests.reference.published import clip, clip_hf
from tests.reference.published.plain import randomize
from tests.test_docs import ROOT

onnx = pytest.importorskip("onnx", reason="needs onnx, of the extra onnx")
SIZES = {"width": 16, "depth": 2, "heads": 2, "patch": 16}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("clip_8bit", ROOT / "examples/clip_8bit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def quantised(state: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    """Write ONNX Runtime's form of dynamic quantisation, and give the weights that are left of ``state``."""
    nodes, tensors, left = [], [], {}
    for number, (key, weight) in enumerate(state.items()):
        if not key.endswith(("proj.weight", "fc1.weight", "fc2.weight", "projection.weight")):
            tensors.append(onnx.numpy_helper.from_array(weight.numpy(), key))
            left[key] = weight
            continue
        scale = weight.abs().amax(1) / 120  # one an output
        zero = torch.arange(len(scale)) % 3 - 1
        steps = (weight / scale[:, None]).round() + zero[:, None]
        name, node = f"onnx::MatMul_{number}", "/" + key.removesuffix(".weight").replace(".", "/")
        node = node.replace("layers/", "layers.")
        parts = {"quantized": steps.T.numpy().astype(np.int8), "zero_point": zero.numpy().astype(np.int8)}
        parts["scale"] = scale.numpy()
        tensors += [onnx.numpy_helper.from_array(values, f"{name}_{part}") for part, values in parts.items()]
        inputs = [f"{node}_input", f"{name}_quantized", f"{node}_zero", f"{name}_zero_point"]
        nodes.append(onnx.helper.make_node("MatMulInteger", inputs, [f"{node}_out"], name=f"{node}/MatMul_quant"))
        left[key] = (steps - zero[:, None]) * scale[:, None]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "clip", [], [], tensors)), file)
    return left


def test_the_weights_are_those_of_the_graph(script: ModuleType, tmp_path: Path) -> None:
    tower = clip.Tower(out=8, **SIZES)
    randomize(tower, 3)
    state = {f"vision_model.{key}": value for key, value in clip_hf.vision_state(tower).items()}
    state["visual_projection.weight"] = tower.proj.detach().T.contiguous()
    left = quantised(state, tmp_path / "clip.onnx")
    found = script.tower_state(tmp_path / "clip.onnx")
    wanted = from_hf_clip(left, "vision_model.") | {"head.weight": left["visual_projection.weight"]}
    assert found.keys() == wanted.keys() == clip_tower(224, features=8, **SIZES).state_dict().keys()
    for key, value in found.items():
        torch.testing.assert_close(value, wanted[key], rtol=1e-6, atol=1e-7)
    ours = clip_tower(224, features=8, **SIZES).eval()
    ours.load_state_dict(found)
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():  # patches of 16, two heads: the tower of the plain program, but for 8 bits
        torch.testing.assert_close(ours(images), tower(images), rtol=0, atol=0.1 * float(tower(images).std()))


def test_another_network_is_refused(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantised({"vision_model.embeddings.class_embedding": torch.ones(4)}, tmp_path / "other.onnx")
    monkeypatch.setattr("sys.argv", ["clip_8bit.py", str(tmp_path / "other.onnx"), str(tmp_path / "out.safetensors")])
    with pytest.raises(script.SynthscopeError, match=r"Expected CLIP ViT-B/16 in .*other\.onnx, got .* missing"):
        script.main()
    assert not (tmp_path / "out.safetensors").exists()
