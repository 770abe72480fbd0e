"""Read foreign checkpoint files as plain tensors, without ever unpickling an object; say what a wrong file is."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from synthscope.errors import SynthscopeError, UsageError

State = dict[str, Tensor]

MAX_BYTES = 8 * 2**30  # CLIP ViT-L/14 with both towers and an optimiser is 5 GiB
WRAPPERS = "model", "state_dict", "netC", "model_state_dict"  # in this order
AS_FOLDER = 0x10  # MS-DOS's mark: torch reads nothing of such a member, and takes what lies in memory for its numbers
PICKLES = b"\x80", b"("  # protocol 2 and later; protocol 0 starts with a mark
RESAVE = (
    "Where you trust its source, load it once with the code that wrote it and save the plain weights: "
    "torch.save(network.state_dict(), 'plain.pth')."
)


def read_checkpoint(file: str | Path) -> tuple[State, str]:
    """The weights of a ``.pth``, ``.pt``, ``.bin``, ``.ckpt`` or ``.safetensors`` file, on the CPU, and its SHA-256.

    The container is told by content, not by name. Weights are taken out of ``model``, ``state_dict``, ``netC`` or
    ``model_state_dict``; a ``module.`` before *all* keys (DataParallel) is cut off once. What torch zips carries a
    checksum of every member, which is compared here, since torch itself does not.

    Raises:
        UsageError: No such file, or a folder.
        SynthscopeError: Not a checkpoint of plain tensors; the sentence says what it is and what to do.
    """
    path = Path(file)
    if path.is_dir():
        raise UsageError(f"Expected a checkpoint file, got {path}, a folder. Name the file in it.")
    if not path.is_file():
        raise UsageError(f"Expected a checkpoint file, got {path}, which does not exist. Check the path.")
    if path.stat().st_size > MAX_BYTES:
        raise SynthscopeError(
            f"Expected at most {MAX_BYTES} bytes in {path}, got {path.stat().st_size}. Check the file."
        )
    data = path.read_bytes()
    _refuse_other_files(data, path)
    tree = _safetensors(data, path) if data[8:9] == b"{" else _torch(data, path)
    return unwrap(tree, path), hashlib.sha256(data).hexdigest()


def unwrap(tree: Any, path: Path) -> State:
    """The state dict in what a checkpoint file holds.

    Raises:
        SynthscopeError: No mapping of names to dense tensors.
    """
    if isinstance(tree, Mapping):
        tree = next((tree[key] for key in WRAPPERS if isinstance(tree.get(key), Mapping)), tree)
    if not isinstance(tree, Mapping) or not tree:
        raise SynthscopeError(f"Expected weights by name in {path}, got {_kind(tree)}. {RESAVE}")
    for key, value in tree.items():
        if not isinstance(key, str) or not isinstance(value, Tensor) or value.layout != torch.strided:
            raise SynthscopeError(f"Expected a dense tensor under {key!r} in {path}, got {_kind(value)}. {RESAVE}")
    if all(key.startswith("module.") for key in tree):
        tree = {key.removeprefix("module."): value for key, value in tree.items()}
    return {key: value.detach() for key, value in tree.items()}


def _refuse_other_files(data: bytes, path: Path) -> None:
    start = data[:512].lstrip().lower()
    if not data:
        raise SynthscopeError(f"Expected a checkpoint in {path}, got an empty file. Download it again.")
    if start.startswith(b"version https://git-lfs"):
        raise SynthscopeError(
            f"Expected a checkpoint in {path}, got a Git LFS pointer, which stands for the file. Run git lfs pull."
        )
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")):
        raise SynthscopeError(
            f"Expected a checkpoint in {path}, got a web page. Download the file itself: press the download button "
            f"of that page, or use its raw link."
        )
    if data.startswith(b"PK"):
        _refuse_other_archives(data, path)


def _refuse_other_archives(data: bytes, path: Path) -> None:
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except Exception as error:  # damaged archives raise nearly anything
        reason = "an archive without its end" if isinstance(error, zipfile.BadZipFile) else str(error)
        raise _broken(path, reason) from error
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if any(name.endswith("/constants.pkl") for name in names):
        raise SynthscopeError(
            f"Expected plain weights in {path}, got a TorchScript program. Instead of OpenAI's ViT-L-14.pt name "
            f"hf-hub:timm/vit_large_patch14_clip_224.openai. {RESAVE}"
        )
    if not any(name.endswith("/data.pkl") for name in names):
        raise SynthscopeError(f"Expected a checkpoint in {path}, got an archive of other files. Unpack it first.")
    if sum(entry.file_size for entry in entries) > len(data):  # torch.save never compresses
        raise SynthscopeError(f"Expected an uncompressed checkpoint in {path}, got a compressed archive. {RESAVE}")
    _refuse_altered(archive, path)


def _refuse_altered(archive: zipfile.ZipFile, path: Path) -> None:
    try:
        altered = archive.testzip()
    except Exception as error:
        raise _broken(path, str(error)) from error
    if altered:
        raise _broken(path, f"the checksum of {altered} is that of other bytes")
    if folder := next((entry.filename for entry in archive.infolist() if entry.external_attr & AS_FOLDER), None):
        raise _broken(path, f"{folder} is marked as a folder")


def _safetensors(data: bytes, path: Path) -> State:
    try:
        return load_safetensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _broken(path, str(error)) from error


def _torch(data: bytes, path: Path) -> Any:
    if not data.startswith((b"PK", *PICKLES)):
        raise SynthscopeError(
            f"Expected a checkpoint (torch or safetensors) in {path}, got a file that starts with {data[:8]!r}. "
            f"Download the weights file itself."
        )
    # Options that training scripts save beside the weights: a Namespace (timm, DeiT) holds attributes and runs nothing,
    # a node of yacs (Swin) is a dictionary with attributes and becomes an OrderedDict; yacs itself is never imported.
    harmless = torch.serialization.safe_globals([argparse.Namespace, (OrderedDict, "yacs.config.CfgNode")])
    try:
        with harmless, warnings.catch_warnings(action="ignore"):
            return torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL:? ([\w.]+)", str(error))
        culprit = f"of {named[1]}" if named else "of some class"
        raise SynthscopeError(
            f"Expected plain weights in {path}, got a pickled object {culprit}, and reading such files can run code. "
            f"{RESAVE}"
        ) from error
    except Exception as error:  # damaged pickles raise nearly anything
        raise _broken(path, str(error)) from error


def _broken(path: Path, reason: str) -> SynthscopeError:
    first = reason.strip().partition("\n")[0].strip() or "its end is missing"
    return SynthscopeError(
        f"Expected a whole checkpoint in {path}, got a damaged or half-downloaded file ({first}). Download it again."
    )


def _kind(value: object) -> str:
    return f"a {value.layout} tensor" if isinstance(value, Tensor) else f"{type(value).__name__}"
