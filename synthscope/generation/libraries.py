"""Diffusers, imported so that it works beside any torchvision, and does not talk to anybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from synthscope.errors import needing
from synthscope.runtime import import_torchvision


def import_diffusers() -> ModuleType:
    """The package. Raises ``SynthscopeError`` where it, or what it needs, is not installed."""
    with needing("generate", "generators"):
        import accelerate as accelerate
        import transformers as transformers_

        import_torchvision()
        import diffusers

    for library in (diffusers, transformers_):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    return diffusers  # type: ignore[no-any-return]


@contextmanager
def offline() -> Iterator[None]:
    """Libraries ask no model hub for anything, even where it could be reached."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
