"""Perceptual hashes against imagehash, their search against brute force, clusters by hand, and a run that is killed."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import zoom
from typer.testing import CliRunner

from synthscope.cli import app
from synthscope.data.index import index
from synthscope.data.manifest import load_manifest, save_manifest, verify
from synthscope.data.near_duplicates import stored
from synthscope.data.near_duplicates.clusters import CLUSTERS, THRESHOLD, copies, describe_clusters, find_clusters
from synthscope.data.near_duplicates.hashing import distances, perceptual_hashes, thumbnails
from synthscope.data.near_duplicates.known import known_clusters
from synthscope.data.near_duplicates.search import near_pairs
from synthscope.data.near_duplicates.stored import hash_images, known_hashes
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform

SHARED = Path(__file__).parents[2].parent / "shared/images"


def picture(seed: int, side: int = 96) -> Image.Image:
    """Smooth random colours, as different from each other as photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3))
    return Image.fromarray(np.clip(zoom(coarse, (side / 6, side / 6, 1), order=1), 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def hashed(pixels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return perceptual_hashes(*map(np.stack, zip(*map(thumbnails, pixels), strict=True)))


def hashes(*images: Image.Image) -> np.ndarray:
    found, flat = hashed([np.asarray(image) for image in images])
    assert not flat.any()
    return found


def by_imagehash(images: list[Image.Image]) -> list[list[int]]:
    """Its hashes in our order of bits."""
    imagehash = pytest.importorskip("imagehash", reason="imagehash is not installed: pip install -e '.[dev]'")
    return [[int(str(kind(image)), 16) for kind in (imagehash.phash, imagehash.dhash)] for image in images]


@pytest.mark.parametrize("shape", [(96, 96), (500, 331), (31, 64)])
def test_hashes_are_those_of_imagehash(shape: tuple[int, int]) -> None:
    images = [picture(seed, 200).resize(shape) for seed in range(8)]
    assert hashes(*images).tolist() == by_imagehash(images)


def test_hashes_of_photographs_are_those_of_imagehash() -> None:
    files = sorted(SHARED.glob("*/val/nature/*"))[::12] + sorted(SHARED.glob("*/val/ai/*"))[::12]
    if not files:
        pytest.skip(f"there are no images in {SHARED}")
    images = [Image.open(file).convert("RGB") for file in files]
    assert hashes(*images).tolist() == by_imagehash(images)


def test_copies_are_near_and_others_far() -> None:
    images = [picture(seed) for seed in range(40)]
    own = hashes(*images)
    for copy in (
        lambda image: jpeg(image, 50),
        lambda image: image.resize((48, 48)),
        lambda image: image.resize((300, 90)),
    ):
        assert distances(own, hashes(*map(copy, images))).max() <= THRESHOLD
    apart = distances(own[:, None], own[None])[np.triu_indices(40, 1)]
    assert apart.min() > THRESHOLD


def test_pictures_of_one_colour_or_a_gradient_have_no_hash() -> None:
    black, grey = np.zeros((64, 64, 3), np.uint8), np.full((40, 90, 3), 127, np.uint8)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 256, 1).repeat(3, 2)
    noisy = np.random.default_rng(0).integers(126, 130, (256, 256, 3), np.uint8)
    dot = black.copy()
    dot[20:30, 40:52] = 255
    assert hashed([black, grey, ramp, noisy, dot, np.asarray(picture(0))])[1].tolist() == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 2**128 - 1), max_size=30),
    st.lists(st.tuples(st.integers(0, 99), st.lists(st.integers(0, 127), max_size=20)), max_size=60),
    st.integers(0, 12),
)
def test_pairs_are_those_of_brute_force(roots, changes, threshold) -> None:
    """Random hashes of both kinds, and others that differ from one of them in some bits."""
    values = list(roots)
    for number, bits in changes if roots else []:
        values.append(values[number % len(values)] ^ sum(1 << bit for bit in set(bits)))
    known = np.unique(np.array([divmod(value, 2**64) for value in values], np.uint64).reshape(-1, 2), axis=0)
    apart = distances(known[:, None], known[None])
    expected = np.argwhere(np.triu(apart <= threshold, 1))
    assert np.array_equal(near_pairs(known, threshold), expected.reshape(-1, 2))


def test_many_hashes_are_searched_by_several_blocks_at_once() -> None:
    random = np.random.default_rng(1)
    known = random.integers(0, 2**64, (3000, 2), np.uint64)
    flipped = np.array(
        [sum(1 << int(bit) for bit in random.choice(64, 5, replace=False)) for _ in range(1000)], np.uint64
    )
    known = np.unique(np.concatenate([known, known[:500] ^ flipped.reshape(-1, 2), known[:50]]), axis=0)
    known[:40, 0] = known[0, 0]  # one hash alike does not make a pair
    expected = np.argwhere(np.triu(distances(known[:, None], known[None]) <= 6, 1))
    assert len(expected) >= 400 and np.array_equal(near_pairs(known, 6), expected)
    with pytest.raises(UsageError, match="threshold of 0 to 12 bits, got 13"):
        near_pairs(known, 13)


def images(*rows: tuple[str, int | None, str | None, int | None]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A manifest and hashes of rows of path, label, split and hash (None = flat, and of the same bytes)."""
    table = pl.DataFrame([row[:3] for row in rows], schema=["path", "label", "split"], orient="row")
    found = [(path, "flat" if phash is None else path, phash, phash) for path, _, _, phash in rows]
    schema = {"path": pl.String, "sha256": pl.String, "phash": pl.UInt64, "dhash": pl.UInt64}
    return conform(table, MANIFEST, "test"), pl.DataFrame(found, schema=schema, orient="row")


def test_clusters_are_told_by_hand() -> None:
    table, hashed = images(
        ("a", 0, "train", 0b0), ("b", 0, "test", 0b11), ("c", 1, "train", 0b1111),  # c is near b alone
        ("d", 1, "val", 0xFFFF << 40), ("e", 1, "val", 0xFFFF << 40), ("f", 0, None, None), ("g", 0, None, None),
        ("h", 0, "train", 0xFF << 20), ("i", None, None, (0xFFFF << 40) | 1),
    )  # fmt: skip
    found = find_clusters(table, hashed, threshold=2)
    assert found.schema == CLUSTERS
    assert found.select("cluster", "path", "distance").rows() == [
        (1, "b", 0), (1, "a", 2), (1, "c", 2), (2, "f", 0), (2, "g", 0), (3, "d", 0), (3, "e", 0), (3, "i", 1)
    ]  # fmt: skip
    assert find_clusters(table.sample(fraction=1, shuffle=True, seed=3), hashed, threshold=2).equals(found)
    assert copies(found, 2).to_list() == ["a", "g", "e"]
    told = " ".join(describe_clusters(found))
    assert "8 in 3 clusters" in told and "in several splits: 1, such as b (test) and a (train)" in told
    assert "real and AI images: 1, such as b and c" in told
    assert describe_clusters(find_clusters(*images(("a", 0, None, 1)))) == ["No near-duplicates found."]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 255)), min_size=1, max_size=30), st.integers(0, 4))
def test_what_is_dropped_has_a_near_copy_that_stays(rows, threshold) -> None:
    table, hashed = images(*((f"{i:02}", label, "train", phash) for i, (label, phash) in enumerate(rows)))
    later = set(copies(find_clusters(table, hashed, threshold), threshold))
    kept = [(f"{i:02}", *row) for i, row in enumerate(rows) if f"{i:02}" not in later]
    for i, (label, phash) in enumerate(rows):
        near = [name for name, *row in kept if row[0] == label and (row[1] ^ phash).bit_count() <= threshold]
        assert near if f"{i:02}" in later else near == [f"{i:02}"]


def folder(root: Path, count: int, **more: Image.Image) -> Path:
    """A manifest of pictures, half of them called AI, and of others by path."""
    files = {f"{'ai' if i % 2 else 'real'}/{i:03}.png": picture(i, 48) for i in range(count)}
    for name, image in (files | {key.replace("__", "/") + ".png": image for key, image in more.items()}).items():
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / "images" / name)
    save_manifest(index(f"imagefolder:{root}/images?ai=ai&real=real"), root / "m.parquet")
    return root / "m.parquet"


def test_the_command_lists_warns_and_drops(tmp_path: Path) -> None:
    black = Image.new("RGB", (50, 50))
    manifest = folder(tmp_path, 6, real__x=jpeg(picture(0, 48), 60), ai__y=picture(2, 48).resize((90, 90)), ai__b=black,
                      real__w=black.resize((51, 51)))  # fmt: skip
    whole = tmp_path / "images/real/000.png"
    whole.with_name("broken.png").write_bytes(whole.read_bytes()[:200])
    save_manifest(index(f"imagefolder:{tmp_path}/images?ai=ai&real=real"), manifest)
    out, kept = tmp_path / "clusters.csv", tmp_path / "kept.parquet"
    result = CliRunner().invoke(app, ["data", "dedupe", str(manifest), "-o", str(out), "--drop", str(kept)])
    assert result.exit_code == 3 and "broken.png" in result.output, result.output
    assert "4 in 2 clusters" in result.output and "2 pictures are of one colour" in result.output
    assert "real and AI images: 1" in result.output and "1 later copies" in result.output
    rows = pl.read_csv(out).select("cluster", pl.col("path").str.split("/").list.last(), "label").rows()
    assert rows == [(1, "000.png", 0), (1, "x.png", 0), (2, "002.png", 0), (2, "y.png", 1)]
    assert {Path(path).name for path in load_manifest(manifest)["path"]} - {
        Path(path).name for path in load_manifest(kept)["path"]
    } == {"x.png"}


def test_an_audit_tells_what_earlier_commands_found(tmp_path: Path) -> None:
    manifest = folder(tmp_path, 4, real__x=jpeg(picture(0, 48), 60))
    table = verify(load_manifest(manifest)).with_columns(
        split=pl.when(pl.col("path").str.ends_with("x.png")).then(pl.lit("test")).otherwise(pl.lit("train"))
    )
    save_manifest(table, manifest)
    assert known_clusters(manifest, table) == []
    assert CliRunner().invoke(app, ["data", "dedupe", str(manifest)]).exit_code == 0
    told = CliRunner().invoke(app, ["data", "audit", str(manifest)])
    assert told.exit_code == 0, told.output
    assert "Clusters in several splits: 1, such as" in told.output and "x.png (test)" in told.output
    assert known_clusters(manifest, table.with_columns(sha256=pl.lit(None, pl.String))) == []
    assert known_clusters(f"imagefolder:{tmp_path}", table) == []


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = folder(tmp_path, 120)
    slow = """
import sys, time
from synthscope.data.near_duplicates import stored
stored.PART, read = 10, stored.read_rgb
stored.read_rgb = lambda *a, **k: (time.sleep(0.05), read(*a, **k))[1]
from synthscope.cli import main
sys.argv = ["synthscope", "data", "dedupe", sys.argv[1], "-j", "1"]
main()
"""
    process = subprocess.Popen([sys.executable, "-c", slow, str(manifest)], cwd=Path.cwd())
    parts = tmp_path / "m.hashes"
    while not list(parts.glob("part-*.parquet")):
        assert process.poll() is None, "the run has ended before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before, decoded, read = known_hashes(parts), [], stored.read_rgb
    assert 10 <= before.height < 120
    monkeypatch.setattr(stored, "read_rgb", lambda *a, name: (decoded.append(name), read(*a, name=name))[1])
    found = hash_images(load_manifest(manifest), parts)
    assert len(decoded) == 120 - before.height and found["phash"].null_count() == 0
    assert found.equals(hash_images(load_manifest(manifest)))
    decoded.clear()
    assert hash_images(load_manifest(manifest), parts).equals(found) and not decoded
    next(parts.glob("part-*.parquet")).write_bytes(b"no table")
    with pytest.raises(SynthscopeError, match="Expected a Parquet file at .*part-.* Delete it; its images are hashed"):
        hash_images(load_manifest(manifest), parts)
