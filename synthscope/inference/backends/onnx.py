"""Run a detector by ONNX Runtime: the whole graph in float32, or convolutions and matrix products in int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.errors import needing
from synthscope.inference.backends import Model, Setting, check_precision
from synthscope.inference.backends.graph import INPUT, onnx_file
from synthscope.inference.backends.quantize import quantized


def onnx(detector: Detector, precision: str, setting: Setting) -> Model:
    """One session for all threads; every call stays on the core of its caller."""
    check_precision("onnx", precision, ("fp32", "int8"))
    with needing("onnx", "the backend onnx"):
        import onnxruntime
        import onnxscript  # noqa: F401  (of torch's exporter)
    file = onnx_file(detector, setting)
    session = onnx_session(quantized(file, setting.images) if precision == "int8" else file)
    failures = onnxruntime.capi.onnxruntime_pybind11_state

    def run(images: Tensor) -> Tensor:
        try:
            (logits,) = session.run(None, {INPUT: np.ascontiguousarray(images.numpy())})
        except (failures.Fail, failures.RuntimeException, failures.InvalidArgument) as error:
            raise RuntimeError(str(error)) from error
        return torch.from_numpy(logits).float()

    return run


def onnx_session(file: Path) -> Any:
    """An ``onnxruntime.InferenceSession`` of a file, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
