"""Data sets as the library ``datasets`` writes them, read in place; hostile tables; the hub behind a fake."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from synthscope.data.images import read_file
from synthscope.data.index import index
from synthscope.data.layouts import embedded
from synthscope.data.manifest import verify
from synthscope.data.remote import cells, permission, reading
from synthscope.data.remote.place import cell, is_elsewhere, parse_cell
from synthscope.data.remote.stores import Source
from synthscope.errors import SynthscopeError, UsageError

datasets = pytest.importorskip("datasets", reason="needs the library datasets, as a writer of its own formats")


def image(seed: int, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


DATA = [image(seed, "JPEG" if seed % 2 else "PNG") for seed in range(7)]


def made(names: list[str], labels: list[int], **columns: list[Any]) -> Any:
    """A data set with an image and a class, as users make them."""
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    features |= {name: datasets.Value("string") for name in columns}
    images = [{"bytes": data, "path": f"{n}.png"} for n, data in enumerate(DATA[: len(labels)])]
    return datasets.Dataset.from_dict(
        {"image": images, "label": labels, **columns}, features=datasets.Features(features)
    )


def same_bytes(table: pl.DataFrame) -> bool:
    return [read_file(path)[0] for path in table["path"]] == DATA[: table.height]


def test_parquet_shards_keep_labels_by_name_splits_and_bytes(tmp_path: Path) -> None:
    table = made(["fake", "real"], [0, 1, 0, 1, 0, 1, 0], group=[f"g{n // 2}" for n in range(7)])
    table.select(range(4)).to_parquet(tmp_path / "data/train-00000-of-00001.parquet")
    table.select(range(4, 7)).to_parquet(tmp_path / "data/validation-00000-of-00001.parquet")
    found = verify(index(f"hf:{tmp_path}"))
    assert found["label"].to_list() == [1, 0, 1, 0, 1, 0, 1]  # by names: fake is 0 in the file
    assert found["split"].to_list() == ["train"] * 4 + ["val"] * 3
    assert found["generator"].to_list() == [tmp_path.name, "real"] * 3 + [tmp_path.name]
    assert found["group"].to_list() == ["g0", "g0", "g1", "g1", "g2", "g2", "g3"]
    assert found["error"].null_count() == 7 and found["width"].to_list() == [24] * 7 and same_bytes(found)
    assert all(map(is_elsewhere, found["path"]))
    assert index(f"hf:{tmp_path}?split=validation")["path"].to_list() == found["path"].to_list()[4:]
    with pytest.raises(UsageError, match="got 'tests'"):
        index(f"hf:{tmp_path}?split=tests")


def test_names_of_generators_need_to_be_told_which_are_real(tmp_path: Path) -> None:
    made(["coco", "sdxl", "flux"], [0, 1, 2, 0, -1]).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=r"got 'coco'.*hf:PATH\?real=coco"):
        index(f"hf:{tmp_path}")
    found = index(f"hf:{tmp_path}?real=coco")
    assert found["label"].to_list() == [0, 1, 1, 0, None] and same_bytes(found)
    assert found["subset"].to_list() == [None, "sdxl", "flux", None, None]
    with pytest.raises(UsageError, match="Expected a column 'kind'"):
        index(f"hf:{tmp_path}?label=kind")


def test_arrow_files_of_save_to_disk_and_of_the_cache_are_read_by_their_bytes(tmp_path: Path) -> None:
    table = made(["real", "fake"], [0, 1, 0, 1, 0, 1, 0])
    datasets.DatasetDict({"train": table.select(range(4)), "test": table.select(range(4, 7))}).save_to_disk(
        tmp_path / "d"
    )
    found = verify(index(f"hf:{tmp_path / 'd'}"))
    assert found["split"].to_list() == ["test"] * 3 + ["train"] * 4 and found["error"].null_count() == 7
    assert [read_file(path)[0] for path in found["path"]] == DATA[4:] + DATA[:4]
    assert all(".arrow#" in path for path in found["path"])
    written = datasets.Dataset.from_parquet(str(_parquet(table, tmp_path)), cache_dir=str(tmp_path / "cache"))
    cached = written.cache_files[0]["filename"]
    assert same_bytes(index(f"hf:{cached}"))


def _parquet(table: Any, folder: Path) -> Path:
    table.to_parquet(folder / "one.parquet")
    return folder / "one.parquet"


def test_images_that_arrow_names_by_path_are_those_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(DATA[0])
    features = datasets.Features({"image": datasets.Image()})
    table = datasets.Dataset.from_dict({"image": [str(tmp_path / "a.png")]}, features=features)
    with datasets.arrow_writer.ArrowWriter(path=str(tmp_path / "x.arrow"), features=features) as writer:
        writer.write({"image": {"bytes": None, "path": str(tmp_path / "a.png")}})
        writer.finalize()
    assert table.num_rows == 1
    assert index(f"hf:{tmp_path}/x.arrow")["path"].to_list() == [str(tmp_path / "a.png")]


def test_imagefolders_by_metadata_and_by_folders(tmp_path: Path) -> None:
    for name in ("m/train/0.png", "m/train/1.png", "f/real/0.png", "f/sdxl/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(DATA[0])
    lines = [{"file_name": f"{n}.png", "label": label} for n, label in enumerate(("real", "fake"))]
    (tmp_path / "m/train/metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert index(f"hf:{tmp_path}/m").select("label", "split").rows() == [(0, "train"), (1, "train")]
    assert index(f"hf:{tmp_path}/f?real=real").select("label", "generator").rows() == [(0, "real"), (1, "sdxl")]
    for name in ("../../etc/passwd", "/etc/passwd", "a\0b", ""):
        (tmp_path / "m/train/metadata.jsonl").write_text(json.dumps({"file_name": name, "label": 1}))
        with pytest.raises(SynthscopeError, match="Expected a file name below"):
            index(f"hf:{tmp_path}/m")
    (tmp_path / "m/train/metadata.jsonl").write_text("[1]\n")
    with pytest.raises(SynthscopeError, match="Expected an object in line 1"):
        index(f"hf:{tmp_path}/m")


def table(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


IMAGES = [{"bytes": data, "path": "x.png"} for data in DATA[:2]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": ["a", "b"], "label": [0, 1]}, "Expected the bytes of images in column 'image'"),
        ({"image": IMAGES, "label": [[0], [1]]}, "Expected texts or numbers in column 'label'"),
        ({"image": IMAGES, "label": [0, 7]}, "got '7'"),
        ({"photo": IMAGES, "picture": IMAGES, "label": [0, 1]}, "Expected one column of images"),
        ({"image": IMAGES, "label": ["real", "x" * (embedded.MOST_TEXT + 1)]}, "a text of more than 65536 bytes"),
    ],
)
def test_tables_that_are_something_else_are_sentences(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(SynthscopeError, match=message):
        index(f"hf:{table(tmp_path / 'a.parquet', **columns)}")


def test_a_class_out_of_range_names_the_row(tmp_path: Path) -> None:
    made(["real", "fake"], [0, 1]).to_parquet(tmp_path / "a.parquet")
    told = parquet.read_schema(tmp_path / "a.parquet").metadata
    parquet.write_table(
        pa.table({"image": IMAGES, "label": [0, 2]}).replace_schema_metadata(told), tmp_path / "a.parquet"
    )
    with pytest.raises(SynthscopeError, match="Expected a class from 0 to 1 in row 2 of .*a.parquet, got 2"):
        index(f"hf:{tmp_path}")


def test_damaged_files_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table(tmp_path / "a.parquet", image=IMAGES, label=[0, 1]).read_bytes()
    for data in (b"", whole[: len(whole) // 2], whole[:-8] + b"\xff\xff\xff\x7fPAR1", b"PAR1" * 9, b"\0" * 99):
        (tmp_path / "a.parquet").write_bytes(data)
        with pytest.raises(SynthscopeError, match="Expected a Parquet or Arrow file with images at .*a.parquet"):
            index(f"hf:{tmp_path}")
        (tmp_path / "b.arrow").write_bytes(data)
        with pytest.raises(SynthscopeError, match="Expected a Parquet or Arrow file with images at .*b.arrow"):
            index(f"hf:{tmp_path}/b.arrow")
        (tmp_path / "b.arrow").unlink()
    (tmp_path / "a.parquet").write_bytes(whole)
    monkeypatch.setattr(cells, "MOST_FOOTER", 100)
    with pytest.raises(SynthscopeError, match="a Parquet file whose footer has"):
        index(f"hf:{tmp_path}")


def test_rows_without_bytes_and_huge_row_groups_are_rows_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"bytes": DATA[0], "path": "a"}, {"bytes": None, "path": "/etc/passwd"}, None, {"bytes": b"", "path": None}]
    table(tmp_path / "a.parquet", image=rows, label=[0, 1, 0, 1])
    none = "no bytes of an image in this row"
    assert index(f"hf:{tmp_path}")["error"].to_list() == [None, none, none, "an empty file"]
    cells._groups.clear()
    monkeypatch.setattr(cells, "MOST_GROUP", 100)
    assert index(f"hf:{tmp_path}")["error"].to_list() == ["a row group of more than 100 bytes"] * 4


def test_cells_are_kept_within_a_bound_and_read_anew_when_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pa.array([{"bytes": data, "path": ""} for data in DATA])
    parquet.write_table(pa.table({"image": images}), tmp_path / "a.parquet", row_group_size=2)
    monkeypatch.setattr(cells, "KEPT", 4 * max(map(len, DATA)))
    cells._groups.clear()
    opened: list[int] = []
    read = cells._read
    monkeypatch.setattr(cells, "_read", lambda place, file: opened.append(place.group) or read(place, file))
    places = [cell(str(tmp_path / "a.parquet"), n // 2, n % 2, "image", "") for n in range(7)]
    assert [read_file(place)[0] for place in places] == DATA and opened == [0, 1, 2, 3]
    assert len(cells._groups) == 2 or len(cells._groups) == 3
    assert read_file(places[0])[0] == DATA[0] and opened[-1] == 0
    table(tmp_path / "a.parquet", image=[{"bytes": DATA[5], "path": ""}])
    assert read_file(places[0])[0] == DATA[5]
    for lost in (
        cell(str(tmp_path / "a.parquet"), 9, 0, "image", ""),
        cell(str(tmp_path / "a.parquet"), 0, 0, "x", ""),
    ):
        with pytest.raises(SynthscopeError, match="no such row group or column"):
            read_file(lost)
    assert parse_cell(cell("/a.parquet", 1, 2, "an image/or #2", "n")) == ("/a.parquet", 1, 2, "an image/or #2")


def test_the_hub_is_asked_only_where_somebody_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(["real", "fake"], [0, 1, 1]).to_parquet(tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    calls: list[tuple[str, str | None]] = []

    def info(_: Any, name: str, revision: str | None = None, timeout: float = 0) -> Any:
        calls.append((name, revision))
        files = ["README.md", "data/train-00000-of-00001.parquet"]
        return SimpleNamespace(sha="c0ffee", siblings=[SimpleNamespace(rfilename=name) for name in files])

    def stored(url: str) -> Source:
        assert url == "hf://datasets/org/name@c0ffee/data/train-00000-of-00001.parquet"
        return Source(len(data), lambda start, size: data[start : start + size])

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", info)
    monkeypatch.setitem(reading.STORES, "hf", stored)
    monkeypatch.setattr(permission, "_granted", set())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SynthscopeError, match=r"or the data set org/name of the Hugging Face Hub.*Add --remote"):
        index("hf:org/name")
    assert not calls
    permission.allow()
    found = index("hf:org/name@v1?split=train")
    assert calls == [("org/name", "v1")] and found.select("label", "split").rows() == [
        (n > 0, "train") for n in range(3)
    ]
    assert same_bytes(found)
    assert index("hf:hf://datasets/org/name")["path"].equals(found["path"])
    for wrong in ("hf:org/name/more", "hf:/nowhere"):
        with pytest.raises(SynthscopeError, match="Expected a folder, a file, or OWNER/NAME of the hub"):
            index(wrong)
