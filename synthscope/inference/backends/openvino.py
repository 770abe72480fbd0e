"""Run a detector by OpenVINO: in float32 or bfloat16, or with convolutions and matrix products in int8."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError, needing
from synthscope.inference.backends import Model, Setting, check_precision
from synthscope.inference.backends.graph import onnx_file
from synthscope.inference.backends.quantize import quantized

HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # said always: by itself it takes bfloat16 where a CPU has it


def openvino(detector: Detector, precision: str, setting: Setting) -> Model:
    """A stream of one core for every thread that calls, which has an inference request of its own."""
    check_precision("openvino", precision, tuple(HINTS))
    with needing("openvino", "the backend openvino"):
        import onnxscript  # noqa: F401  (of torch's exporter)
        import openvino
    if precision == "bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise SynthscopeError(  # where OpenVINO would run float32 and say nothing
            "Expected a processor with bfloat16 for openvino in bf16, got one without. Use --precision fp32."
        )
    if precision == "int8":
        with needing("onnx", "the backend onnx"):  # quantises
            import onnxruntime  # noqa: F401
    file = onnx_file(detector, setting)
    file = quantized(file, setting.images) if precision == "int8" else file
    compiled = compiled_openvino(file, HINTS[precision], setting.workers)
    own = threading.local()

    def run(images: Tensor) -> Tensor:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        own.request.infer([np.ascontiguousarray(images.numpy())], share_inputs=True)
        return torch.from_numpy(own.request.get_output_tensor(0).data.astype(np.float32, copy=True))

    return run


def compiled_openvino(file: Path, hint: str, streams: int) -> Any:
    """An ``openvino.CompiledModel`` of an ONNX or OpenVINO file, with so many streams of one thread each."""
    import openvino

    settings = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams, "ENABLE_CPU_PINNING": False}
    return openvino.Core().compile_model(file, "CPU", settings | {"INFERENCE_PRECISION_HINT": hint})
