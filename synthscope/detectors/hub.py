"""Create, save and load detectors: a folder of ``config.json``, ``model.safetensors`` and ``README.md``; no pickle."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import nn

from synthscope.config import validate
from synthscope.detectors import DETECTORS
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.card import model_card
from synthscope.detectors.downloads import download
from synthscope.detectors.input import InputConfig
from synthscope.detectors.shapes import shapes_only
from synthscope.detectors.sight import sees
from synthscope.detectors.weights import WEIGHTS, pack_weights, read_weights
from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime import import_timm, whole_file
from synthscope.runtime.files import read_json

CONFIG, CARD = "config.json", "README.md"
BUNDLED = "bundled"  # the detector that comes with the package


def create_detector(
    architecture: str,
    *,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    input: InputConfig | Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Detector:
    """An untrained detector, the same for the same seed; the global random state is left alone.

    Args:
        architecture: A name in ``DETECTORS``, ``timm:NAME`` or ``./file.py:Class``.
        name: Name in tables and reports; the architecture if None.
        options: Of the architecture; ``pretrained=True`` starts from weights of another task.
        input: All of the input configuration, or the fields that differ from the architecture's own.
        seed: Of the initial weights.

    Raises:
        UsageError: Unknown architecture, option or field.

    >>> create_detector("cnn_small", input={"crop": 96}).config.input.crop
    96
    """
    options = dict(options or {})
    if architecture == "timm":
        architecture = f"timm:{options.pop('model', '')}"
    kind = _kind(architecture)
    if not isinstance(input, InputConfig):
        fields = {**kind.input_for(architecture).model_dump(), **(input or {})}
        input = validate(InputConfig, fields, f"input of {architecture}")
    config = DetectorConfig(
        name=name or Path(architecture.rpartition(":")[2]).name,
        architecture=architecture,
        options=_options(kind, options, f"options of {architecture}"),
        input=input,
        licence=kind.licence,
        paper=kind.paper,
    )
    detector = _build(kind, config, seed)
    if options.get("pretrained") or options.get("weights"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            detector.load_pretrained()
    return detector


def random_twin(detector: Detector, *, seed: int = 0) -> Detector:
    """The same network with random weights, in evaluation mode: what heatmaps show that knows nothing of images."""
    twin = _build(type(detector), detector.config, seed)
    twin.load_state_dict(twin.state_dict())  # on purpose: probes refuse features that nothing was loaded into
    return twin.eval()


def save_detector(detector: Detector, folder: str | Path, *, card: str | None = None) -> None:
    """Write a detector folder. ``config.json`` comes last, so a folder that has one is complete.

    Args:
        detector: On any device.
        folder: Created where absent; an older detector in it is replaced.
        card: Text of the model card; written from the configuration if None.
    """
    target = Path(folder)
    data = pack_weights(detector)
    config = detector.config.model_copy(update={"weights_sha256": hashlib.sha256(data).hexdigest()})
    (target / CONFIG).unlink(missing_ok=True)
    for file, content in (
        (WEIGHTS, data),
        (CARD, (card or model_card(config)).encode()),
        (CONFIG, (config.model_dump_json(indent=2) + "\n").encode()),
    ):
        with whole_file(target / file) as temporary:
            temporary.write_bytes(content)


def load_detector(spec: str | Path, device: str | torch.device = "cpu") -> Detector:
    """A detector in evaluation mode.

    Args:
        spec: A folder, ``bundled``, ``local-dir:FOLDER``, ``hf-hub:OWNER/NAME@REVISION`` (downloaded),
            ``./file.py:Class`` (which brings its own weights), or ``./file.py:Class@FOLDER`` for a folder trained from
            such a class: a folder alone never runs code.
        device: Where the weights go.

    Raises:
        SynthscopeError: Absent, damaged or foreign files; the sentence names the file and the key.
    """
    spec = str(spec)
    code = spec.partition("@")[0] if ".py:" in spec else ""
    if (folder := detector_folder(spec)) is None:
        return create_detector(code or spec).to(device).eval()
    config = read_config(folder)
    if ".py:" in config.architecture and not code:
        raise SynthscopeError(
            f"Expected a built-in architecture in {folder / CONFIG}, got {config.architecture!r}, which would run code "
            f"from a file. If you trust it, load FILE.py:CLASS@{folder}."
        )
    detector = _build(_kind(code or config.architecture), config, 0)
    detector.load_state_dict(read_weights(folder / WEIGHTS, detector, config.weights_sha256))
    return detector.to(device).eval()


def detector_folder(spec: str | Path) -> Path | None:
    """The folder that :func:`load_detector` reads; None of a class that brings its own weights."""
    spec = str(spec)
    code, _, rest = spec.partition("@") if ".py:" in spec else ("", "", spec)
    if (code and not rest) or (spec in DETECTORS and _kind(spec).ready):
        return None
    return _folder(rest)


def read_config(folder: str | Path) -> DetectorConfig:
    """``config.json`` of a detector folder. Raises ``SynthscopeError`` for an absent or broken one."""
    file = Path(folder) / CONFIG
    if not file.is_file():
        raise SynthscopeError(
            f"Expected {file}, got none. Name a folder that synthscope train wrote to the end; published weights "
            f"become one by synthscope detectors import."
        )
    content = read_json(file, dict, advice="Restore the file.")
    if not {"name", "architecture"} & content.keys():  # such as that of a repository of transformers or timm
        raise SynthscopeError(
            f"Expected a detector's configuration with the key architecture in {file}, got one of another program. "
            f"Make a detector of published weights by synthscope detectors import FILE --as NAME."
        )
    return validate(DetectorConfig, content, str(file))


def weights_sha256(detector: Detector | str | Path) -> str:
    """SHA-256 of ``model.safetensors`` in hexadecimal digits, of a folder or as it would be saved."""
    data = pack_weights(detector) if isinstance(detector, Detector) else (Path(detector) / WEIGHTS).read_bytes()
    return hashlib.sha256(data).hexdigest()


def weights_digest(detector: Detector | str | Path) -> str:
    """The first 8 digits of :func:`weights_sha256`."""
    return weights_sha256(detector)[:8]


def detector_id(detector: Detector) -> str:
    """``name@digest``, the ``detector`` column of the predictions."""
    return f"{detector.config.name}@{weights_digest(detector)}"


def detectors_table() -> list[dict[str, Any]]:
    """One row an architecture: name, parameters, input, paper, licence and where weights come from."""
    return [_facts(name) for name in DETECTORS]


def show_detector(name: str) -> str:
    """Facts of an architecture, or ``config.json`` of a detector folder, as indented JSON, and what it sees of images.

    Raises:
        UsageError: Neither of the two.
        SynthscopeError: A folder without a sound ``config.json``.
    """
    is_folder = Path(name).is_dir() or name == BUNDLED or name.startswith(("local-dir:", "hf-hub:"))
    if not is_folder:
        seen = {} if name == "timm" else {"sees": sees(_kind(name).input_for(name))}
        return json.dumps(_facts(name) | seen, indent=2)
    config = read_config(_folder(name))
    return json.dumps(config.model_dump(mode="json") | {"sees": sees(config.input)}, indent=2)


def _facts(name: str) -> dict[str, Any]:
    kind = _kind(name)
    facts: dict[str, Any] = {"name": name, "parameters": None, "input": "of the model"}
    if name != "timm":  # stands for any model: write timm:NAME
        input = kind.input_for(name)
        config = DetectorConfig(name=name, architecture=name, options=_options(kind, {}, name), input=input)
        import_timm()  # torch 2.6 cannot load what this loads below another device
        with shapes_only():
            facts["parameters"] = sum(parameter.numel() for parameter in kind(config).parameters())
        facts["input"] = str(input)
    return facts | {"paper": kind.paper, "licence": kind.licence, "weights": kind.weights}


def _kind(architecture: str) -> type[Detector]:
    kind = DETECTORS["timm" if architecture.startswith("timm:") else architecture]
    if (lacking := _lacking(kind)) is not None:
        raise UsageError(
            f"Expected a subclass of synthscope.detectors.base.Detector as {architecture}, got {lacking}. Derive it "
            "from Detector, take the config in __init__, return logits (B,) from forward: see docs/architecture.md."
        )
    return kind


def _lacking(kind: Any) -> str | None:
    """What a class from elsewhere is instead of a detector; None where it is one."""
    if not isinstance(kind, type):
        return f"a {type(kind).__name__}, which is no class"
    if not issubclass(kind, Detector):
        plain = "a plain nn.Module" if issubclass(kind, nn.Module) else "another class"
        return f"{plain} without its config, preprocess and normalize"
    if missing := sorted(kind.__abstractmethods__):
        return f"one without {' and '.join(missing)}"
    try:
        inspect.signature(kind).bind("config")
    except TypeError:
        return f"one whose __init__ takes {inspect.signature(kind)} instead of (config)"
    return None


def _options(kind: type[Detector], options: dict[str, Any], origin: str) -> dict[str, Any]:
    """All options of ``kind`` with their defaults, so that a later change of a default changes no saved detector."""
    return options if kind.Options is None else validate(kind.Options, options, origin).model_dump()


def _build(kind: type[Detector], config: DetectorConfig, seed: int) -> Detector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(config)


def _folder(spec: str) -> Path:
    if spec.startswith("hf-hub:"):
        return _downloaded(spec.removeprefix("hf-hub:"))
    if spec == BUNDLED:
        return bundled_folder()
    folder = Path(spec.removeprefix("local-dir:"))
    if not folder.is_dir():
        if spec in DETECTORS or spec.startswith("timm:"):
            raise UsageError(
                f"Expected a trained detector, got {spec!r}, an architecture without weights. "
                f"Train it with synthscope train and name the folder."
            )
        raise UsageError(f"Expected a detector folder, got {spec}, which does not exist. Check the path.")
    return folder


def bundled_folder() -> Path:
    """Where the detector lies that comes with the package."""
    return Path(str(files("synthscope"))) / "inspection" / BUNDLED


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    with download(f"the Hugging Face repository {name}", "Check the name and the network."):
        folder = snapshot_download(repository, revision=revision or None, allow_patterns=[CONFIG, WEIGHTS, CARD])
    return Path(folder)
