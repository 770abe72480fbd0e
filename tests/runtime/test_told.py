"""Names of files on terminals and in spreadsheets."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synthscope.data.damage import delete_damaged
from synthscope.data.index import index
from synthscope.data.manifest import verify
from synthscope.runtime.told import from_cell, named_warnings, printable, reading, to_cell
from synthscope.schema import write_table
from synthscope.tables.render import Cell, Table

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
TEXTS = st.text(alphabet="=+-@\t\r'ab,\"\n0", max_size=6)


@given(st.text())
def test_printed_text_has_no_control_characters_and_no_line_ends(text: str) -> None:
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


@given(TEXTS)
def test_cells_are_no_formulas_and_give_the_text_back(text: str) -> None:
    assert not to_cell(text).startswith(FORMULAS)
    assert from_cell(to_cell(text)) == text


@given(st.lists(st.tuples(TEXTS, st.floats(allow_nan=False, allow_infinity=False), TEXTS), min_size=1, max_size=5))
def test_tables_in_csv_keep_texts_and_numbers(rows: list[tuple[str, float, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.csv"
        write_table(
            pl.DataFrame(rows, schema={"name": pl.String, "value": pl.Float64, "text": pl.String}, orient="row"), file
        )
        with file.open(newline="", encoding="utf-8") as lines:
            read = list(csv.reader(lines))[1:]
    assert [(name, float(value), text) for name, value, text in read] == [
        (to_cell(name), value, to_cell(text)) for name, value, text in rows
    ]


def test_reports_and_lists_of_deleted_files_are_no_formulas(tmp_path: Path) -> None:
    table = Table("t", "T", "Name", ("=column",), (("=1+1", (Cell(-0.5),)),))
    assert table.to_csv().splitlines()[1].startswith("'=1+1,-0.5,")
    assert table.to_csv().startswith("Name,'=column")
    (tmp_path / "set" / "val" / "ai").mkdir(parents=True)
    (tmp_path / "set" / "val" / "nature").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "set" / "val" / "nature" / "a.png")
    (tmp_path / "set" / "val" / "ai" / "=b.png").write_bytes(b"")
    found = delete_damaged(verify(index(f"genimage:{tmp_path / 'set'}")), tmp_path / "deleted.csv")
    assert found.height == 1
    assert (tmp_path / "deleted.csv").read_text().splitlines()[1].startswith("/")  # an absolute path is none


def test_a_csv_of_ours_is_indexed_with_its_paths(tmp_path: Path) -> None:
    for name in ("=a.png", "@b.png", "'-c.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    write_table(pl.DataFrame({"path": ["=a.png", "@b.png", "'-c.png"], "label": [0, 1, 1]}), tmp_path / "images.csv")
    table = index(f"csv:{tmp_path / 'images.csv'}")
    assert [Path(path).name for path in table["path"]] == ["=a.png", "@b.png", "'-c.png"]
    assert table["error"].null_count() == 3


def test_file_names_do_not_command_the_terminal(tmp_path: Path) -> None:
    for kind in ("ai", "nature"):
        (tmp_path / "set" / "val" / kind).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "set" / "val" / kind / "1.png")
    (tmp_path / "set" / "val" / "ai" / "\x1b]0;owned\x07\x1b[2J\n.png").touch()
    command = [sys.executable, "-m", "synthscope", "data", "index", f"genimage:{tmp_path / 'set'}", "-o", "m.parquet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 3, done.stderr
    assert r"\x1b]0;owned\x07\x1b[2J\n.png: an empty file" in done.stderr
    assert not any(c in done.stdout + done.stderr for c in "\x1b\x07")


def test_warnings_name_their_file(capsys: pytest.CaptureFixture[str]) -> None:
    with named_warnings(), warnings.catch_warnings():
        warnings.simplefilter("always")
        with reading("a\x1b.png"):
            warnings.warn("odd EXIF", UserWarning, stacklevel=1)
        warnings.warn("about none", UserWarning, stacklevel=1)
    assert capsys.readouterr().err.splitlines() == [
        r"synthscope: warning: a\x1b.png: odd EXIF",
        "synthscope: warning: about none",
    ]


def test_a_warning_of_pillow_names_the_image(tmp_path: Path) -> None:
    cut = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"  # five entries are promised
    Image.new("RGB", (8, 8)).save(tmp_path / "odd.jpg", exif=cut)
    code = f"""
from synthscope import read_rgb
from synthscope.runtime.told import named_warnings
with named_warnings():
    read_rgb({str(tmp_path / "odd.jpg")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"synthscope: warning: {tmp_path / 'odd.jpg'}: Corrupt EXIF data.")
