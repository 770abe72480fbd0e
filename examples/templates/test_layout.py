"""What a layout's test shows: a small tree by hand, what stands in no row, and an option."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import synthscope


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("real_1.png", "sdxl_1.png", "deeper/flux_1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((8, 12, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "sdxl_2.docx").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("metadata does not count")
    return tmp_path


def test_names_say_what_images_are(folder: Path) -> None:
    table = synthscope.index(f"prefixed:{folder}", workers=1).sort("path")
    assert table["generator"].to_list() == ["flux", "real", "sdxl", "sdxl"]
    assert table["label"].to_list() == [1, 0, 1, 1]
    assert table["subset"].to_list() == ["flux", None, "sdxl", "sdxl"]
    assert table["width"].to_list() == [12, 12, 12, None]
    assert table["error"].is_null().to_list() == [True, True, True, False]


def test_photographs_may_have_another_name(folder: Path) -> None:
    table = synthscope.index(f"prefixed:{folder}?real=flux", workers=1)
    assert table.filter(label=0)["path"].to_list() == [str(folder / "deeper/flux_1.png")]
