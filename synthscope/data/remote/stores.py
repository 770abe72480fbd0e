"""Object stores: S3 and Google Cloud Storage through pyarrow, the Hugging Face Hub through its own file system."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from synthscope.data.bombs import Refused

TIMEOUT = 30.0  # seconds without an answer
_QUERY = {"s3": {"endpoint_override", "region", "anonymous"}, "gs": {"anonymous"}}


class Source(NamedTuple):
    """A file that can be read in pieces."""

    size: int  # bytes
    read: Callable[[int, int], bytes]  # (start, bytes)


def local(path: str) -> Source:
    """A file of this machine."""
    status = os.stat(path)  # noqa: PTH116  (as in data.images)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("something that is not a regular file")

    def read(start: int, size: int) -> bytes:
        with Path(path).open("rb") as file:
            file.seek(start)
            return file.read(size)

    return Source(status.st_size, read)


def arrow(url: str) -> Source:
    """An object of ``s3://`` or ``gs://``."""
    system, path = _arrow(url)
    file = system.open_input_file(path)
    return Source(file.size(), lambda start, size: file.read_at(size, start))


def arrow_files(url: str) -> list[str]:
    """URLs of all objects below a folder, sorted; of an object, its own."""
    from pyarrow.fs import FileSelector, FileType

    system, path = _arrow(url)
    if system.get_file_info(path).type is FileType.File:
        return [url]
    found = system.get_file_info(FileSelector(path, recursive=True))
    scheme, mark, query = url.partition("://")[0], *url.partition("?")[1:]
    return sorted(f"{scheme}://{quote(one.path)}{mark}{query}" for one in found if one.type is FileType.File)


def hub(url: str) -> Source:
    """A file of ``hf://[datasets/]OWNER/NAME[@REVISION]/PATH``."""
    from huggingface_hub import HfFileSystem

    system, path = HfFileSystem(), _path(url)
    return Source(
        int(system.info(path)["size"]), lambda start, size: system.cat_file(path, start=start, end=start + size)
    )


def hub_files(url: str) -> list[str]:
    """URLs of all files below a folder, sorted."""
    from huggingface_hub import HfFileSystem

    return sorted(f"hf://{quote(path, safe='/@')}" for path in HfFileSystem().find(_path(url)))


def _arrow(url: str) -> tuple[Any, str]:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := query.keys() - _QUERY[parts.scheme]:
        raise Refused(f"a URL with {min(unknown)!r}, where {', '.join(sorted(_QUERY[parts.scheme]))} can stand")
    return _filesystem(parts.scheme, parts.netloc, tuple(sorted(query.items()))), _path(url)


@lru_cache(maxsize=32)
def _filesystem(scheme: str, bucket: str, given: tuple[tuple[str, str], ...]) -> Any:
    """One client a bucket. A server that the URL names gets no keys: a table may have been written by anybody."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, GcsFileSystem, S3FileSystem, resolve_s3_region

    query = dict(given)
    anonymous = query.get("anonymous") == "true"
    if scheme == "gs":
        return GcsFileSystem(anonymous=anonymous, retry_time_limit=timedelta(seconds=TIMEOUT))
    endpoint = query.get("endpoint_override") or _environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    region = query.get("region") or _environment("AWS_REGION", "AWS_DEFAULT_REGION")
    protocol, mark, host = (endpoint or "").rpartition("://")
    return S3FileSystem(
        endpoint_override=host or None,
        scheme=protocol if mark else "https",
        region=region or ("us-east-1" if host else resolve_s3_region(bucket)),
        anonymous=anonymous or "endpoint_override" in query,
        connect_timeout=TIMEOUT,
        request_timeout=TIMEOUT,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),  # data.remote.patience does that, and counts
    )


def _environment(*names: str) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _path(url: str) -> str:
    """Bucket and key."""
    parts = urlsplit(url)
    return f"{parts.netloc}{unquote(parts.path)}".rstrip("/")
