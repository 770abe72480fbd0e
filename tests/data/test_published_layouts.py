"""Layouts of published data sets, from made files in their form: labels, generators, subsets, splits, groups."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from synthscope.data.images import read_file
from synthscope.data.index import index
from synthscope.data.layouts import LAYOUTS
from synthscope.data.layouts.mnw import TERMS
from synthscope.errors import SynthscopeError, UsageError
from tests.data.test_layouts import put, told

NAMES = ("label", "generator", "subset", "split")


def test_commfor_as_published(tmp_path: Path) -> None:
    rows = {
        "systematic/0.parquet": [("a.png", 1, "org/sd-lora")],
        "publicEval/1.parquet": [("b.png", 1, "Midjourney"), ("c.png", 0, "Midjourney"), ("d.png", 0, "coco")],
    }
    for name, images in rows.items():
        (tmp_path / name).parent.mkdir()
        columns = {
            "image_name": [image for image, *_ in images],
            "image_data": pa.array([f"bytes of {image}".encode() for image, *_ in images], pa.binary()),
            "label": [label for _, label, _ in images],
            "model_name": [model for *_, model in images],
        }
        parquet.write_table(pa.table(columns), tmp_path / name)
    table = index(f"commfor:{tmp_path}")
    assert table.sort("path").select(*NAMES).rows() == [
        (1, "Midjourney", "Midjourney", "test"),
        (0, "real", "Midjourney", "test"),
        (0, "real", None, "test"),
        (1, "org/sd-lora", "org/sd-lora", "train"),
    ]
    assert {read_file(path)[0] for path in table["path"]} == {f"bytes of {n}.png".encode() for n in "abcd"}
    assert index(f"commfor:{tmp_path}?split=PublicEval").height == 3
    with pytest.raises(UsageError, match="Did you mean publiceval"):
        index(f"commfor:{tmp_path}?split=publiceva")


def test_commfor_as_its_trainer_reads_folders(tmp_path: Path) -> None:
    put(tmp_path, "flux/real/a.jpg", "flux/fake/b.png", "laion/real/c.jpg")
    assert told(index(f"commfor:{tmp_path}"), *NAMES) == {
        "a.jpg": (0, "real", "flux", None),
        "b.png": (1, "flux", "flux", None),
        "c.jpg": (0, "real", None, None),
    }


def test_opensdi(tmp_path: Path) -> None:
    folder = tmp_path / "OpenSDI_test/data"
    folder.mkdir(parents=True)
    for name, keys, labels in (
        ("flux", ["global/flux/fake/1.jpg", "real/2.jpg"], [1, 0]),
        ("sd15", ["partial/sd15/fake/3.jpg"], [1]),
    ):
        images = [{"bytes": key.encode(), "path": key} for key in keys]
        masks = pa.array([None] * len(keys), pa.struct({"bytes": pa.binary(), "path": pa.string()}))
        table = pa.table({"key": keys, "image": images, "mask": masks, "label": labels})
        parquet.write_table(table, folder / f"{name}-00000-of-00001.parquet")
    table = index(f"opensdi:{tmp_path / 'OpenSDI_test'}")
    assert table.select(*NAMES).rows() == [
        (1, "flux", "flux", "test"), (0, "real", "flux", "test"), (1, "sd15", "sd15", "test"),
    ]  # fmt: skip
    assert [read_file(path)[0] for path in table["path"]] == [
        b"global/flux/fake/1.jpg",
        b"real/2.jpg",
        b"partial/sd15/fake/3.jpg",
    ]
    with pytest.raises(SynthscopeError, match="Expected OpenSDID's Parquet files"):
        index(f"opensdi:{_empty(tmp_path)}")


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_synthbuster_groups_what_one_photograph_describes(tmp_path: Path) -> None:
    put(tmp_path, "sb/dalle3/r000da54ft.png", "sb/firefly/r000da54ft.png", "sb/glide/other.png", "raise/r000da54ft.png")
    table = index(f"synthbuster:{tmp_path}/sb?real={tmp_path}/raise")
    assert table.select(*NAMES, "group").rows() == [
        (1, "dalle3", "dalle3", None, "r000da54ft"),
        (1, "firefly", "firefly", None, "r000da54ft"),
        (1, "glide", "glide", None, None),
        (0, "real", None, None, "r000da54ft"),
    ]
    with pytest.raises(SynthscopeError, match="Expected a folder of photographs"):
        index(f"synthbuster:{tmp_path}/sb?real={tmp_path}/nowhere")


def test_mnw_is_for_evaluation_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "AI_Images/Adobe_Firefly_4/Adobe_Firefly_4_00.jpg", "AI_Images/Sora/x.jpg", "AI_Audio/x/y.png")
    put(tmp_path, "AI_Images/Sora/pointer.jpg", data=b"version https://git-lfs.github.com/spec/v1\n")
    for root in (tmp_path, tmp_path / "AI_Images"):
        table = index(f"mnw:{root}")
        assert table.filter(pl.col("error").is_null()).select(*NAMES).rows() == [
            (1, "Adobe_Firefly_4", "Adobe_Firefly_4", "test"), (1, "Sora", "Sora", "test"),
        ]  # fmt: skip
        assert table.height == 3 and capsys.readouterr().err.startswith(TERMS)


def test_fakebench(tmp_path: Path) -> None:
    put(tmp_path, "FakeBench_images/fake_images/a.png", "FakeBench_images/fake_images/glide/b.png")
    put(tmp_path, "FakeBench_images/real_images/c.jpg")
    assert told(index(f"fakebench:{tmp_path}"), *NAMES) == {
        "a.png": (1, "fakebench", "fakebench", "test"),
        "b.png": (1, "glide", "glide", "test"),
        "c.jpg": (0, "real", None, "test"),
    }


def test_df40_frames_of_a_video_are_one_group_and_stand_in_one_split(tmp_path: Path) -> None:
    put(tmp_path / "frames", *(f"{video}/{n}.png" for video in ("f", "r", "old") for n in range(2)))

    def video(name: str, label: str) -> dict[str, object]:
        return {"label": label, "frames": [f"{name}\\{n}.png" for n in range(2)]}

    lists = {
        "simswap_ff": {
            "simswap_Fake": {"train": {"f": video("f", "simswap_Fake")}, "test": {"f": video("f", "simswap_Fake")}},
            "simswap_Real": {"train": {"c23": {"r": video("r", "simswap_Real")}}},
        },
        "FaceForensics++": {"Deepfakes": {"v": {"label": "fake", "frames": [f"{tmp_path}/frames/old/0.png"]}}},
    }
    (tmp_path / "simswap.json").write_text(json.dumps(lists))
    table = index(f"df40:{tmp_path}?images={tmp_path}/frames")
    assert table.select(*NAMES, "group", "error").rows() == [
        *2 * [(1, "simswap", "simswap_ff", "test", "simswap_ff/simswap_Fake/f", None)],
        *2 * [(0, "real", "simswap_ff", "train", "simswap_ff/simswap_Real/r", None)],
        (1, "Deepfakes", "FaceForensics++", None, "FaceForensics++/fake/v", None),
    ]
    named = index(f"df40:{tmp_path}/simswap.json?images={tmp_path}/frames&real=fake")
    assert named["label"].to_list() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize(
    "text", ["[]", "{", "5", '{"a": 3}', '{"frames": ["a"], "label": "x"}', '{"a": {"frames": "b", "label": "x"}}',
             '{"a": {"frames": [1], "label": "x"}}', '{"a": {"frames": ["b"]}}', '{"a":' * 9000 + "1" + "}" * 9000]
)  # fmt: skip
def test_lists_that_are_something_else_are_sentences(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SynthscopeError, match=r"Expected .* of .*a\.json|Expected .* in .*a\.json"):
        index(f"df40:{tmp_path}/a.json")


def test_every_layout_stands_in_the_table_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/layouts.md").read_text(encoding="utf-8")
    rows = [line for line in page.partition("## ")[0].splitlines() if line.startswith("| `")]
    assert {row.split("`")[1].rstrip(":") for row in rows} == set(LAYOUTS.registered)
    assert all(row.count("|") == 7 for row in rows)


def test_a_wide_table_is_read_by_its_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [{"bytes": rng.bytes(10), "path": str(n)} for n in range(250)]
    table = pa.table({"image": images, "label": [n % 2 for n in range(250)], "junk": ["x" * 1000] * 250})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    found = index(f"hf:{tmp_path}")
    assert found["label"].to_list() == [n % 2 for n in range(250)]
    assert found["path"][249].endswith("#2.49.image/249")
