"""Foreign checkpoint files: both of torch's formats and safetensors are read, anything else is named and never run."""

from __future__ import annotations

import io
import sys
import types
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from synthscope.detectors.checkpoints import read_checkpoint
from synthscope.detectors.published import import_checkpoint
from synthscope.errors import SynthscopeError, UsageError
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
        (archive("x/constants.pkl", b""), "a TorchScript program.*hf-hub:timm/vit_large_patch14_clip_224.openai"),
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


def altered(data: bytes, place: int, bits: int) -> bytes:
    return data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :]


def test_altered_weights_are_refused(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    whole = saved(tiny)
    place = whole.index(tiny["fc.weight"].numpy().tobytes())
    assert torch.load(io.BytesIO(altered(whole, place, 1)), weights_only=True)["fc.weight"].sum() != 0  # torch loads it
    refused(altered(whole, place, 1), tmp_path, "damaged .*checksum of archive/data/.*Download it again")
    attributes = whole.rindex(b"archive/data/3") - 8  # in the table at the end, 46 bytes before the name and 38 on
    refused(altered(whole, attributes, 0x10), tmp_path, "damaged .*archive/data/3 is marked as a folder")
    refused(altered(whole, whole.rindex(b"archive/data/3"), 0x80), tmp_path, "damaged")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_altered_byte_changes_a_number(data: st.DataObject, tiny, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In tensors, in the pickle or in the archive's tables; in padding it does no harm."""
    whole = saved(tiny)
    file = tmp_path_factory.mktemp("altered") / "file.pth"
    file.write_bytes(altered(whole, data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))))
    try:
        state, _ = read_checkpoint(file)
    except SynthscopeError as error:
        assert str(file) in str(error)
    else:
        assert state.keys() == tiny.keys() and all(torch.equal(state[key], tiny[key]) for key in tiny)


class CfgNode(dict):
    """As yacs has them: a dictionary that also has attributes of its own."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.__dict__["__immutable__"] = True
        self.__dict__["__deprecated_keys__"] = set()


@contextmanager
def yacs_installed() -> Iterator[None]:
    """Pickles that are written inside say that the class above is ``yacs.config.CfgNode``."""
    module = types.ModuleType("yacs.config")
    module.CfgNode = CfgNode  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CfgNode, "__module__", "yacs.config")
        patch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
        patch.setitem(sys.modules, "yacs.config", module)
        yield


@pytest.mark.parametrize("new_format", [True, False])
def test_swins_options_beside_the_weights_are_passed_over(
    new_format: bool, tiny: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    config = CfgNode({"BASE": [""], "LR": 1e-3, "MODEL": CfgNode({"NAME": "swin", "DEPTHS": [2, 2, 6, 2]})})
    tree = {"model": tiny, "optimizer": {"state": {}}, "max_accuracy": 99.9, "epoch": 3, "config": config}
    with yacs_installed():
        content = saved(tree, new_format=new_format)
    assert b"yacs.config\nCfgNode" in content and "yacs" not in sys.modules
    (tmp_path / "swin.pth").write_bytes(content)
    state, _ = read_checkpoint(tmp_path / "swin.pth")
    assert state.keys() == tiny.keys() and all(torch.equal(state[key], tiny[key]) for key in tiny)
    assert "yacs" not in sys.modules
    (tmp_path / "swin.pth").write_bytes(content.replace(b"yacs.config\nCfgNode", b"yacs.config\nCfgFile"))
    with pytest.raises(SynthscopeError):
        read_checkpoint(tmp_path / "swin.pth")


def test_a_node_of_yacs_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    class Trap(dict):
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    tree = {"model": {}, "config": CfgNode({"MODEL": Trap()})}
    with yacs_installed():
        contents = [saved(tree, new_format=new_format) for new_format in (True, False)]
    for content in contents:
        assert b"yacs.config\nCfgNode" in content
        refused(content, tmp_path, "pickled object of .*reading such files can run code")
    assert not (tmp_path / "ran").exists()


def test_a_folder_is_called_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"got {tmp_path}, a folder\. Name the file in it"):
        read_checkpoint(tmp_path)
    with pytest.raises(UsageError, match="which does not exist"):
        read_checkpoint(tmp_path / "none.pth")


def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    for content in (saved({"model": Trap()}), saved(Trap(), new_format=False)):
        refused(content, tmp_path, "pickled object")
    assert not (tmp_path / "ran").exists()
