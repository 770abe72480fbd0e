"""Foreign checkpoint files: both of torch's formats and safetensors are read, anything else is named and never run."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from synthscope.detectors.checkpoints import read_checkpoint
from synthscope.detectors.published import import_checkpoint
from synthscope.errors import SynthscopeError
from tests.reference.published import ladeda
from tests.reference.published.plain import randomize


@pytest.fixture(scope="module")
def tiny() -> dict[str, torch.Tensor]:
    network = ladeda.TinyLaDeDa("NPR")
    randomize(network, 1)
    return network.state_dict()


def refused(content: object, tmp_path: Path, sentence: str) -> None:
    file = tmp_path / "file.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(SynthscopeError, match=sentence) as caught:
        import_checkpoint(file, as_="tiny_ladeda_wildrf", out=tmp_path / "out")
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def saved(content: object, *, new_format: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=new_format)
    return buffer.getvalue()


@pytest.mark.parametrize("new_format", [True, False])
def test_a_file_cut_anywhere_is_called_damaged(tiny: dict[str, torch.Tensor], new_format: bool, tmp_path: Path) -> None:
    whole = saved(tiny, new_format=new_format)
    for share in (0.1, 0.5, 0.95):
        refused(whole[: int(len(whole) * share)], tmp_path, "half-downloaded file .*Download it again")
    save_file(tiny, tmp_path / "whole.safetensors")
    refused((tmp_path / "whole.safetensors").read_bytes()[:-100], tmp_path, "half-downloaded file")


def test_both_formats_of_torch_are_read(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    for new_format in (True, False):
        (tmp_path / "file.pth").write_bytes(saved(tiny, new_format=new_format))
        state, digest = read_checkpoint(tmp_path / "file.pth")
        assert state.keys() == tiny.keys() and all(torch.equal(state[key], tiny[key]) for key in tiny)
        assert len(digest) == 64


def archive(name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target:
        target.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "got an empty file"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "got a web page. Download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git LFS pointer.*git lfs pull"),
        (b"\x7fELF" + bytes(100), "a file that starts with"),
        (archive("weights/readme.txt", b"hello"), "an archive of other files. Unpack it"),
        (archive("x/constants.pkl", b""), "a TorchScript program"),
        (archive("x/data.pkl", bytes(10**5), zipfile.ZIP_DEFLATED), "a compressed archive"),
        (nn.Linear(2, 2), "pickled object of torch.nn.modules.linear.Linear.*save the plain weights"),
        (["a", 1], "Expected weights by name .*got list"),
        ({"model": {}}, "Expected weights by name"),
        ({"fc.weight": torch.zeros(2, 8), "step": 3}, "dense tensor under 'step' .*got int"),
        ({"fc.weight": torch.eye(3).to_sparse()}, "got a torch.sparse_coo tensor"),
    ],
)
def test_files_that_are_no_checkpoints_are_named(content: object, sentence: str, tmp_path: Path) -> None:
    refused(content, tmp_path, sentence)


def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    for content in (saved({"model": Trap()}), saved(Trap(), new_format=False)):
        refused(content, tmp_path, "pickled object")
    assert not (tmp_path / "ran").exists()
