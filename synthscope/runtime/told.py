"""Words of files and folders on their way to terminals and spreadsheets, which would obey some of them."""

from __future__ import annotations

import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

FORMULA = r"^'*[=+\-@\t\r]"  # of a cell that a spreadsheet would compute, perhaps behind apostrophes
_thread = threading.local()


def printable(text: object) -> str:
    r"""One line for a terminal: control characters, line ends and bytes that are no UTF-8 as Python writes them.

    >>> print(printable("a\x1b[2J\n.png"))
    a\x1b[2J\n.png
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def to_cell(text: str) -> str:
    """Text as a cell of a CSV file: with an apostrophe before what a spreadsheet would take for a formula.

    >>> to_cell("=1+1.png"), to_cell("'=1.png"), to_cell("a.png"), to_cell("'a'.png")
    ("'=1+1.png", "''=1.png", 'a.png', "'a'.png")
    """
    return f"'{text}" if re.match(FORMULA, text) else text


def from_cell(cell: str) -> str:
    """What :func:`to_cell` was given.

    >>> from_cell("'=1+1.png"), from_cell("''=1.png"), from_cell("'a'.png")
    ('=1+1.png', "'=1.png", "'a'.png")
    """
    return cell[1:] if cell.startswith("'") and re.match(FORMULA, cell) else cell


@contextmanager
def reading(name: object) -> Iterator[None]:
    """Warnings of this thread are about the file ``name``."""
    before = getattr(_thread, "name", None)
    _thread.name = name
    try:
        yield
    finally:
        _thread.name = before


@contextmanager
def named_warnings() -> Iterator[None]:
    """Warnings are lines on stderr that name the file they are about."""

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
        line: str | None = None,
    ) -> None:  # fmt: skip
        name = getattr(_thread, "name", None)
        about = f" {name}:" if name is not None else ""
        print(f"synthscope: warning:{printable(about)} {printable(message)}", file=file or sys.stderr)

    before, warnings.showwarning = warnings.showwarning, show
    try:
        yield
    finally:
        warnings.showwarning = before
