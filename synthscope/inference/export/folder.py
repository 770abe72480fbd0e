"""Write an exported detector, and compare it with the detector itself."""

from __future__ import annotations

import hashlib
import runpy
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from synthscope.data.images import read_rgb
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import detector_id, load_detector, weights_sha256
from synthscope.errors import SynthscopeError, UsageError, needing, suggest
from synthscope.explainers.base import keeps_geometry
from synthscope.inference.backends.choose import why
from synthscope.inference.backends.drift import TOLERANCE, noise
from synthscope.inference.backends.graph import INPUT, write_onnx
from synthscope.inference.export.program import example
from synthscope.inference.export.words import description
from synthscope.runtime.files import whole_file, write_json

FORMATS = ("onnx", "openvino")


class Parity(NamedTuple):
    """The largest differences from the detector in eager float32."""

    images: int
    graph: float  # of logits, on the detector's own inputs, and on noise
    pixels: int  # grey levels between run.py's preprocessing and the detector's
    program: float  # of logits, run.py's preprocessing and the graph together
    largest: float  # of the detector's own logits

    def __str__(self) -> str:
        line = f"parity: the graph's logits within {self.graph:.2g} of eager float32 ({self.images} images, and noise)"
        if not self.images:
            return line
        return f"{line}; run.py's pixels within {self.pixels} grey levels, its logits within {self.program:.2g}"


def export_detector(
    detector: str | Path | Detector, out: str | Path, *, form: str = "onnx", images: Sequence[str | Path] = ()
) -> Parity:
    """Write ``out``: the graph, ``detector.json`` and ``run.py``, a program that needs neither torch nor this package.

    Args:
        detector: As ``load_detector`` takes it, or a detector.
        out: Folder; files of an earlier export in it are replaced.
        form: ``onnx``, or ``openvino``.
        images: Files on which the export is compared with the detector; noise alone where there are none.

    Raises:
        UsageError: An unknown form, or a detector whose input has no fixed size or is chosen by its own code.
        SynthscopeError: Packages that are not installed, a detector that no graph can hold, an unreadable image, or a
            graph whose logits are not the detector's.
    """
    if form not in FORMATS:
        raise UsageError(f"Expected a format, got {form!r}. {suggest(form, FORMATS)}")
    with needing(form, f"the backend {form}"):
        import onnxscript  # noqa: F401  (of torch's exporter)

        __import__({"onnx": "onnxruntime"}.get(form, form))
    own = detector if isinstance(detector, Detector) else load_detector(detector)
    side = _fixed_side(own.eval())
    config = own.config.model_copy(update={"weights_sha256": weights_sha256(own)})
    name = detector_id(own)
    inputs = noise((3, side, side))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        try:
            write_onnx(own, inputs, folder / "model.onnx")
        except Exception as error:  # the exporter runs the detector's code on stand-ins for tensors
            raise SynthscopeError(
                f"Expected a detector that a graph can hold, got {name}: {why(error)}. Run it with synthscope."
            ) from error
        graph = _converted(folder) if form == "openvino" else folder / "model.onnx"
        (folder / "run.py").write_text(example(name, config.input, config.threshold, form), encoding="utf-8")
        parity = _parity(own, _model(graph), folder / "run.py", images)
        if not parity.graph <= TOLERANCE * max(1.0, parity.largest):
            raise SynthscopeError(f"Expected the logits of {name} of its graph, got: {parity}. Run it with synthscope.")
        files = sorted(file for file in folder.iterdir())
        hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.suffix != ".py"}
        for file in files:
            with whole_file(Path(out) / file.name) as temporary:
                shutil.copyfile(file, temporary)
    told = description(name, config, graph.name, hashes) | {"parity": parity._asdict()}
    write_json(Path(out) / "detector.json", told)
    return parity


def _fixed_side(detector: Detector) -> int:
    side = detector.config.input.side
    if side is None or not keeps_geometry(detector):
        what = "no fixed size of input" if side is None else "a choice of input by its own code"
        raise UsageError(
            f"Expected a detector that resizes and crops as configured, got {detector.config.name} with {what}. "
            f"Run it with synthscope."
        )
    return side


def _converted(folder: Path) -> Path:
    """OpenVINO's own files in place of ONNX's."""
    import openvino

    model = openvino.Core().read_model(folder / "model.onnx")
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    del model
    for file in folder.glob("model.onnx*"):
        file.unlink()
    return folder / "model.xml"


def _model(graph: Path) -> Any:
    """uint8 ``(B, 3, h, w)`` to logits ``(B,)``, by the library that the format is for."""
    if graph.suffix == ".xml":
        from synthscope.inference.backends.openvino import compiled_openvino

        compiled = compiled_openvino(graph, "f32", 1)
        return lambda batch: compiled([batch])[0].copy()
    from synthscope.inference.backends.onnx import onnx_session

    session = onnx_session(graph)
    return lambda batch: session.run(None, {INPUT: batch})[0]


def _parity(detector: Detector, model: Any, program: Path, images: Sequence[str | Path]) -> Parity:
    side = detector.config.input.side or 0
    read = runpy.run_path(str(program))["pixels"]
    inputs = [detector.preprocess(read_rgb(file))[None].contiguous().numpy() for file in images]
    theirs = [read(file) for file in images]
    own = [*inputs, noise((3, side, side)).numpy()]
    with torch.inference_mode():
        expected = [detector(torch.from_numpy(batch)).numpy() for batch in own]
    return Parity(
        len(images),
        graph=_largest(model(batch) - logits for batch, logits in zip(own, expected, strict=True)),
        pixels=int(_largest(a.astype(np.int16) - b for a, b in zip(theirs, inputs, strict=True))),
        program=_largest(model(batch) - logits for batch, logits in zip(theirs, expected, strict=False)),
        largest=_largest(expected),
    )


def _largest(arrays: Iterable[np.ndarray]) -> float:
    return max((float(np.abs(array).max()) for array in arrays), default=0.0)
