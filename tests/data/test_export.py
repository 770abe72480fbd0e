"""What is exported is what others and this program read; killed runs go on; names cannot lead elsewhere."""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from typer.testing import CliRunner

from synthscope.cli import app
from synthscope.data.export.names import MOST_BYTES, file_name, safe
from synthscope.data.export.run import export
from synthscope.data.images import read_file
from synthscope.data.index import index
from synthscope.data.manifest import load_manifest, save_manifest, verify
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform

KEPT = ("label", "generator", "subset", "split", "class_index", "synset", "group", "view", "bytes", "sha256")


def picture(seed: int, form: str) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def manifest(folder: Path, n: int = 12) -> pl.DataFrame:
    """Images of two generators and of photographs, in two splits; every second file has the same name as another."""
    rows = []
    for number in range(n):
        label = number % 3 and 1
        generator = ("real", "ADM", "flux/dev")[number % 3]
        path = folder / str(number) / f"{number // 2:03d}_adm_{number // 2}.{'png' if label else 'JPEG'}"
        path.parent.mkdir(parents=True)
        path.write_bytes(picture(number, "PNG" if label else "JPEG"))
        rows.append({
            "path": str(path), "label": label, "generator": generator, "subset": generator if label else None,
            "split": ("train", "val")[number >= n // 2], "group": f"pair {number // 3}", "view": "none",
            "class_index": number, "synset": f"n{number:08d}", "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size, "format": "PNG" if label else "JPEG",
        })  # fmt: skip
    return conform(pl.DataFrame(rows), MANIFEST, "made")


@pytest.mark.parametrize("form", ["hf", "wds"])
def test_shards_are_read_back_as_they_were(tmp_path: Path, form: str) -> None:
    table = manifest(tmp_path / "images")
    done = export(table, f"{form}:{tmp_path}/out", shard_size=table["bytes"].sum() // 4)
    assert (done.images, done.unreadable.height) == (12, 0)
    back = verify(index(f"{form}:{tmp_path}/out"))
    assert back.select(KEPT).equals(table.select(KEPT))
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert len(files) >= 4


def test_a_label_that_nobody_knows_stays_unknown(tmp_path: Path) -> None:
    table = manifest(tmp_path / "images", 6).with_columns(label=pl.lit(None, pl.Int8), split=pl.lit(None, pl.String))
    for form in ("hf", "wds"):
        export(table, f"{form}:{tmp_path}/{form}")
        assert index(f"{form}:{tmp_path}/{form}").select(KEPT[:-1]).equals(table.select(KEPT[:-1]))
    with pytest.raises(SynthscopeError, match="Expected the label 0 .real. or 1 .AI. of every image"):
        export(table, f"genimage:{tmp_path}/g")


def test_genimage_folders_are_read_back_with_what_names_can_say(tmp_path: Path) -> None:
    table = manifest(tmp_path / "images")
    for link in (False, True):
        out = tmp_path / f"out {link}"
        export(table, f"genimage:{out}", link=link)
        told = load_manifest(out / "manifest.parquet")
        assert told.select(KEPT).equals(table.select(KEPT))
        assert [read_file(path)[1] for path in told["path"]] == table["sha256"].to_list()
        linked = [Path(a).samefile(b) for a, b in zip(table["path"], told["path"], strict=True)]
        assert linked == [link] * 12
        back = verify(index(f"genimage:{out}"))
        columns = ("sha256", "label", "split")
        assert back.select(columns).sort("sha256").equals(table.select(columns).sort("sha256"))
        assert set(back["subset"]) == {None, "ADM", "flux_dev"}
        assert told.filter(label=1)["path"].str.contains("/ai/").all() and not list(out.rglob(".*unfinished*"))


def test_the_library_datasets_decodes_images_and_classes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the library datasets, another reader")
    table = manifest(tmp_path / "images")
    export(table, f"hf:{tmp_path}/out", shard_size=2000)
    files = {"train": f"{tmp_path}/out/data/train-*.parquet", "test": f"{tmp_path}/out/data/val-*.parquet"}
    found = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert found["train"].features["label"].names == ["real", "ai"]
    assert found["train"]["label"] == table.filter(split="train")["label"].to_list()
    assert found["test"]["generator"] == table.filter(split="val")["generator"].to_list()
    for row, path in zip(found["train"], table.filter(split="train")["path"], strict=True):
        np.testing.assert_array_equal(np.asarray(row["image"].convert("RGB")), np.asarray(Image.open(path)))


def test_the_library_webdataset_reads_the_shards(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="needs the library webdataset, another reader")
    table = manifest(tmp_path / "images")
    export(table, f"wds:{tmp_path}/out", shard_size=2000)
    shards = sorted(map(str, (tmp_path / "out").glob("*.tar")))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    assert [sample["cls"] for sample in samples] == table["label"].to_list()
    assert [sample["json"]["generator"] for sample in samples] == table["generator"].to_list()
    raw = [sample.get("png") or sample.get("jpg") for sample in webdataset.WebDataset(shards, shardshuffle=False)]
    assert [hashlib.sha256(data).hexdigest() for data in raw] == table["sha256"].to_list()


def test_a_second_run_writes_nothing_anew_and_another_export_needs_another_folder(tmp_path: Path) -> None:
    table = manifest(tmp_path / "images")
    for form in ("hf", "wds", "genimage"):
        export(table, f"{form}:{tmp_path}/{form}", shard_size=2000)
        files = sorted(path for path in (tmp_path / form).rglob("*.*") if path.suffix in (".parquet", ".tar", ".png"))
        before = [path.stat().st_ino for path in files if path.name != "manifest.parquet"]
        export(table, f"{form}:{tmp_path}/{form}", shard_size=2000)
        assert [path.stat().st_ino for path in files if path.name != "manifest.parquet"] == before
        with pytest.raises(SynthscopeError, match="to be begun by an export of the same images"):
            export(table.head(5), f"{form}:{tmp_path}/{form}", shard_size=2000)
        with pytest.raises(SynthscopeError, match="Expected an empty folder"):
            export(table, f"{form}:{tmp_path}/images", shard_size=2000)


@pytest.mark.parametrize("form", ["hf", "genimage"])
def test_a_killed_run_goes_on(tmp_path: Path, form: str) -> None:
    table = manifest(tmp_path / "images", 60)
    save_manifest(table, tmp_path / "m.parquet")
    command = [sys.executable, "-m", "synthscope", "data", "export", str(tmp_path / "m.parquet")]
    command += ["-o", f"{form}:{tmp_path}/out", "--shard-size", "1000"]
    suffix = {"hf": "*.parquet", "genimage": "[0-9]*.*"}[form]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list((tmp_path / "out").rglob(suffix))) < 3:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    half = {path: path.stat().st_ino for path in (tmp_path / "out").rglob(suffix)}
    done = export(table, f"{form}:{tmp_path}/out", shard_size=1000)
    assert done.images == 60 and 3 <= len(half) < len(list((tmp_path / "out").rglob(suffix)))
    assert {path: path.stat().st_ino for path in half} == half
    back = load_manifest(tmp_path / "out/manifest.parquet") if form == "genimage" else index(f"{form}:{tmp_path}/out")
    assert [read_file(path)[1] for path in back["path"]] == table["sha256"].to_list()


@pytest.mark.parametrize("form", ["hf", "wds", "genimage"])
def test_what_cannot_be_read_is_listed_and_tried_again(tmp_path: Path, form: str) -> None:
    table = manifest(tmp_path / "images", 6)
    lost, changed = Path(table["path"][1]), Path(table["path"][2])
    data = lost.read_bytes(), changed.read_bytes()
    lost.unlink()
    changed.write_bytes(picture(99, "PNG"))
    told = table.with_columns(error=pl.when(pl.col("path") == table["path"][3]).then(pl.lit("an empty file")))
    save_manifest(told, tmp_path / "m.parquet")
    arguments = ["data", "export", f"{tmp_path}/m.parquet", "-o", f"{form}:{tmp_path}/out", "--shard-size", "1GB"]
    for _ in range(2):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 3 and "3 images in" in result.stdout
        assert "3 unreadable" in result.stderr and "Expected a file of sha256" in result.stderr
        assert str(lost) in result.stderr
    lost.write_bytes(data[0])
    changed.write_bytes(data[1])
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3 and "5 images in" in result.stdout and "1 unreadable" in result.stderr
    assert index(f"{form}:{tmp_path}/out").height == 5


FULL = """
import resource, sys
from synthscope.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))  # a disk that is full
_, table, out = sys.argv
for form in ("hf", "wds", "genimage"):
    sys.argv = ["synthscope", "data", "export", table, "-o", f"{form}:{out}/{form}"]
    try:
        main()
    except SystemExit as end:
        print(end.code)
"""


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    table = manifest(tmp_path / "images", 6)
    save_manifest(table, tmp_path / "m.parquet")
    command = [sys.executable, "-c", FULL, str(tmp_path / "m.parquet"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "1\n1\n1\n", done.stderr
    for form, line in zip(("hf", "wds", "genimage"), done.stderr.splitlines(), strict=True):
        assert line.startswith(f"synthscope: Expected to write {tmp_path}/{form}/") and line.endswith(
            "Make room and run again."
        )
        assert export(table, f"{form}:{tmp_path}/{form}").images == 6


HOSTILE = ("../../out.png", "..", "a\0b.png", "x" * 300 + ".png", ".hidden.png", "NUL", "a\nb.png", "é.png", "…/…")


@pytest.mark.parametrize("form", ["hf", "wds", "genimage"])
def test_names_cannot_lead_out_of_the_folder_nor_hide_each_other(tmp_path: Path, form: str) -> None:
    images = manifest(tmp_path / "images", len(HOSTILE))
    text = pl.Series(HOSTILE)
    table = images.with_columns(
        label=pl.lit(1, pl.Int8), generator=text, subset=text, split=text, group=text, synset=text
    )
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert export(table, f"{form}:{tmp_path}/out/deep").images == len(HOSTILE)
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert all(path.resolve().is_relative_to(tmp_path / "out/deep") for path in new)
    back = verify(index(f"{form}:{tmp_path}/out/deep"))
    assert sorted(back["sha256"]) == sorted(table["sha256"]) and back["error"].null_count() == back.height
    if form != "genimage":
        columns = ("sha256", "split", "subset", "group", "synset", "generator")
        assert back.select(columns).sort("sha256").equals(table.select(columns).sort("sha256"))


@given(st.text(), st.sampled_from([None, "PNG", "JPEG2000"]))
def test_any_text_becomes_one_name(text: str, form: str | None) -> None:
    for name in (safe(text), file_name(text, form)):
        assert name and "/" not in name and "\0" not in name and not name.startswith(".")
        assert len(name.encode()) <= MOST_BYTES + 5 and name.isprintable()
    assert safe(safe(text)) == safe(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "tar:OUT"], "Expected hf:FOLDER, wds:FOLDER or genimage:FOLDER, got 'tar:"),
        (["-o", "OUT"], "Expected hf:FOLDER"),
        (["-o", "wds:OUT", "--link"], "Expected --link for folders"),
        (["-o", "wds:OUT", "--shard-size", "1 metre"], "Expected a size such as 512MB"),
        (["-o", "wds:OUT", "--shard-size", "0"], "Expected a size such as 512MB"),
    ],
)
def test_requests_that_cannot_be_understood(tmp_path: Path, arguments: list[str], message: str) -> None:
    save_manifest(manifest(tmp_path / "images", 3), tmp_path / "m.parquet")
    given = [argument.replace("OUT", str(tmp_path / "out")) for argument in arguments]
    result = CliRunner().invoke(app, ["data", "export", str(tmp_path / "m.parquet"), *given])
    assert isinstance(result.exception, UsageError) and message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_row_groups_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = manifest(tmp_path / "images", 12).with_columns(split=pl.lit("train"))
    monkeypatch.setattr("synthscope.data.export.hf._GROUP", 5)
    export(table, f"hf:{tmp_path}/out")
    (file,) = (tmp_path / "out/data").glob("*.parquet")
    told = parquet.read_metadata(file)
    assert [told.row_group(n).num_rows for n in range(told.num_row_groups)] == [5, 5, 2]
