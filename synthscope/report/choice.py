"""Files that a reader asks to see in the galleries of a page, in place of those that a rule chooses."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import polars as pl

from synthscope.errors import UsageError


class Choice(NamedTuple):
    """Which files a gallery shows, and how many of them."""

    files: str | None = None  # pattern of paths, or of their ends, such as *.png or ai/00*.jpg; None = the rule's
    limit: int | None = None  # pictures of one kind; None = the gallery's own number

    def has(self, path: str) -> bool:
        """Whether a file may be shown.

        >>> Choice("ai/0?.png").has("/data/ai/01.png"), Choice("1.png").has("/data/ai/01.png"), Choice().has("a")
        (True, False, True)
        """
        return self.files is None or fnmatchcase(path, self.files) or fnmatchcase(path, f"*/{self.files}")

    def check(self, run: Path) -> None:
        """Raise ``UsageError`` where no image of ``run`` may be shown."""
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"Expected a limit of at least 1, got {self.limit}. Correct the number.")
        if self.files is None:
            return
        tables = [run / f"{name}.parquet" for name in ("predictions", "explanations")]
        paths: Iterable[str] = (
            path for table in tables if table.is_file() for path in pl.read_parquet(table, columns=["path"])["path"]
        )
        if not any(map(self.has, paths)):
            raise UsageError(
                f"Expected files of {run} that match {self.files!r}, got none. Quote the pattern, as in '*/ai/00*.png'."
            )
