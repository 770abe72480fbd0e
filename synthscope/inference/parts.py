"""Parts of a run that can be stopped at any time: small tables, each written whole, read together, oldest first."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import polars as pl

from synthscope.runtime.files import reason, writing
from synthscope.runtime.locks import MARK, lock
from synthscope.runtime.told import printable
from synthscope.schema import write_table


def new_part(folder: Path) -> Path:
    """A file name for the next part of ``folder``; names sort by time."""
    return folder / f"part-{time.time_ns():020d}-{secrets.token_hex(4)}.parquet"


def write_part(folder: Path, rows: pl.DataFrame) -> None:
    """Add ``rows`` to the run in ``folder``; nothing is written where there are none."""
    if rows.height:
        write_table(rows, new_part(folder))


def each_part(
    folder: Path,
    schema: pl.Schema,
    *,
    of: str,
    narrow: Callable[[pl.LazyFrame], pl.LazyFrame] = lambda rows: rows,
    check: Callable[[Path], None] = lambda path: None,
    missing: Literal["raise", "insert"] = "raise",
) -> Iterator[pl.DataFrame]:
    """No rows, then those of each part, oldest first. A part that cannot be read is named on stderr and set aside.

    Args:
        folder: Of the run.
        schema: Columns of every part.
        of: What the parts are of, for the message.
        narrow: Chooses rows and columns before they are read.
        check: Raises ``OSError`` where something beside the part is missing.
        missing: Whether a part without one of the columns, as older versions wrote it, is unreadable or has null there.
    """
    yield narrow(pl.DataFrame(schema=schema).lazy()).collect()
    for path in sorted(folder.glob("part-*.parquet")):
        try:
            check(path)
            rows = narrow(pl.scan_parquet(path, schema=schema, missing_columns=missing, glob=False)).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            print(
                f"Expected a part of {of}, got {printable(path)} ({reason(error)}). It is computed again.",
                file=sys.stderr,
            )
            path.rename(path.with_suffix(".broken"))
        else:
            yield rows


def in_batches(tables: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Tables of at least so many rows, but the last: small ones one below the other, large ones as they are."""
    waiting: list[pl.DataFrame] = []
    height = 0
    for table in tables:
        waiting.append(table)
        height += table.height
        if height >= rows:
            yield pl.concat(waiting)
            waiting, height = [], 0
    if waiting:
        yield pl.concat(waiting)


@contextmanager
def one_run(folder: Path, part: str | None = None) -> Iterator[None]:
    """Create ``folder`` and have it alone: a second run waits, with a line on stderr, until the first has ended.

    Args:
        folder: Of the parts.
        part: Runs of different parts, such as shards, go side by side; a run without one waits for all of them.

    Raises:
        SynthscopeError: Nothing can be written there.
    """
    names = [".lock"] if part is None else [".lock", f".lock-{part}"]
    with ExitStack() as held:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(prefix=f".{MARK}", dir=folder):
                pass
            files = [held.enter_context((folder / name).open("a")) for name in names]
        for name, file in zip(names, files, strict=True):
            shared = name != names[-1]
            if lock(file.fileno(), shared=shared) is False:
                print(f"waiting for another run in {printable(folder)}", file=sys.stderr, flush=True)
                lock(file.fileno(), shared=shared, wait=True)
        yield
