"""What is to be seen on images: the 1,000 classes of ImageNet-1k, or a list of one's own."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import StringIO
from pathlib import Path

from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime.files import read_text
from synthscope.runtime.told import from_cell

IMAGENET = "imagenet"  # the word for all of them


@dataclass(frozen=True)
class Kind:
    """One class. Those of ImageNet-1k have an index and a synset."""

    number: str  # in file names: 033 for ImageNet's, as in GenImage, c033 for the 34th of another list
    name: str  # as it stands in prompts
    class_index: int | None = None  # 0-based, in the sorted synsets
    synset: str | None = None


@lru_cache(maxsize=1)
def imagenet_classes() -> tuple[Kind, ...]:
    """The classes of ImageNet-1k in their order, called by the first word of their WordNet synset.

    ``imagenet.csv`` holds timm's tables (Apache-2.0) of WordNet 3.0 lemmas. Three names are told apart from another
    class of the same word: crane bird, construction crane and tank suit.
    """
    text = (files("synthscope.generation") / "imagenet.csv").read_text(encoding="utf-8")
    lines = csv.DictReader(StringIO(text))
    return tuple(Kind(f"{i:03d}", line["name"], i, line["synset"]) for i, line in enumerate(lines))


def read_classes(source: str) -> list[Kind]:
    """``imagenet``, or a list of one's own in UTF-8: a text file with a name or synset a line, or a ``.csv`` table.

    A table has a column ``name``, perhaps ``class_index`` or ``synset`` of ImageNet, which then may stand alone. A
    synset of ImageNet-1k brings its index and, unless another is given, its name.

    Raises:
        SynthscopeError: No such file, an empty one, or a class that is there twice or is unknown to ImageNet.
    """
    if source == IMAGENET:
        return list(imagenet_classes())
    path = Path(source).expanduser()
    if not path.is_file():
        raise SynthscopeError(f"Expected {IMAGENET} or a list of classes, got no file {path}. Check the path.")
    kinds = [_kind(line, i, f"line {row} of {path}") for i, (row, line) in enumerate(_lines(path))]
    if not kinds:
        raise SynthscopeError(f"Expected classes in {path}, got none. Write a name a line.")
    for what, values in (("name", [k.name for k in kinds]), ("class_index", [k.class_index for k in kinds])):
        twice = next((value for value, n in Counter(values).items() if value is not None and n > 1), None)
        if twice is not None:
            raise SynthscopeError(f"Expected each class once in {path}, got the {what} {twice!r} twice. Delete one.")
    return kinds


def _lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Number and cells of every line that is not empty; a line of a text file is a name, or a synset."""
    text = read_text(path, what="a list of classes in", advice="Save it in UTF-8.")
    if path.suffix.lower() != ".csv":
        lines = [(row, line.strip()) for row, line in enumerate(text.splitlines(), start=1) if line.strip()]
        return [(row, {"synset" if line in _by("synset") else "name": line}) for row, line in lines]
    table = csv.DictReader(StringIO(text, newline=""))
    names = table.fieldnames or []
    if not {"name", "class_index", "synset"} & set(names):
        raise UsageError(f"Expected a column name in {path}, got {', '.join(names)}. {suggest('name', names)}")
    return [(table.line_num, {k: from_cell(v).strip() for k, v in line.items() if k and v}) for line in table]


def _kind(line: dict[str, str], position: int, place: str) -> Kind:
    found = [_imagenet(column, line[column], place) for column in ("synset", "class_index") if line.get(column)]
    name = line.get("name")
    if not found:
        if not name:
            raise SynthscopeError(f"Expected a name in {place}, got none. Fill it in or delete the line.")
        return Kind(f"c{position:03d}", name)
    known = found[0]
    if found[-1] != known:
        raise SynthscopeError(
            f"Expected the class_index {known.class_index} of {known.synset} in {place}, got {line['class_index']}. "
            "Correct one of the two."
        )
    return Kind(known.number, name or known.name, known.class_index, known.synset)


def _imagenet(column: str, value: str, place: str) -> Kind:
    known = _by(column)
    if value not in known:
        near = suggest(value, known) if column == "synset" else "Count from 0 to 999."
        raise SynthscopeError(f"Expected a {column} of ImageNet-1k in {place}, got {value!r}. {near}")
    return known[value]


@lru_cache(maxsize=2)
def _by(column: str) -> dict[str, Kind]:
    return {str(getattr(kind, column)): kind for kind in imagenet_classes()}
