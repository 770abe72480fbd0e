"""A server that inspected files of every kind has connected to nothing and written nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.conftest import Command, encoded


@pytest.fixture
def used(command: Command) -> Command:
    """The server after a photograph, a page, a file above what frameworks keep in memory, and a file that is none."""
    assert command.post(encoded(), name="a.jpg").status_code == 200
    assert command.post(encoded(), name="a.jpg", format="html").status_code == 200
    assert command.post(encoded(0, "BMP") + bytes(3 * 2**20), name="large.bmp").status_code == 200
    assert command.post(b"<svg/>", name="a.svg").json()["answer"] == "not applicable"
    return command


def test_nothing_is_connected_to_and_nothing_is_written(used: Command) -> None:
    assert used.watched.read_text().splitlines() == []


def test_nothing_stays_on_disk(used: Command) -> None:
    assert [path for path in used.folder.rglob("*") if path.is_file()] == []


def test_the_watch_sees_what_it_should(command: Command, tmp_path: Path) -> None:
    watch = command.watched.parent / "watch"
    code = "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError: pass\nopen('x', 'w')"
    told = tmp_path / "told"
    environment = os.environ | {"PYTHONPATH": str(watch), "WATCHED": str(told)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    seen = told.read_text()
    assert "socket.connect" in seen and "open 'x'" in seen
