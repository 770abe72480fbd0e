"""X-AIGD: images inside Parquet files, written to a folder once, a few at a time.

``{root}/data/{split}-*.parquet`` holds the generated images, ``{root}/real/{uid}.*`` the photographs if they are there.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synthscope.data.layouts.walk import IMAGE_SUFFIXES, image_files
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime import whole_file
from synthscope.runtime.told import printable

Row = dict[str, Any]
_SHARD = re.compile(r"(\w+?)-\d+-of-\d+")
_SNAPSHOT = re.compile(r"/snapshots/([0-9a-f]{40})/")  # the cache of huggingface_hub
_KEYS = ("generator", "uid", "image.path", "image_format", "jpeg_quality", "chroma_subsampling")


def xaigd(root: Path, *, split: str = "", images: str = "", real: str = "", compression: str = "") -> Iterator[Row]:
    """A row for every generated image, then one for every photograph of the same captions.

    Images are written below ``images`` (default: ``images`` beside ``data``) in a folder named after the Parquet file
    and its content, ``{generator}/{uid}.png``; those already there are left alone. ``group`` is the uid.

    Args:
        root: The data set's folder, or one Parquet file.
        split: Such as ``labeled_test`` or several with commas; default every labelled one.
        images: Folder for the images.
        real: Folder of the photographs, named ``{uid}.*``; default ``{root}/real`` where it exists.
        compression: ``matched`` gives each generated image a view that compresses it as its photograph is (columns
            ``image_format``, ``jpeg_quality``, ``chroma_subsampling``); otherwise PNG against JPEG tells the label.

    Raises:
        UsageError: An unknown split or value of ``compression``.
        SynthscopeError: No such tables, or a (generator, uid) that is missing, repeated or no file name.
    """
    if compression not in ("", "matched"):
        raise UsageError(f"Expected compression=matched or nothing, got {compression!r}. Correct it.")
    splits: dict[str, str | None] = {}
    seen: set[tuple[str, str]] = set()
    for shard in shards(root, split, images):
        keys = list(shard.named_rows(_KEYS, seen))
        shard.extract(keys)
        for key in keys:
            generator, uid = key["generator"], key["uid"]
            splits[uid] = shard.split
            row = {"path": shard.image_path(key), "label": 1, "generator": generator, "subset": generator}
            yield row | {"split": shard.split, "group": uid, "view": _view(key) if compression else None}
    yield from _photographs(Path(real).expanduser() if real else _home(root) / "real", splits)


@dataclass(frozen=True)
class Shard:
    """One Parquet file of the data set."""

    path: Path
    images: Path  # folder that holds a folder of images for each file

    @property
    def name(self) -> str:
        """Such as ``labeled_test``."""
        match = _SHARD.fullmatch(self.path.stem)
        return match[1] if match else self.path.stem

    @property
    def split(self) -> str | None:
        """``train`` or ``test``, where the name says so."""
        return next((split for split in ("train", "test") if self.name.endswith(split)), None)

    @cached_property
    def fingerprint(self) -> str:
        """Digits that change with the content: a hash of the file's footer, which holds sizes and statistics."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - 8, 0))
            length = int.from_bytes(file.read(4), "little")
            file.seek(max(size - 8 - length, 0))
            return hashlib.sha256(file.read(length + 8)).hexdigest()[:12]

    @property
    def revision(self) -> str:
        """Commit of the data set where the path tells, else the fingerprint."""
        match = _SNAPSHOT.search(self.path.as_posix())
        return match[1] if match else f"parquet:{self.fingerprint}"

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names of the file's columns."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            return frozenset(parquet.read_schema(self.path).names)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> SynthscopeError:
        return SynthscopeError(f"Expected X-AIGD's Parquet file at {self.path}, got: {error}. Fetch it.")

    def named_rows(self, columns: tuple[str, ...], seen: set[tuple[str, str]]) -> Iterator[Row]:
        """:meth:`rows`, of which ``generator`` and ``uid`` name a file each; ``seen`` grows with their pairs."""
        for number, row in enumerate(self.rows(columns), start=1):
            for column in ("generator", "uid"):
                name = row.get(column)
                if not isinstance(name, str) or not name.strip(".") or re.search(r"[/\\\x00]", name):
                    raise SynthscopeError(
                        f"Expected a {column} that can name a file in row {number} of {self.path}, got {name!r}. "
                        "Correct the table."
                    )
            key = row["generator"], row["uid"]
            if key in seen:
                raise SynthscopeError(
                    f"Expected one row for each generator and uid, got {key} again in row {number} of {self.path}. "
                    "Remove one of the two files or rows."
                )
            seen.add(key)
            yield row

    def rows(self, columns: tuple[str, ...]) -> Iterator[Row]:
        """Those of ``columns`` that the file has, of every row; ``image.path`` is the key of the inner one."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self.path) as file:
                present = set(file.schema_arrow.names) | {"image.path"}
                for batch in file.iter_batches(batch_size=256, columns=[c for c in columns if c in present]):
                    for row in batch.to_pylist():
                        image = row.pop("image", None)
                        yield row | {"image.path": image.get("path") if image else None}
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def image_path(self, key: Row) -> str:
        """Where the image of a row is or will be."""
        suffix = Path(key.get("image.path") or "").suffix.lower()
        suffix = suffix if suffix[1:] in IMAGE_SUFFIXES else ".png"
        folder = self.images / f"{self.path.stem}-{self.fingerprint[:8]}"
        return (folder / key["generator"] / f"{key['uid']}{suffix}").as_posix()

    def extract(self, keys: list[Row]) -> None:
        """Write the images that aren't there yet.

        Memory holds twice the largest page of the column, which is a row group as the library ``datasets`` writes it
        (100 images, 0.3 GB for X-AIGD's).
        """
        import pyarrow as pa
        from pyarrow import parquet

        paths = [Path(self.image_path(key)) for key in keys]
        missing = sum(not path.is_file() for path in paths)
        if not missing:
            return
        print(printable(f"writing {missing} images of {self.path.name} below {self.images}"), file=sys.stderr)
        try:
            with parquet.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
                start = 0
                for group in range(file.num_row_groups):
                    stop = start + file.metadata.row_group(group).num_rows
                    if not all(path.is_file() for path in paths[start:stop]):
                        _write(file, group, paths[start:stop], f"{self.path}, row group {group}")
                    start = stop
        except (OSError, pa.ArrowException) as error:
            raise SynthscopeError(
                f"Expected to write the images of {self.path} below {self.images}, got: {error}. "
                "Make room, name another folder as ?images=DIR, or fetch the file again."
            ) from error


def shards(root: Path, split: str = "", images: str = "") -> list[Shard]:
    """The Parquet files of a data set (or one file) with the wanted splits; default: every labelled one."""
    files = [root] if root.is_file() else sorted(root.glob("data/*.parquet")) or sorted(root.glob("*.parquet"))
    # links are followed here alone, so that images and annotations named by different ways to the folder meet
    home = (Path(images).expanduser() if images else _home(root) / "images").resolve()
    found = [Shard(path, home) for path in files]
    names = sorted({shard.name for shard in found})
    labelled = [name for name in names if not name.startswith("unlabeled")]
    wanted = [name for name in split.split(",") if name] or (names if root.is_file() else labelled)
    for name in wanted:
        if name not in names:
            raise UsageError(f"Expected a split in {root}, got {name!r}. {suggest(name, names)}")
    if not wanted:
        raise SynthscopeError(
            f"Expected X-AIGD's Parquet files data/labeled_test-*.parquet in {root}, got none. Check the path."
        )
    return [shard for shard in found if shard.name in wanted]


def _home(root: Path) -> Path:
    folder = root.parent if root.is_file() else root
    return folder.parent if root.is_file() and folder.name == "data" else folder


def _write(file: Any, group: int, paths: list[Path], where: str) -> None:
    todo = iter(paths)
    for batch in file.iter_batches(batch_size=4, row_groups=[group], columns=["image.bytes"]):
        if "image" not in batch.schema.names:
            raise SynthscopeError(f"Expected a column image in {where}, got none. Name the tables with the images.")
        for image in batch.column("image"):
            path, data = next(todo), image["bytes"].as_py() if image.is_valid else None
            if not isinstance(data, bytes):
                raise SynthscopeError(f"Expected the bytes of an image for {path.stem} in {where}, got none. Fetch it.")
            if not path.is_file():
                with whole_file(path) as temporary:
                    temporary.write_bytes(data)


def _view(key: Row) -> str | None:
    """The JPEG compression of the photograph, as a recipe; null for photographs that are no JPEG."""
    if str(key.get("image_format")).upper() not in ("JPEG", "JPG") or not key.get("jpeg_quality"):
        return None
    full = re.sub(r"\D", "", str(key.get("chroma_subsampling"))) == "444"
    return f"jpeg:q={key['jpeg_quality']}" + (",subsampling=444" if full else "")


def _photographs(folder: Path, splits: dict[str, str | None]) -> Iterator[Row]:
    if not folder.is_dir():
        return
    for path, _, error in image_files(folder):
        uid = Path(path).stem
        if uid in splits:
            row = {"path": path, "label": 0, "generator": "real", "subset": None, "split": splits[uid]}
            yield row | {"group": uid, "error": error}
