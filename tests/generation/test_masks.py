"""Masks of local fakes: drawn, from files, from annotations."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.annotations.records import image_rows, save_annotations, to_table
from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation.reconstruct.masks import SHAPES, masks_from

SIZE = (60, 90)


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(SHAPES)), st.integers(40, 400), st.integers(40, 400), st.floats(0.05, 0.5),
    st.integers(0, 2**32),
)  # fmt: skip
def test_a_drawn_mask_covers_its_share(shape: str, height: int, width: int, share: float, seed: int) -> None:
    mask = SHAPES[shape](height, width, share, np.random.default_rng(seed))
    assert mask.shape == (height, width)
    assert mask.dtype == np.bool_
    # sides are rounded to pixels; a line of a free hand ends with a whole segment
    assert share - 0.03 <= mask.mean() <= share + (0.15 if shape == "strokes" else 0.03)


def test_masks_belong_to_a_uid_and_a_seed() -> None:
    of, other = masks_from("random", "0.1..0.2", 1), masks_from("random", "0.1..0.2", 2)
    first = of("a.png", None, "u1", SIZE)
    assert np.array_equal(first, masks_from("random", "0.1..0.2", 1)("b.png", "0f", "u1", SIZE))
    assert not np.array_equal(first, of("a.png", None, "u2", SIZE))
    assert not np.array_equal(first, other("a.png", None, "u1", SIZE))
    shares = [masks_from("rectangle", "0.1..0.2")("a", None, str(i), (200, 300)).mean() for i in range(40)]
    assert 0.09 < min(shares) < 0.12
    assert 0.18 < max(shares) < 0.21


def test_masks_of_a_folder_and_of_annotations(tmp_path: Path) -> None:
    inside = np.zeros(SIZE, np.uint8)
    inside[10:20, 30:50] = 7
    folder = tmp_path / "masks"
    folder.mkdir()
    cv2.imwrite(str(folder / "cat.png"), inside)
    cv2.imwrite(str(folder / "small.png"), inside[:30])
    cv2.imwrite(str(folder / "empty.png"), inside * 0)
    of = masks_from(str(folder))
    assert np.array_equal(of("/photos/cat.jpg", None, "u", SIZE), inside > 0)
    assert np.array_equal(of("/photos/dog.jpg", None, "cat", SIZE), inside > 0)
    for name, said in (("dog", "got none of its name"), ("small", "got 90 x 30 of"), ("empty", "got an empty one")):
        with pytest.raises(SynthscopeError, match=said):
            of(f"/photos/{name}.jpg", None, "u", SIZE)

    image = {"path": "/photos/cat.jpg", "sha256": "0f", "width": SIZE[1], "height": SIZE[0]}
    rows = image_rows(image, [{"box": [30, 10, 50, 20]}, {"box": [0, 0, 5, 5]}], kind="box")
    save_annotations(to_table(rows, "rows"), tmp_path / "regions.parquet")
    both = inside > 0
    both[:5, :5] = True
    of = masks_from(str(tmp_path / "regions.parquet"))
    assert np.array_equal(of("/photos/cat.jpg", None, "u", SIZE), both)
    assert np.array_equal(of("/moved/cat.jpg", "0f", "u", SIZE), both)
    with pytest.raises(SynthscopeError, match="Expected regions of /photos/dog.jpg"):
        of("/photos/dog.jpg", "1f", "u", SIZE)


@pytest.mark.parametrize(("masks", "share"), [("elipse", "0.1"), ("ellipse", "0.1..0.9"), ("ellipse", "much")])
def test_what_is_no_mask_is_a_sentence(masks: str, share: str) -> None:
    with pytest.raises(UsageError, match="Expected"):
        masks_from(masks, share)
