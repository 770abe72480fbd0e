"""WebDataset's shards: labels by its convention, members read in place, hostile archives."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from synthscope.data.images import read_file, read_rgb
from synthscope.data.index import index
from synthscope.data.layouts.wds import find_shards, wds
from synthscope.data.manifest import verify
from synthscope.data.remote.place import Place, is_elsewhere, member, parse_place
from synthscope.detectors.hub import create_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inference.predict import predict


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def shard(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo, format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=format) as archive:
        for one in members:
            if isinstance(one, tarfile.TarInfo):
                archive.addfile(one)
            else:
                entry = tarfile.TarInfo(one[0])
                entry.size = len(one[1])
                archive.addfile(entry, io.BytesIO(one[1]))
    return path


def test_labels_come_from_cls_then_json_then_folders(tmp_path: Path) -> None:
    shard(
        tmp_path / "0.tar",
        ("ADM/ai/0.png", png(0)), ("ADM/ai/0.cls", b"0\n"),
        ("ADM/ai/1.json", json.dumps({"label": 1, "generator": "glide", "split": "val", "group": 3}).encode()),
        ("ADM/ai/1.png", png(1)), ("ADM/ai/1.mask.png", png(9)), ("ADM/ai/1.txt", b"a dog"),
        ("ADM/ai/2.png", png(2)),
        ("Midjourney/imagenet_midjourney/val/nature/3.png", png(3)),
        ("else/4.png", png(4)),
        ("5.a.b.png", png(5)),
    )  # fmt: skip
    table = index(f"wds:{tmp_path}/0.tar")
    assert [path.rpartition("/")[2] for path in table["path"]] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert table["label"].to_list() == [0, 1, 1, 0, None]
    assert table["generator"].to_list() == ["real", "glide", "ADM", "real", None]
    assert table["subset"].to_list() == ["ADM", "ADM", "ADM", "Midjourney", None]
    assert table["split"].to_list() == [None, "val", None, "val", None]
    assert table["group"].null_count() == 5  # a number is no group
    assert table["error"].null_count() == 5 and table["width"].to_list() == [40] * 5


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_is_the_file_that_was_put_in(tmp_path: Path, format: int) -> None:
    names = ["a/0.png", f"{'long' * 30}/1.png", "ä/2.png"][: 2 if format == tarfile.USTAR_FORMAT else 3]
    for number, name in enumerate(names):
        (tmp_path / f"{number}.png").write_bytes(png(number))
        names[number] = name
    shard(tmp_path / "0.tar", *((name, png(number)) for number, name in enumerate(names)), format=format)
    table = verify(index(f"wds:{tmp_path}"))
    plain = verify(index(f"files:{tmp_path}/?.png"))
    for column in ("sha256", "width", "bytes", "format", "error"):
        assert table[column].equals(plain[column])
    for path, other in zip(table["path"], plain["path"], strict=True):
        assert read_file(path) == read_file(other)
        np.testing.assert_array_equal(read_rgb(path), read_rgb(other))


def test_a_run_over_shards_is_the_run_over_files(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    shard(tmp_path / "000.tar", *((f"{n}.png", png(n)) for n in range(3)))
    shard(tmp_path / "001.tar", *((f"{n}.png", png(n)) for n in range(3, 6)))
    parquet.write_table(pa.table({"image": [png(n) for n in range(6)]}), tmp_path / "all.parquet", row_group_size=4)
    detector = create_detector("cnn_small", input={"crop": 32})
    tables = [
        predict(index(source), [detector], out=tmp_path / str(number), conditions=["none", "noise:sigma=8"], workers=1)
        for number, source in enumerate(
            [f"wds:{tmp_path}/{{000..001}}.tar", f"files:{tmp_path}/?.png", f"hf:{tmp_path}/all.parquet"]
        )
    ]
    assert (
        all(tables[0].drop("path").equals(table.drop("path")) for table in tables)
        and tables[0]["logit"].null_count() == 0
    )


def test_shards_that_a_pattern_means(tmp_path: Path) -> None:
    for name in ("b/1.tar", "a/0.tar", "a/x.txt", "a/.half.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_shards(tmp_path) == find_shards(tmp_path / "*/*.tar") == [f"{tmp_path}/a/0.tar", f"{tmp_path}/b/1.tar"]
    assert find_shards("https://h/{0..1}-{07..08}.tar") == [f"https://h/{a}-0{b}.tar" for a in "01" for b in "78"]
    with pytest.raises(UsageError, match="Expected up to 100000 shards, counted upwards"):
        find_shards("s3://b/{0..999999999}.tar")
    with pytest.raises(UsageError, match="counted upwards"):
        find_shards("s3://b/{5..1}.tar")
    with pytest.raises(SynthscopeError, match="Expected shards"):
        find_shards(tmp_path / "c*")


def test_links_and_devices_are_rows_with_an_error_and_nothing_is_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(0))
    hostile = []
    for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)):
        entry = tarfile.TarInfo(f"{number}.png")
        entry.type, entry.linkname = kind, str(tmp_path / "secret.png")
        hostile.append(entry)
    shard(tmp_path / "0.tar", *hostile, ("../../../etc/9.png", png(9)))
    table = verify(index(f"wds:{tmp_path}"))
    assert table["error"].null_count() == 1 and table["sha256"].drop_nulls().len() == 1
    assert table["path"][4].endswith("../../../etc/9.png")  # a name, which nobody opens


def raw(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """The header of a member with a size as it is written."""
    block = bytearray(512)
    block[0 : len(name)], block[100:108], block[124 : 124 + len(size)] = name, b"0000644\0", size
    block[156:157], block[257:265], block[148:156] = kind, b"ustar\00000", b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (raw(b"b.png", b"77777777777"), "reaches out of the shard"),
        (raw(b"b.png", b"\xff" * 12), "reaches out of the shard"),  # a negative number
        (raw(b"pax", b"77777777777", b"x"), "a header of"),
        (raw(b"long", b"77777777777", b"L"), "a header of"),
        (raw(b"pax", b"%011o" % 13, b"x") + b"13 size=-512\n".ljust(512, b"\0") + raw(b"b.png", b"0"), "reaches out"),
        (b"no tar at all".ljust(512), "no header at byte"),
    ],
)
def test_a_hostile_header_ends_the_shard_with_an_error(tmp_path: Path, hostile: bytes, said: str) -> None:
    whole = shard(tmp_path / "0.tar", ("a.png", png(0))).read_bytes()
    size = 512 + -(-len(png(0)) // 512) * 512
    (tmp_path / "0.tar").write_bytes(whole[:size] + hostile + bytes(1024))
    rows = list(wds(tmp_path / "0.tar"))
    assert rows[0]["path"].endswith("a.png") and len(rows) == 2
    assert rows[1]["path"] == str(tmp_path / "0.tar") and said in rows[1]["error"]


def test_shards_that_are_absent_compressed_or_cut_off_are_rows_with_an_error(tmp_path: Path) -> None:
    data = shard(tmp_path / "0.tar", ("a.png", png(0)), ("b.png", png(1))).read_bytes()
    (tmp_path / "1.tar").write_bytes(gzip.compress(data))
    (tmp_path / "2.tar").write_bytes(data[:6000])
    table = index(f"wds:{tmp_path}/{{0..3}}.tar")
    good = table.filter(pl.col("error").is_null())["path"]
    assert [path.partition("/0.tar")[2].rpartition("/")[2] for path in good[:2]] == ["a.png", "b.png"]
    bad = table.filter(pl.col("path").str.ends_with(".tar"))
    assert bad["path"].to_list() == [str(tmp_path / f"{n}.tar") for n in (1, 2, 3)]
    assert bad["error"].str.starts_with("a shard that cannot be read to its end: ").all()


@pytest.mark.parametrize("told", [(".cls", b"207"), (".json", b"{"), (".json", b'{"label": []}'), (".cls", b"\xff")])
def test_a_label_that_cannot_be_understood_is_said(tmp_path: Path, told: tuple[str, bytes]) -> None:
    shard(tmp_path / "0.tar", ("x/7.png", png(0)), (f"x/7{told[0]}", told[1]))
    with pytest.raises(SynthscopeError, match=f"sample x/7 of {tmp_path}/0.tar"):
        index(f"wds:{tmp_path}")


@settings(max_examples=30)
@given(st.text(), st.integers(0, 10**14), st.integers(0, 10**14))
def test_a_place_in_a_shard_is_read_as_it_was_written(name: str, start: int, size: int) -> None:
    for file in ("/d/a b.tar", "s3://b/c.tar", "https://h/c.tar?x=1"):
        text = member(file, start, size, name)
        assert is_elsewhere(text) and parse_place(text) == Place(file, start, size)


@pytest.mark.parametrize(
    "path", ["/d/a.tar", "/d/a.tar#1/x.jpg", "/d/x.tar.png", "/d/#1+2/x.png", "file:///etc/passwd"]
)
def test_other_paths_are_files(path: str) -> None:
    assert not is_elsewhere(path) and parse_place(path) == Place(path)
