"""What readers and exchange formats share: sentences for malformed content, paths of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthscope.errors import SynthscopeError


@contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn what malformed content raises (a missing key, a text for a number …) into a sentence naming the file."""
    try:
        yield
    except SynthscopeError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SynthscopeError(
            f"Expected {what} in {path}, got something else ({type(error).__name__}: {error}). Check the file."
        ) from error


def image_folder(images: str, root: Path) -> Path:
    """The folder that names of images start from: ``images`` if given, else ``root``, or the folder of a file."""
    if images:
        return Path(images).expanduser().absolute()
    return root.parent if root.is_file() else root


def located(folder: Path, name: str) -> str:
    """Absolute POSIX path of a file that a data set names relative to ``folder``.

    >>> located(Path("/data"), "a/b.png"), located(Path("/data"), "/c.png")
    ('/data/a/b.png', '/c.png')
    """
    return (folder / name).as_posix()
