"""The layout ``df40:``: lists of frames in JSON, as DF40 and DeepfakeBench write them (``preprocessing/rearrange.py``).

``{data set: {class: {split: {[compression:] {video: {"label": name, "frames": [path, …]}}}}}}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from synthscope.data.layouts.folders import SPLITS, Row
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import read_json

MOST_LEVELS = 8
_ORDER = ("train", "val", "test")
_FAKE = re.compile(r"[-_]?fake$", re.IGNORECASE)


class Video(NamedTuple):
    """Frames that belong together, and the keys above them."""

    keys: tuple[str, ...]
    label: str
    frames: list[str]

    @property
    def split(self) -> str | None:
        """Where the lists say train, val or test."""
        return next((SPLITS[key.lower()] for key in self.keys if key.lower() in SPLITS), None)

    @property
    def place(self) -> tuple[str, ...]:
        """The keys but for the split."""
        return tuple(key for key in self.keys if key.lower() not in SPLITS)


def df40(root: Path, *, images: str = "", real: str = "") -> Iterator[Row]:
    """A row for every frame; frames of one video are one ``group``, at whatever compression.

    The subset is the data set's name, the generator the class's (without ``fake``). A video that is listed for several
    splits, as DeepfakeBench lists some, is read once: for test, else for val.

    Args:
        root: A JSON file, or a folder with some.
        images: Folder that relative paths start from; default the JSON file's.
        real: Labels of real videos, with commas; default those with the word ``real``, as in ``FF-real``.

    Raises:
        SynthscopeError: No JSON, or something else in it.
    """
    files = [root] if root.is_file() else sorted(root.glob("*.json"))
    if not files:
        raise SynthscopeError(f"Expected lists of frames (.json) in {root}, got none. Check the path.")
    named = {one for one in real.split(",") if one}
    for file in files:
        base = Path(images).expanduser().absolute() if images else file.parent
        once: dict[tuple[str, ...], Video] = {}
        for video in _videos(read_json(file, dict), (), file):
            known = once.get(video.place)
            if known is None or _rank(video) > _rank(known):
                once[video.place] = video
        for video in once.values():
            yield from _rows(video, base, named)


def _rank(video: Video) -> int:
    return _ORDER.index(video.split) if video.split else -1


def _videos(node: Any, keys: tuple[str, ...], file: Path) -> Iterator[Video]:
    where = f"under {'/'.join(keys) or 'the top'} of {file}"
    if not isinstance(node, dict) or len(keys) > MOST_LEVELS:
        raise SynthscopeError(f"Expected an object with label and frames {where}, got another. Correct the list.")
    if "frames" not in node:
        for key, inner in node.items():
            yield from _videos(inner, (*keys, key), file)
        return
    label, frames = node.get("label"), node["frames"]
    texts = isinstance(frames, list) and all(isinstance(frame, str) and frame for frame in frames)
    if not isinstance(label, str) or not texts or not keys:
        raise SynthscopeError(f"Expected a label and a list of paths {where}, got another. Correct the list.")
    yield Video(keys, label, frames)


def _rows(video: Video, base: Path, real: set[str]) -> Iterator[Row]:
    words = re.split(r"[^a-z]+", video.label.lower())
    is_real = video.label in real if real else "real" in words
    above = video.place
    generator = _FAKE.sub("", above[1] if len(above) > 2 else above[0])
    known = {"label": int(not is_real), "generator": "real" if is_real else generator, "subset": above[0]}
    known |= {"split": video.split, "group": f"{above[0]}/{video.label}/{above[-1]}"}
    for frame in video.frames:
        path = frame if "/" in frame else frame.replace("\\", "/")  # lists are written on Windows, too
        yield {"path": str(base / path)} | known
