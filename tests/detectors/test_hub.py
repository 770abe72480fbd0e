"""Detector folders: saved and loaded without loss, damaged and foreign ones refused with a sentence."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from synthscope.detectors.base import Calibration, TrainedOn
from synthscope.detectors.card import model_card
from synthscope.detectors.hub import (
    create_detector,
    detector_id,
    load_detector,
    save_detector,
    show_detector,
    weights_digest,
)
from synthscope.errors import SynthscopeError, UsageError

IMAGES = torch.arange(2 * 3 * 16 * 16).reshape(2, 3, 16, 16) % 256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_detector(create_detector("cnn_small", name="mine", options={"width": 4}), tmp_path / "mine")
    return tmp_path / "mine"


def edit(folder: Path, **fields: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_a_round_trip_keeps_weights_configuration_and_digest(tmp_path: Path) -> None:
    detector = create_detector("cnn_small", name="mine", options={"width": 4}, seed=3)
    update = {"calibration": Calibration(temperature=2, bias=-1), "trained_on": TrainedOn(subsets=("ADM",), n_ai=5)}
    detector.config = detector.config.model_copy(update=update)
    detector.to(memory_format=torch.channels_last)
    save_detector(detector, tmp_path / "mine")
    loaded = load_detector(tmp_path / "mine")
    assert not loaded.training
    assert torch.equal(loaded(IMAGES), detector.eval()(IMAGES))
    assert loaded.config.model_copy(update={"weights_sha256": None}) == detector.config
    assert weights_digest(detector) == weights_digest(tmp_path / "mine") == weights_digest(loaded)
    assert detector_id(loaded) == f"mine@{weights_digest(detector)}"
    assert len(weights_digest(detector)) == 8
    assert {file.name for file in (tmp_path / "mine").iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert "n_ai" in show_detector(str(tmp_path / "mine")) and "Swin" not in show_detector("cnn_small")


def test_the_seed_alone_decides_the_weights_and_global_randomness_is_left_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = create_detector("cnn_small", seed=5)
    assert torch.equal(torch.rand(1), expected)
    torch.manual_seed(2)
    assert weights_digest(create_detector("cnn_small", seed=5)) == weights_digest(first)
    assert weights_digest(create_detector("cnn_small", seed=6)) != weights_digest(first)


def test_local_dir_prefix_and_replacing_an_older_detector(folder: Path) -> None:
    before = weights_digest(load_detector(f"local-dir:{folder}"))
    save_detector(create_detector("cnn_small", options={"width": 8}), folder, card="# mine\n")
    assert weights_digest(load_detector(folder)) != before
    assert (folder / "README.md").read_text() == "# mine\n"


def test_a_kill_while_saving_leaves_no_detector_that_mixes_two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_bytes

    def after_weights(self: Path, data: bytes) -> int:
        if self.name.startswith(".README"):
            raise KeyboardInterrupt
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", after_weights)
    with pytest.raises(KeyboardInterrupt):
        save_detector(create_detector("cnn_small", options={"width": 4}, seed=9), folder, card="x")
    with pytest.raises(SynthscopeError, match=r"Expected .*config\.json, got none"):
        load_detector(folder)
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


def test_missing_unexpected_and_misshapen_keys_are_named(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    edit(folder, weights_sha256=None)
    renamed = {key.replace("head.bias", "head.biass"): value for key, value in state.items()}
    save_file(renamed, folder / "model.safetensors")
    with pytest.raises(SynthscopeError, match=r"head\.bias missing and head\.biass unexpected"):
        load_detector(folder)
    save_file(state | {"head.bias": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(SynthscopeError, match=r"Expected shape \(1,\) for head\.bias in .*got \(2,\)"):
        load_detector(folder)
    save_file(state | {"head.bias": torch.full((1,), float("nan"))}, folder / "model.safetensors")
    with pytest.raises(SynthscopeError, match=r"numbers that are not finite in head\.bias"):
        load_detector(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_refused(folder: Path, keep: int) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:keep])
    with pytest.raises(SynthscopeError, match="whole safetensors file"):
        load_detector(folder)


def test_a_pickle_is_never_unpickled(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder / "exploded"),)

    torch.save(Bomb(), folder / "model.safetensors")
    with pytest.raises(SynthscopeError, match="whole safetensors file"):
        load_detector(folder)
    assert not (folder / "exploded").exists()


def test_altered_or_absent_files_are_refused(folder: Path) -> None:
    other = create_detector("cnn_small", options={"width": 4}, seed=1)
    save_file(other.state_dict(), folder / "model.safetensors")
    with pytest.raises(SynthscopeError, match=r"SHA-256 .* of config\.json"):
        load_detector(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(SynthscopeError, match=r"Expected .*model\.safetensors, got none"):
        load_detector(folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "Expected JSON in"),
        ("[]", "Expected an object as JSON in .*, got a list"),
        ('{"name": "a"}', "'architecture'"),
        ('{"name": "a", "architecture": "resnet5"}', "Did you mean resnet50"),
        ('{"name": "a", "architecture": "cnn_small", "treshold": 1}', "Did you mean threshold"),
        ('{"name": "a", "architecture": "cnn_small", "options": {"width": 100000}}', "'width'"),
        ('{"name": "a", "architecture": "cnn_small", "calibration": {"temperature": 0}}', "'calibration.temperature'"),
    ],
)
def test_a_bad_configuration_is_named(folder: Path, text: str, sentence: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(SynthscopeError, match=sentence):
        load_detector(folder)


def test_what_is_not_a_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_detector(tmp_path / "absent")
    with pytest.raises(UsageError, match="architecture without weights"):
        load_detector("resnet50")
    with pytest.raises(SynthscopeError, match=r"Expected .*config\.json, got none"):
        load_detector(tmp_path)


def test_a_folder_alone_never_runs_code_but_a_named_class_does(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from synthscope.detectors.cnn_small import CnnSmall\nclass Mine(CnnSmall):\n    pass\n")
    edit(folder, architecture=f"{file}:Mine")
    with pytest.raises(SynthscopeError, match="would run code"):
        load_detector(folder)
    loaded = load_detector(f"{file}:Mine@{folder}")
    assert type(loaded).__name__ == "Mine"
    assert type(load_detector(f"{file}:Mine")).__name__ == "Mine"  # brings its own weights


def test_the_hub_is_asked_for_weights_and_json_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[object] = []

    def snapshot(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, allow_patterns))
        return str(shutil.copytree(folder, folder.parent / "snapshot"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert load_detector("hf-hub:owner/name@abc").config.name == "mine"
    assert asked == [("owner/name", "abc", ["config.json", "model.safetensors", "README.md"])]

    def offline(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(SynthscopeError, match=r"owner/name, got: no route to host"):
        load_detector("hf-hub:owner/name")


def test_the_model_card_has_valid_front_matter_and_the_figures() -> None:
    config = create_detector("cnn_small").config
    seen = TrainedOn(subsets=("ADM", "glide"), view="jpeg:q=96", n_real=10, n_ai=11, seed=1, recipe="cpu_small")
    config = config.model_copy(update={"trained_on": seen, "licence": "CC BY-NC-SA 4.0: research"})
    card = model_card(config, {"balanced_accuracy": 0.875})
    front = yaml.safe_load(card.split("---")[1])
    assert front["license_name"] == "CC BY-NC-SA 4.0: research"
    assert front["model-index"][0]["results"][0]["metrics"] == [{"type": "balanced_accuracy", "value": 0.875}]
    assert "| balanced accuracy | 0.8750 |" in card
    assert "10 real and 11 AI-generated images of ADM, glide (view `jpeg:q=96`" in card
    assert "- Sees of an image: 6.2 % of 512 x 512 pixels, 1.6 % of 1024 x 1024" in card
    assert "1.0 % of 1536 x 1024; 12.5 % of the held-out images, on average" in model_card(config, seen_share=0.125)
    assert '"sees": "the whole image"' in show_detector("npr")


def test_weights_in_a_published_layout_are_told_of_the_import(tmp_path: Path) -> None:
    with pytest.raises(SynthscopeError, match="published weights become one by synthscope detectors import"):
        load_detector(tmp_path)
    (tmp_path / "config.json").write_text('{"architectures": ["CLIPModel"], "hidden_size": 8}')
    with pytest.raises(SynthscopeError, match="config.json, got one of another program.*synthscope detectors import"):
        load_detector(tmp_path)
