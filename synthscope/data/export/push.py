"""A folder to the Hugging Face Hub, through ``huggingface_hub``, which takes up an upload that was stopped."""

from __future__ import annotations

import re
from pathlib import Path

from synthscope.data.layouts.walk import tree
from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime.files import reason

_ID = re.compile(r"[a-z0-9][\w.-]{0,95}/[a-z0-9][\w.-]{0,95}", re.ASCII | re.IGNORECASE)
_HIDDEN = [".*", "*/.*"]  # the library's stars go over slashes
_SAID = {
    401: "a token that the hub does not know. Log in again by hf auth login, or set HF_TOKEN.",
    403: "a token that may not write there. Ask for a token with write access, or choose another owner.",
    404: "no such owner. Check the name before the slash.",
    429: "too many requests. Wait some minutes and run again; what is uploaded stays.",
}


def to_push(folder: str | Path) -> list[tuple[str, int]]:
    """The files that :func:`push` uploads, relative to the folder, and their bytes. Hidden files stay.

    Raises:
        SynthscopeError: No folder, no files, or a link, which would publish something that lies elsewhere.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SynthscopeError(f"Expected a folder at {root}, got none. Check the path.")
    paths = [Path(path) for path, is_folder in tree(root) if not is_folder or Path(path).is_symlink()]
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise SynthscopeError(f"Expected files in {root}, got {path}, which is a link or no file. Remove it.")
    if not paths:
        raise SynthscopeError(f"Expected files in {root}, got none. Write them by synthscope data export.")
    return [(path.relative_to(root).as_posix(), path.stat().st_size) for path in paths]


def push(folder: str | Path, repository: str, *, private: bool) -> str:
    """Upload a folder as a data set of the hub, which is made if it is not there.

    Args:
        folder: What to upload: see :func:`to_push`; a ``README.md`` becomes the data set's page.
        repository: ``OWNER/NAME``.
        private: Who may see it. A data set that is there and is seen by others is left alone.

    Returns:
        URL of the data set.

    Raises:
        UsageError: Another name.
        SynthscopeError: No token, one without rights, or a hub that refuses or does not answer.
    """
    import huggingface_hub as hub

    if not _ID.fullmatch(repository):
        raise UsageError(f"Expected OWNER/NAME of a data set, got {repository!r}. Correct it.")
    to_push(folder)
    if not hub.get_token():
        raise SynthscopeError(
            "Expected a token of the Hugging Face Hub in HF_TOKEN or from hf auth login, got none. Make one with write "
            "access at huggingface.co/settings/tokens."
        )
    api = hub.HfApi()
    try:
        url = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        if bool(api.dataset_info(repository).private) != private:
            kinds = ("private", "public") if private else ("public", "private")
            raise SynthscopeError(
                f"Expected {repository} to be {kinds[0]}, got a {kinds[1]} data set of that name. Change it on its "
                f"page, or say --{kinds[1]}."
            )
        api.upload_folder(
            repo_id=repository, folder_path=folder, repo_type="dataset", ignore_patterns=_HIDDEN,
            commit_message="Images by synthscope data export",
        )  # fmt: skip
    except SynthscopeError:
        raise
    except Exception as error:  # the library raises errors of its own, of its transport and of the disk
        raise SynthscopeError(f"Expected to upload {folder} to {repository}, got {_sentence(error)}") from error
    return str(url)


def _sentence(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return _SAID.get(status or 0, f"{reason(error)}. Run again to go on; what is uploaded stays.")
