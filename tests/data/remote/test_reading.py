"""Files elsewhere: who may be asked, ranges, lost connections, sizes. S3 in a server: tests/inference/test_ray.py."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from synthscope.cli import app
from synthscope.data import images
from synthscope.data.audit import audit
from synthscope.data.bombs import Refused
from synthscope.data.images import measure, read_file, read_rgb
from synthscope.data.index import index, index_to
from synthscope.data.manifest import save_manifest, verify
from synthscope.data.remote import patience, permission, reading
from synthscope.data.remote.patience import TRIES, Unreachable, patiently
from synthscope.data.remote.permission import NotAsked, allow, allow_source
from synthscope.data.remote.reading import open_elsewhere
from synthscope.data.remote.stores import Source, arrow
from synthscope.errors import SynthscopeError, UnreadableImageError, UsageError


def png(seed: int, size: tuple[int, int] = (40, 36)) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Bucket(dict[str, bytes]):
    """An object store in memory that loses connections: the next ``lost`` calls fail."""

    lost = 0
    calls = 0

    def call(self) -> None:
        self.calls += 1
        if self.lost > 0:
            self.lost -= 1
            raise OSError("connection reset")

    def open(self, url: str) -> Source:
        self.call()
        if url not in self:
            raise FileNotFoundError(url)

        def read(start: int, size: int) -> bytes:
            self.call()
            return self[url][start : start + size]

        return Source(len(self[url]), read)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", found.append)
    return found


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Bucket:
    """A store behind ``s3://``, which nobody has asked for yet."""
    made = Bucket()
    monkeypatch.setitem(reading.STORES, "s3", made.open)
    monkeypatch.setitem(reading.LISTINGS, "s3", lambda url: sorted(key for key in made if key.startswith(url)))
    monkeypatch.setattr(permission, "_granted", set())
    return made


def test_nothing_is_read_that_nobody_asked_for(bucket: Bucket) -> None:
    bucket["s3://b/a.png"] = png(0)
    assert measure("s3://b/a.png", decode=True)[-1] == "a URL that nobody asked to read"
    with pytest.raises(UnreadableImageError, match=r"got a URL that nobody asked to read. Add --remote, or"):
        read_file("s3://b/a.png")
    with pytest.raises(SynthscopeError, match="Expected images at s3://b/, got: a URL that nobody asked"):
        index("files:s3://b/")
    assert index("wds:s3://b/0.tar")["error"][0].endswith("a URL that nobody asked to read")
    assert bucket.calls == 0


def test_what_was_typed_is_asked_for_and_no_more(bucket: Bucket) -> None:
    for source in ("wds:s3://b/{000..012}.tar", "https://host.org", "genimage:/data", "files:s3://c/d/?region=x"):
        allow_source(source)
    assert permission.granted() == ("https://host.org/", "s3://b/", "s3://c/d/")
    for url in ("https://host.org.evil.org/a", "s3://other/0.tar", "http://host.org/a"):
        with pytest.raises(NotAsked):
            permission.check(url)
    permission.check("https://host.org/a")
    allow()
    permission.check("gs://anything/at/all")


@pytest.mark.parametrize("seed", range(3))
def test_a_remote_image_is_the_local_one(bucket: Bucket, tmp_path: Path, seed: int) -> None:
    allow()
    (tmp_path / "a.png").write_bytes(data := png(seed, (200, 300)))
    bucket["s3://b/a.png"] = data
    for decode in (False, True):
        assert measure("s3://b/a.png", decode=decode) == measure(str(tmp_path / "a.png"), decode=decode)
    assert read_file("s3://b/a.png") == (data, hashlib.sha256(data).hexdigest())
    np.testing.assert_array_equal(read_rgb("s3://b/a.png"), read_rgb(tmp_path / "a.png"))


def test_of_a_large_file_only_the_beginning_is_fetched_for_its_header(bucket: Bucket) -> None:
    allow()
    data = bucket["s3://b/a.ppm"] = b"P6 1000 1000 255\n" + bytes(3_000_000)
    fetched = []

    def watched(url: str) -> Source:
        source = Bucket.open(bucket, url)

        def read(start: int, size: int) -> bytes:
            fetched.append(size)
            return source.read(start, size)

        return Source(source.size, read)

    reading.STORES["s3"] = watched
    assert measure("s3://b/a.ppm")[:5] == (1000, 1000, "PPM", None, len(data))
    assert sum(fetched) <= 3 * reading.BUFFER


def test_files_that_are_too_large_or_empty_are_not_fetched(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    allow()
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    bucket["s3://b/a.png"], bucket["s3://b/0.png"] = png(0), b""
    assert measure("s3://b/a.png", decode=True)[-1] == f"{len(bucket['s3://b/a.png'])} bytes, more than 1000"
    assert measure("s3://b/0.png")[-1] == "an empty file"
    assert bucket.calls == 2


def test_lost_connections_are_tried_again_with_pauses_that_grow(bucket: Bucket, pauses: list[float]) -> None:
    allow()
    data = bucket["s3://b/a.png"] = png(0)
    bucket.lost = TRIES - 1
    assert read_file("s3://b/a.png")[0] == data
    assert len(pauses) == TRIES - 1
    assert all(0.25 * 2**n <= pause <= 0.75 * 2**n for n, pause in enumerate(pauses))
    assert len(set(pauses)) == len(pauses)


def test_a_connection_that_stays_lost_is_a_row_with_an_error(bucket: Bucket, pauses: list[float]) -> None:
    allow()
    bucket["s3://b/a.png"] = png(0)
    bucket.lost = 10**9
    with pytest.raises(UnreadableImageError, match=rf"connection reset \(tried {TRIES} times\). Run again when"):
        read_file("s3://b/a.png")
    assert bucket.calls == TRIES
    table = verify(pl.DataFrame({"path": ["s3://b/a.png"], "error": [None]}, schema_overrides={"error": pl.String}))
    assert table["error"].to_list() == [f"connection reset (tried {TRIES} times)"]


def test_half_an_answer_is_a_lost_connection(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission, "_granted", {""})
    monkeypatch.setitem(reading.STORES, "s3", lambda url: Source(100, lambda start, size: b"half"))
    with pytest.raises(Unreachable, match="connection lost after 4 of 100 bytes"):
        open_elsewhere("s3://b/a").read()
    assert len(pauses) == TRIES - 1


@pytest.mark.parametrize(
    "error", [FileNotFoundError("x"), PermissionError("x"), OSError("AWS Error ACCESS_DENIED"), MemoryError("x")]
)
def test_what_does_not_pass_is_not_tried_again(error: Exception, pauses: list[float]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(Refused):
        patiently(fail)
    assert not pauses


def test_a_table_of_urls_is_indexed_verified_and_audited(bucket: Bucket, tmp_path: Path) -> None:
    lines = ["path,label,subset"]
    for number in range(40):
        bucket[f"s3://b/{number}.png"] = png(number, (40 + number % 2, 40))
        lines.append(f"s3://b/{number}.png,{number % 2},adm")
    lines.append("s3://b/lost.png,1,adm")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    table = tmp_path / "m.parquet"
    run = CliRunner().invoke
    assert run(app, ["data", "index", f"csv:{tmp_path}/list.csv", "-o", str(table)]).exit_code == 3
    assert pl.read_parquet(table)["error"].n_unique() == 1 and bucket.calls == 0
    assert run(app, ["data", "index", f"csv:{tmp_path}/list.csv", "-o", str(table), "--remote"]).exit_code == 3
    assert pl.read_parquet(table)["error"].to_list() == [None] * 40 + ["no such file"]
    assert run(app, ["data", "verify", str(table), "--remote"]).exit_code == 3
    found = pl.read_parquet(table)
    assert found["sha256"].drop_nulls().to_list() == [
        hashlib.sha256(bucket[path]).hexdigest() for path in found["path"][:40]
    ]
    rows = audit(found)
    assert rows.filter(pl.col("attributes") == "all")["balanced_accuracy"][0] == 1  # sizes tell the label
    assert rows.filter(pl.col("attributes") == "history")["rule"][0] == "40 too small left out"  # none unreadable


def test_a_folder_in_a_store_is_a_source_of_its_own(bucket: Bucket, tmp_path: Path) -> None:
    bucket |= {"s3://b/d/1.png": png(1), "s3://b/d/2.png": png(2), "s3://b/d/list.txt": b"", "s3://b/e/3.png": png(3)}
    out = str(tmp_path / "m.parquet")
    assert CliRunner().invoke(app, ["data", "index", "s3://b/d/", "-o", out]).exit_code == 0
    assert pl.read_parquet(out)["path"].to_list() == ["s3://b/d/1.png", "s3://b/d/2.png"]
    with pytest.raises(UsageError, match="Expected a folder or file of this machine for the layout genimage"):
        index_to("genimage:s3://b/d/", out)


def test_a_server_that_a_url_names_gets_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import fs

    given = []
    monkeypatch.setattr(fs, "S3FileSystem", lambda **options: given.append(options))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    for query in ("?endpoint_override=https://evil.org&region=x", ""):
        with pytest.raises(AttributeError):  # of the file system that is none
            arrow(f"s3://bucket-of-this-test/a.png{query}")
    assert [(one["endpoint_override"], one["scheme"], one["anonymous"]) for one in given] == [
        ("evil.org", "https", True),
        ("127.0.0.1:9000", "http", False),
    ]
    with pytest.raises(Refused, match="a URL with 'secret_key'"):
        arrow("s3://bucket-of-this-test/a.png?secret_key=x")


def test_damaged_remote_files_are_never_deleted(bucket: Bucket, tmp_path: Path) -> None:
    allow()
    bucket["s3://b/a.png"] = png(0)[:-100]
    save_manifest(index("files:s3://b/a.png"), tmp_path / "m.parquet")
    CliRunner().invoke(app, ["data", "verify", str(tmp_path / "m.parquet"), "--remote", "--delete"])
    found = pl.read_parquet(tmp_path / "m.parquet")
    assert "damaged" in found["error"][0] and not (tmp_path / "deleted.csv").exists()
