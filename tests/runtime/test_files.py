"""Files that are written whole, and sentences for what disks and damaged files say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from synthscope.errors import SynthscopeError
from synthscope.runtime.files import read_json, read_text, whole_file, whole_folder, write_json, write_text
from synthscope.runtime.locks import MARK
from synthscope.schema import SCORES, read_table, write_parquet

FULL = """
import resource, sys
from pathlib import Path
import numpy as np, polars as pl, torch
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import whole_file, write_text
from synthscope.schema import write_table

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # a disk that is full after 1000 bytes
out, frame = Path(sys.argv[1]), pl.DataFrame({"a": np.random.default_rng(0).random(100_000)})
def archive():
    with whole_file(out / "a.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, a=frame["a"].to_numpy())
for write in (
    lambda: write_table(frame, out / "a.parquet"),
    lambda: write_table(frame, out / "a.csv"),
    lambda: write_text(out / "a.txt", "a" * 9999),
    archive,
):
    try:
        write()
    except SynthscopeError as error:
        print(error)
"""


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    for name, line in zip(("a.parquet", "a.csv", "a.txt", "a.npz"), lines, strict=True):
        assert line.startswith(f"Expected to write {tmp_path / name}, got: ") and "file too large" in line, line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file/a.json", "file/deep/a.json"])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SynthscopeError, match=f"got: the file {tmp_path / 'file'} where a folder must be"):
        write_json(tmp_path / place, {})
    with pytest.raises(SynthscopeError, match="where a folder must be"), whole_folder(tmp_path / place):
        pass


def test_a_folder_in_the_way_of_a_file_and_proc(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SynthscopeError, match=r"Expected to write .*folder, got: is a directory\. Choose"):
        write_text(tmp_path / "folder", "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
    with pytest.raises(SynthscopeError, match=r"Expected to write /proc/deep/a\.txt, got: "):
        write_text("/proc/deep/a.txt", "x")
    with pytest.raises(SynthscopeError, match=r"Expected to write /proc/a\.parquet, got: "):
        write_parquet(pl.DataFrame({"a": [1]}), "/proc/a.parquet")


def test_what_another_file_says_while_one_is_written_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"), whole_file(tmp_path / "a.txt"):
        (tmp_path / "elsewhere" / "absent").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_whole_folder_appears_at_the_end_only(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "world"
    with whole_folder(target) as temporary:
        (temporary / "a").write_text("a")
        assert not target.exists()
    assert (target / "a").read_text() == "a"
    with pytest.raises(KeyError), whole_folder(tmp_path / "other") as temporary:
        (temporary / "a").write_text("a")
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def abandon(path: Path) -> Path:
    """What a killed run leaves, two minutes ago."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("half") if path.suffix else path.mkdir()
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 120))
    return path


def test_leftovers_of_killed_runs_are_swept_and_nothing_else(tmp_path: Path) -> None:
    ours, folder = abandon(tmp_path / f".a.parquet{MARK}1x2y.parquet"), abandon(tmp_path / f".world{MARK}0123abcd")
    foreign, young = abandon(tmp_path / ".a.parquet.swp"), tmp_path / f".b{MARK}new.txt"
    young.write_text("just begun")
    held = abandon(tmp_path / f".c.txt{MARK}held.txt")
    code = f"""
import os, sys
from synthscope.runtime.locks import lock
lock(os.open({str(held)!r}, os.O_RDWR))
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "held\n"
        write_text(tmp_path / "a.txt", "x")  # a new folder: it is swept at its first file
        assert not ours.exists() and not folder.exists()
        assert foreign.exists() and young.exists() and held.exists()
        other.kill()


TEXTS = {"bytes": b"\x80\xff\xfa", "latin1": "é".encode("latin1"), "absent": None}
JSONS = TEXTS | {"empty": b"", "cut": b'{"a": [1, 2', "deep": b"[" * 100_000, "list": b"[1]", "huge": b"9" * 5000}


@pytest.mark.parametrize("kind", JSONS)
def test_broken_json_is_one_sentence(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "run.json"
    if JSONS[kind] is not None:
        file.write_bytes(JSONS[kind])
    with pytest.raises(SynthscopeError, match=rf"^Expected .*{file}.*, got.*\. Mend or remove the file\.$") as caught:
        read_json(file, dict)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_in_another_encoding_is_one_sentence(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a.yaml"
    if TEXTS[kind] is not None:
        file.write_bytes(TEXTS[kind])
    with pytest.raises(SynthscopeError, match=f"^Expected a text file at {file}, got"):
        read_text(file)


def test_utf8_and_utf16_texts_are_read(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a").write_text("für 1 €", encoding=encoding)
        assert read_text(tmp_path / "a") == "für 1 €"


@pytest.mark.filterwarnings("ignore")
def test_any_damage_to_a_table_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    pl.DataFrame({"value": [0.5] * 50, "metric": ["auroc"] * 50}).write_parquet(file)
    whole, rng, told = file.read_bytes(), np.random.default_rng(0), 0
    for turn in range(300):
        data = bytearray(whole)
        if turn % 2:
            del data[rng.integers(len(data)) :]
        else:
            for place in rng.integers(0, len(data), 20):
                data[place] = rng.integers(256)
        file.write_bytes(data)
        try:
            read_table(file, schema=SCORES)
        except SynthscopeError as error:
            assert str(error).startswith("Expected ") and "scores.parquet" in str(error) and "\n" not in str(error)
            told += 1
    assert told > 200


def test_a_table_is_read_in_part_and_from_any_name(tmp_path: Path) -> None:
    file = tmp_path / "run[1]*.parquet"  # no pattern
    pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).write_parquet(file)
    assert read_table(file, columns=["b"], where=pl.col("a") > 1).to_dicts() == [{"b": "y"}]
    with pytest.raises(SynthscopeError, match="got: No such file"):
        read_table(tmp_path / "absent.parquet")
    with pytest.raises(SynthscopeError, match="Expected a Parquet file at .*missing"):
        read_table(file, columns=["missing"])
