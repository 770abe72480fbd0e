"""A detector as an ONNX graph, normalisation and all: what ONNX Runtime and OpenVINO run, and what is exported."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.inference.backends import Setting

OPSET = 20
INPUT, OUTPUT = "images", "logits"


def onnx_file(detector: Detector, setting: Setting) -> Path:
    """The graph in the setting's folder, written by the first backend that asks for it."""
    file = setting.folder / "model.onnx"
    if not file.exists():
        write_onnx(detector, setting.images, file)
    return file


def write_onnx(detector: Detector, images: Tensor, file: Path) -> None:
    """Write the graph of a detector: ``images``, uint8 ``(batch, 3, h, w)``, to ``logits``, float32 ``(batch,)``.

    torch.export follows the detector's code with a symbol for the size of the batch. So a path that depends on values
    is refused, where a plain trace would write down the one that was taken.

    Args:
        detector: In evaluation mode.
        images: uint8 ``(N, 3, h, w)``, N >= 2; the graph takes batches of any size, of images of this size.
        file: Ends with ``.onnx``; weights of a large graph lie beside it.

    Raises:
        Exception: Anything, of a detector that cannot be written down.
    """
    if detector.mean.device.type != "cpu":
        raise RuntimeError(f"graphs run on a CPU here, not on {detector.mean.device.type}")
    said = io.StringIO()  # the exporter tells its steps on stdout
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(said), _silent("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            detector,
            (images[:2].contiguous(),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        program.save(file)


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
