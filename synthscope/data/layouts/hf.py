"""The layout ``hf:``: data sets of Hugging Face, as Parquet shards, Arrow files, or folders of images.

What a label means is read from the names of its classes, never from their numbers, unless the column has no names. The
split is read from a column ``split``, else from names of files and folders by the rule of the library ``datasets``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synthscope.data.layouts.embedded import embedded, features, schema_of
from synthscope.data.layouts.folders import SPLITS
from synthscope.data.layouts.hub import hub_tables
from synthscope.data.layouts.metadata_files import described_images
from synthscope.data.layouts.source import Row
from synthscope.data.layouts.tables import EXTRAS, LABELS, read_label
from synthscope.data.layouts.walk import tree
from synthscope.data.remote.place import is_url
from synthscope.errors import SynthscopeError, UsageError, suggest

if TYPE_CHECKING:
    import pyarrow as pa

_SHARD = re.compile(r"[-_.]?\d+[-_]of[-_]\d+.*|[-_.]\d{4,}$")
_WORDS = SPLITS | {"dev": "val", "eval": "test", "evaluation": "test"}
_NAMELESS = ("", "data", "part", "default")


def hf(pattern: Path | str, *, label: str = "", real: str = "", split: str = "", image: str = "") -> Iterator[Row]:
    """Rows of all images in a data set.

    Args:
        pattern: A folder, one ``.parquet`` or ``.arrow`` file, or ``OWNER/NAME[@REVISION]`` of the hub, of which
            Parquet files are read in place; a folder without such files is read as the library's ``imagefolder``:
            ``metadata.csv``, ``.jsonl`` or ``.parquet`` with ``file_name``, else folders of classes.
        label: Column of the label; default ``label``, else the only column of classes, else nobody knows it.
        real: Names (or numbers, where there are no names) of the real classes, with commas: all others are AI, and
            their names are generators. Without it names must say it themselves: real, ai, fake, 0, 1 …
        split: Read files of these splits alone, with commas.
        image: Column of the images; default the one that ``datasets`` says is one, else ``image``.

    Raises:
        UsageError: No such column, class or split, or a label that cannot be understood.
        SynthscopeError: Nothing there, or files that cannot be read.
    """
    name, files = _files(pattern)
    wanted = [one for one in split.split(",") if one]
    asked = Asked(name, image, label, frozenset(one for one in real.split(",") if one))
    if not files:
        yield from described_images(Path(pattern), image, partial(said, asked), split_of, wanted)
        return
    splits = {file: names_of_split(file, str(pattern)) for file in files}
    known = {one for names in splits.values() for one in names}
    if absent := [one for one in wanted if one not in known]:
        raise UsageError(f"Expected a split in {name}, got {absent[0]!r}. {suggest(absent[0], known)}")
    for file in files:
        if not wanted or not splits[file].isdisjoint(wanted):
            of_file = split_of(file, str(pattern))
            yield from ({"split": of_file} | row for row in _table_rows(file, asked))


class Asked(NamedTuple):
    """What is asked of a data set; see :func:`hf`."""

    name: str
    image: str
    label: str
    real: frozenset[str]


def _table_rows(file: str, asked: Asked) -> Iterator[Row]:
    schema = schema_of(file)
    told = features(schema)
    image = asked.image or _image_column(schema, told, file)
    label = _label_column(schema, told, asked.label, file)
    for column in filter(None, (image, label)):
        if column not in schema.names:
            raise UsageError(f"Expected a column {column!r} in {file}, got none. {suggest(column, schema.names)}")
    classes = told.get(label, {}).get("names") if told.get(label, {}).get("_type") == "ClassLabel" else None
    extras = [column for column in EXTRAS if column in schema.names and column not in (image, label)]
    for number, row in embedded(file, image, [*extras, *([label] if label else [])]):
        place = f"row {number} of {file}"
        value = _class_name(row.pop(label), classes, place) if label else None
        yield said(asked._replace(label="label"), row | {"label": value}, place)


def said(asked: Asked, row: Row, place: str) -> Row:
    """The manifest's columns of a row whose label is a class name, a number, or None where nobody knows it."""
    value = row.get(asked.label or "label")
    known = {one: row[one] for one in EXTRAS if row.get(one) not in (None, "")}
    if value is None or value == "":
        return known | {"path": row["path"]}
    text = str(int(value) if isinstance(value, bool) else value)
    number = _in_words(text, asked.real, place)
    generic = text.strip().lower() in LABELS or text.isdecimal()
    generator = "real" if number == 0 else known.get("generator") or (None if generic else text)
    subset = known.get("subset") or ((generator or asked.name) if number == 1 else None)
    return known | {"path": row["path"], "label": number, "generator": generator or subset, "subset": subset}


def _in_words(text: str, real: Collection[str], place: str) -> int:
    if real:
        return 0 if text in real else 1
    try:
        return read_label(text, "label", place)
    except UsageError as error:
        raise UsageError(f"{error} Or name the real classes, as in hf:PATH?real={text}.") from error


def _class_name(value: Any, classes: Any, place: str) -> Any:
    """The name of a class of which the column holds the number; -1 is nobody's."""
    if not isinstance(classes, list) or value is None or value == -1:
        return None if classes and value == -1 else value
    if not isinstance(value, int) or not 0 <= value < len(classes):
        raise SynthscopeError(f"Expected a class from 0 to {len(classes) - 1} in {place}, got {value!r}. Correct it.")
    return str(classes[value])


def _image_column(schema: pa.Schema, told: dict[str, Any], file: str) -> str:
    from pyarrow import types

    structs = [f.name for f in schema if types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0]
    found = [name for name, one in told.items() if one.get("_type") == "Image" and name in schema.names] or structs
    if "image" in found or (not found and "image" in schema.names):
        return "image"
    if len(found) != 1:
        raise UsageError(
            f"Expected one column of images in {file}, got {', '.join(found) or 'none'} among "
            f"{', '.join(schema.names)}. Name it as hf:PATH?image=COLUMN."
        )
    return found[0]


def _label_column(schema: pa.Schema, told: dict[str, Any], label: str, file: str) -> str:
    if label or "label" in schema.names:
        return label or "label"
    found = [name for name, one in told.items() if one.get("_type") == "ClassLabel" and name in schema.names]
    if len(found) > 1:
        raise UsageError(
            f"Expected one column of classes in {file}, got {', '.join(found)}. Name it as hf:PATH?label=COLUMN."
        )
    return found[0] if found else ""


def _files(pattern: Path | str) -> tuple[str, list[str]]:
    """Name of a data set, and its Parquet and Arrow files, sorted; none where it is a folder of images."""
    if is_url(pattern) or not Path(pattern).exists():
        return hub_tables(pattern)
    path = Path(pattern)
    if path.is_file():
        return path.stem, [str(path)]
    found = [file for file, is_folder in tree(path) if not is_folder and file.lower().endswith((".parquet", ".arrow"))]
    return path.name, sorted(file for file in found if Path(file).name != "metadata.parquet")


def names_of_split(file: str, root: str) -> frozenset[str]:
    """What the split of a file may be called: as its names say, and as manifests call it."""
    return frozenset(filter(None, (name_of_split(file, root), split_of(file, root))))


def split_of(file: str, root: str) -> str | None:
    """``train``, ``val`` or ``test``, where a word of the file's name, else of a folder's, says so.

    >>> split_of("/d/data/validation-00000-of-00002.parquet", "/d"), split_of("/d/test/a.parquet", "/d")
    ('val', 'test')
    """
    for part in reversed(_parts(file, root)):
        for word in re.split(r"[-_. \d]+", part.lower()):
            if word in _WORDS:
                return _WORDS[word]
    return None


def name_of_split(file: str, root: str) -> str:
    """What a file is called without the number of its shard, or its folder, if that says nothing.

    >>> name_of_split("/d/data/sd15-00000-of-00002.parquet", "/d")
    'sd15'
    """
    names = [_SHARD.sub("", part) for part in _parts(file, root)]
    return next((name for name in reversed(names) if name.lower() not in _NAMELESS), "")


def _parts(file: str, root: str) -> list[str]:
    if is_url(file):
        below = file.partition("@")[2].partition("/")[2]  # of a commit
    else:
        below = file.removeprefix(root) if file != root else file.rpartition("/")[2]
    *folders, name = [part for part in below.split("/") if part]
    return [*folders, name.rpartition(".")[0]]
