"""Which Parquet files a data set of the Hugging Face Hub has, at one commit. They are read where they are."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from synthscope.data.bombs import Refused
from synthscope.data.remote import permission
from synthscope.data.remote.patience import patiently
from synthscope.data.remote.stores import TIMEOUT
from synthscope.errors import SynthscopeError

_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)


def hub_tables(pattern: Path | str) -> tuple[str, list[str]]:
    """Name of a data set, and URLs of its Parquet files, sorted, with the commit that they are of today.

    Args:
        pattern: ``[hf://datasets/]OWNER/NAME[@REVISION]``, also as a path in the working folder, as layouts get it.

    Raises:
        SynthscopeError: Another pattern, nobody asked for the network, no such data set, or none of Parquet.
    """
    below = isinstance(pattern, Path) and pattern.is_relative_to(Path.cwd())
    text = str(Path(pattern).relative_to(Path.cwd())) if below else str(pattern).removeprefix("hf://datasets/")
    match = _ID.fullmatch(text)
    if match is None:
        raise SynthscopeError(f"Expected a folder, a file, or OWNER/NAME of the hub, got {pattern}. Check the path.")
    name, revision = match.groups()
    try:
        permission.check(f"hf://datasets/{name}")
        commit, files = patiently(lambda: _listed(name, revision))
    except Refused as error:
        raise SynthscopeError(
            f"Expected a folder {text}, or the data set {name} of the Hugging Face Hub, got: {error}. {error.advice}"
        ) from error
    found = [f"hf://datasets/{name}@{commit}/{quote(file)}" for file in files if file.endswith(".parquet")]
    if not found:
        raise SynthscopeError(
            f"Expected Parquet files in the data set {name} of the hub, got {len(files)} other files. Download it and "
            "name its folder."
        )
    return name.partition("/")[2], sorted(found)


def _listed(name: str, revision: str | None) -> tuple[str, list[str]]:
    """Commit and names of files."""
    from huggingface_hub import HfApi

    told = HfApi().dataset_info(name, revision=revision, timeout=TIMEOUT)
    return str(told.sha), [file.rfilename for file in told.siblings or []]
