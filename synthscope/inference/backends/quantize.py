"""Int8 by static quantisation after training: ranges of activations come from the first images of a run."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from synthscope.inference.backends.graph import INPUT


def quantized(file: Path, images: Tensor) -> Path:
    """The graph in ``file`` with convolutions and matrix products in int8, beside it.

    Weights have a scale a channel, activations one a tensor, written as pairs of quantise and dequantise nodes, which
    both ONNX Runtime and OpenVINO fuse.

    Args:
        file: Of ``graph.write_onnx``.
        images: uint8 ``(N, 3, h, w)`` to calibrate on.
    """
    prepared, target = file.with_name("prepared.onnx"), file.with_name("int8.onnx")
    if target.exists():
        return target
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = iter(images.contiguous().split(4))

        def get_next(self) -> dict[str, object] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch.numpy()}

    quant_pre_process(file, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        target,
        Images(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
    )
    return target
