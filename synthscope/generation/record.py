"""What a folder of generated images remembers: what was asked, and a line for every order that was done.

``generate.json`` holds the settings; ``record/shard-i-of-n.jsonl`` grows by the lines of a batch at a time, so that a
run that is killed loses that batch at most. ``prompts.parquet`` is made of these lines when all orders are done.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.errors import SynthscopeError
from synthscope.generation.contract import Order
from synthscope.runtime.files import read_json, reason, write_json, writing
from synthscope.runtime.locks import lock

PROMPTS = pl.Schema(
    {
        "uid": pl.String,  # the same for all generators
        "generator": pl.String,
        "split": pl.String,
        "path": pl.String,  # of the fake, below the folder; null = there is none
        "real": pl.String,  # of the copy of its source
        "class_index": pl.Int32,
        "synset": pl.String,
        "class_name": pl.String,
        "prompt": pl.String,
        "negative_prompt": pl.String,
        "seed": pl.Int64,
        "attempt": pl.Int32,  # how many images were refused before
        "rejected": pl.String,  # why
        "model": pl.String,  # hub id or name of the folder
        "revision": pl.String,  # commit of the hub, or sha256 of the weights
        "pipeline": pl.String,
        "scheduler": pl.String,
        "steps": pl.Int32,
        "guidance": pl.Float64,
        "strength": pl.Float64,  # how much of the source is replaced
        "dtype": pl.String,
        "width": pl.Int32,
        "height": pl.Int32,
        "nsfw": pl.Boolean,  # of the pipeline's safety checker; null = it has none
        "watermark": pl.String,  # invisible one that the pipeline adds; null = none
        "cost": pl.Float64,  # of all attempts
        "source": pl.String,  # the real image of the uid
        "mask": pl.String,  # below the folder: where the fake differs from its source
        "details": pl.String,  # JSON of whatever else a generator says
        "error": pl.String,  # why there is no image
    }
)
Done = dict[tuple[str, str], dict[str, Any]]  # (generator, uid) -> attempt, cost and error of its last line
_KEPT = ("generator", "uid", "attempt", "cost", "error")


def row_of(order: Order, generator: str, facts: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``PROMPTS``."""
    fields = ("uid", "split", "class_index", "synset", "class_name", "prompt", "negative_prompt", "seed", "attempt")
    known = {name: getattr(order, name) for name in fields} | {"generator": generator}
    known |= {"source": str(order.source)} if order.source else {}
    every = known | dict(facts) | dict(told)
    details = {key: value for key, value in every.items() if key not in PROMPTS}
    row = {key: every.get(key) for key in PROMPTS}
    return row | {"details": json.dumps(details, ensure_ascii=False, default=str) if details else None}


class Log:
    """The lines of one shard, open to be added to."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path, self._file = path, file

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write lines through to the disk. Raises ``SynthscopeError`` where that cannot be."""
        with writing(self.path):
            data = memoryview("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())


@contextmanager
def open_log(out: Path, shard: tuple[int, int]) -> Iterator[Log]:
    """The log of a shard of the folder ``out``, for this process alone; half a line of a killed run is cut off.

    Raises:
        SynthscopeError: Another run has it, or nothing can be written.
    """
    path = out / "record" / f"shard-{shard[0]}-of-{shard[1]}.jsonl"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab+", buffering=0)  # what a full disk refuses must not be tried again at the end
    with file:
        if lock(file.fileno()) is False:
            raise SynthscopeError(f"Expected to write {path} alone, got another run at it. Wait until it has ended.")
        file.seek(0)
        file.truncate(_whole(file.read()))
        yield Log(path, file)


def read_lines(out: Path) -> pl.DataFrame:
    """The last line of every (generator, uid) of all shards, with the columns of ``PROMPTS``.

    Raises:
        SynthscopeError: A damaged log.
    """
    tables = [pl.DataFrame(schema=PROMPTS)]
    for path in sorted((out / "record").glob("shard-*.jsonl")):
        data = path.read_bytes()
        if whole := data[: _whole(data)]:
            try:
                tables.append(pl.read_ndjson(BytesIO(whole), schema=PROMPTS))
            except pl.exceptions.PolarsError as error:
                raise SynthscopeError(
                    f"Expected lines of JSON in {path}, got: {reason(error)}. Mend or remove the file."
                ) from error
    lines = pl.concat(tables).sort(pl.col("error").is_not_null(), maintain_order=True, descending=True)
    return lines.unique(["generator", "uid"], keep="last", maintain_order=True)


def done(out: Path) -> Done:
    """What was done before, by any shard."""
    return {(row["generator"], row["uid"]): row for row in read_lines(out).select(_KEPT).iter_rows(named=True)}


def _whole(data: bytes) -> int:
    """Bytes of whole lines."""
    return data.rfind(b"\n") + 1


def check_settings(
    out: Path, asked: Mapping[str, Any], orders: Sequence[Order], facts: dict[str, dict[str, Any]]
) -> None:
    """Keep what is asked in ``generate.json``; another generator of the same orders joins those that are there.

    Raises:
        SynthscopeError: The folder was begun with other orders, or with another generator of a name.
    """
    path = out / "generate.json"
    fresh = {"asked": {**asked, "orders": len(orders), "sha256": _digest(orders)}, "generators": facts}
    with writing(path):
        out.mkdir(parents=True, exist_ok=True)
        guard = (out / ".lock").open("a")
    with guard:
        lock(guard.fileno(), wait=True)
        earlier = read_json(path, dict) if path.is_file() else {}
        before = earlier.get("generators", {})
        pairs = [("", earlier.get("asked", fresh["asked"]), fresh["asked"])]
        pairs += [(f" of {name}", before[name], facts[name]) for name in facts if name in before]
        for whose, old, new in pairs:
            key = next((key for key in {**old, **new} if old.get(key) != json.loads(json.dumps(new.get(key)))), None)
            if key is not None:
                raise SynthscopeError(
                    f"Expected the same {key}{whose} as in {path}, which is {old.get(key)!r}, got {new.get(key)!r}. "
                    "Name a new folder after -o, or ask for the same."
                )
        write_json(path, fresh | {"generators": before | facts})


def _digest(orders: Iterable[Order]) -> str:
    digest = hashlib.sha256()
    for order in orders:
        digest.update(repr(order).encode())
    return digest.hexdigest()[:16]
