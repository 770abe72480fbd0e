"""Classes of the ILSVRC2012 validation images, whose names carry none: the ground-truth files that people have.

One image a line, in order (50,000 lines) or named: ``ILSVRC2012_val_00000001.JPEG n01751748``. The class is a synset, a
0-based index of the sorted synsets, or the devkit's own id 1..1000, which only ``meta.mat`` translates.
"""

from __future__ import annotations

import re
from pathlib import Path

from synthscope.data.layouts.imagenet import synsets
from synthscope.errors import SynthscopeError, UsageError

VAL_IMAGES = 50_000
VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})")
_SYNSET = re.compile(r"n\d{8}")
_CLASS = re.compile(r"n\d{8}|\d{1,4}", re.ASCII)
_MOST_BYTES = 64 * 2**20


def val_synsets(file: Path, ids: Path | None = None) -> dict[int, str]:
    """Number of a validation image (1..50000) -> synset.

    Args:
        file: Lines of classes, as described above; more columns and a header line of names are ignored, so that
            Kaggle's ``LOC_val_solution.csv`` is read too.
        ids: The devkit's ``meta.mat``, or text lines with an id and a synset; then numbers in ``file`` are ids.
            Without it named lines with numbers are 0-based indices (Caffe's ``val.txt``).

    Raises:
        SynthscopeError: A line that is none of these, a wrong number of lines, or devkit ids without ``ids``.
    """
    lines = [re.split(r"[\s,]+", line.strip()) for line in _text(file).splitlines() if line.strip()]
    named = [(int(match[1]), line, n) for n, line in enumerate(lines, 1) if (match := VAL_NAME.match(line[0]))]
    if named:
        entries = [(number, line[1] if len(line) > 1 else "", n) for number, line, n in named]
        skipped = len(lines) - len(named) - (VAL_NAME.match(lines[0][0]) is None)
    else:
        entries = [(n, line[0], n) for n, line in enumerate(lines, 1)]
        skipped = abs(len(lines) - VAL_IMAGES)
    if skipped:
        raise SynthscopeError(
            f"Expected {VAL_IMAGES} lines with a class, or lines such as 'ILSVRC2012_val_00000001.JPEG n01751748', in "
            f"{file}, got {len(lines)} lines of which {len(named)} name an image. Give the whole list."
        )
    for _, word, n in entries:
        if not _CLASS.fullmatch(word):
            raise SynthscopeError(
                f"Expected a synset or a class number in line {n} of {file}, got {word!r}. Correct it."
            )
    numbers = {int(word) for _, word, _ in entries if word.isdigit()}
    names = _names(numbers, file, ids) if numbers else {}
    return {number: names[int(word)] if word.isdigit() else word for number, word, _ in entries}


def _names(numbers: set[int], file: Path, ids: Path | None) -> dict[int, str]:
    """Class number -> synset for all of ``numbers``."""
    if ids is not None:
        names = _devkit(ids)
    elif 1000 in numbers:
        raise SynthscopeError(
            f"Expected synsets or indices 0 to 999 in {file}, got the devkit's own ids 1 to 1000, whose order is not "
            "that of the sorted synsets. Add &synset_ids=…/meta.mat from the same devkit."
        )
    else:
        names = dict(enumerate(synsets()))
    if unknown := numbers - set(names):
        raise SynthscopeError(
            f"Expected class numbers {min(names, default=0)} to {max(names, default=0)} in {file}, got "
            f"{min(unknown)}. Check that the two files belong together."
        )
    return names


def _devkit(path: Path) -> dict[int, str]:
    """ILSVRC2012 id -> synset, from ``meta.mat`` or from lines with both."""
    if path.suffix.lower() != ".mat":
        pairs = [(re.search(r"(?<!\S)\d{1,4}(?!\S)", line), _SYNSET.search(line)) for line in _text(path).splitlines()]
        names = {int(number[0]): synset[0] for number, synset in pairs if number and synset}
    else:
        from scipy.io import loadmat

        try:
            _size(path)
            table = loadmat(path, squeeze_me=True, variable_names=["synsets"])["synsets"]
            names = {int(i): str(s) for i, s in zip(table["ILSVRC2012_ID"], table["WNID"], strict=True)}
        except SynthscopeError:
            raise
        except Exception as error:  # the reader raises nearly anything on foreign bytes
            raise SynthscopeError(f"Expected the devkit's meta.mat at {path}, got: {error}. Take it anew.") from error
    if not set(range(1, 1001)) <= set(names):
        raise SynthscopeError(
            f"Expected a synset for each of the ids 1 to 1000 in {path}, got {len(names)}. Give the devkit's meta.mat."
        )
    return names


def _text(path: Path) -> str:
    _size(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SynthscopeError(f"Expected a text file at {path}, got: {error}. Check the path.") from error


def _size(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"Expected a file at {path}, got nothing. Check the path after the question mark.")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise SynthscopeError(f"Expected a list of classes at {path}, got {size} bytes. Check the path.")
