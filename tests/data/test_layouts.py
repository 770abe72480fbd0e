from __future__ import annotations

import os
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.data.index import index, index_to
from synthscope.data.layouts.imagenet import parse_name, synsets
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST

REAL = Path(__file__).parents[2] / "../shared/images"
PIXELS = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def put(root: Path, *names: str, data: bytes | None = None) -> None:
    """Write small images, JPEG or PNG by suffix, or ``data``."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            file = BytesIO()
            if path.suffix.lower() == ".png":
                Image.fromarray(PIXELS).save(file, "PNG")
            else:
                Image.fromarray(PIXELS).save(file, "JPEG", quality=96)
            path.write_bytes(file.getvalue())
        else:
            path.write_bytes(data)


def told(table: pl.DataFrame, *columns: str) -> dict[str, tuple[object, ...]]:
    """File name -> values of the columns."""
    return {Path(row[0]).name: row[1:] for row in table.select("path", *columns).iter_rows()}


GENIMAGE = (
    "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/train/ai/033_sdv4_00134.png",
    "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/train/nature/n01440764_10043.JPEG",
    "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/val/ai/000_sdv4_00020.png",
    "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/val/nature/ILSVRC2012_val_00000278.JPEG",
    "ADM/imagenet_ai_0508_adm/val/ai/115_adm_141.PNG",
    "glide/train/ai/GLIDE_1000_200_08_808_glide_00033.png",
    "glide/train/nature/n15075141_9.JPEG",
)


def test_genimage_reads_everything_from_names(tmp_path: Path) -> None:
    put(tmp_path, *GENIMAGE)
    source = f"genimage:{tmp_path}"
    table = index(source)
    assert table.schema == MANIFEST
    sd, adm = "stable_diffusion_v_1_4", "ADM"
    assert told(table, "label", "generator", "subset", "split", "class_index", "synset") == {
        "033_sdv4_00134.png": (1, sd, sd, "train", 33, "n01664065"),
        "n01440764_10043.JPEG": (0, "real", sd, "train", 0, "n01440764"),
        "000_sdv4_00020.png": (1, sd, sd, "val", 0, "n01440764"),
        "ILSVRC2012_val_00000278.JPEG": (0, "real", sd, "val", None, None),
        "115_adm_141.PNG": (1, adm, adm, "val", 115, "n01950731"),
        "GLIDE_1000_200_08_808_glide_00033.png": (1, "glide", "glide", "train", 808, "n04259630"),
        "n15075141_9.JPEG": (0, "real", "glide", "train", 999, "n15075141"),
    }
    assert told(table, "width", "height", "format", "jpeg_quality", "view", "source", "error", "sha256") == {
        Path(name).name: (8, 6, "PNG", None, "none", source, None, None)
        if name.lower().endswith("png")
        else (8, 6, "JPEG", 96, "none", source, None, None)
        for name in GENIMAGE
    }
    assert table["bytes"].to_list() == [Path(path).stat().st_size for path in table["path"]]
    assert table["path"].to_list() == sorted(str(tmp_path / name) for name in GENIMAGE)


@pytest.mark.parametrize("below", ["", "stable_diffusion_v_1_4", "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4"])
def test_genimage_root_may_be_any_folder_above_the_splits(tmp_path: Path, below: str) -> None:
    put(tmp_path / "GenImage", *GENIMAGE[:4])
    table = index(f"genimage:{tmp_path / 'GenImage' / below}")
    assert table.height == 4 and set(table["subset"]) == {"stable_diffusion_v_1_4"}


def test_genimage_root_may_hold_the_inner_folders_or_be_a_split(tmp_path: Path) -> None:
    put(tmp_path, "imagenet_midjourney/val/ai/208_midjourney_76.png", "imagenet_ai_0419_vqdm/val/ai/a.png")
    assert set(index(f"genimage:{tmp_path}")["subset"]) == {"Midjourney", "VQDM"}
    put(tmp_path, "mine/val/ai/0_x_1.png")
    assert index(f"genimage:{tmp_path}/mine/val").select("subset", "split").rows() == [("mine", "val")]


def test_merged_genimage_reads_the_generator_from_file_names(tmp_path: Path) -> None:
    put(tmp_path, "imagenet_ai/train/ai/033_sdv5_00134.png", "imagenet_ai/train/ai/7_flux_3.png")
    put(tmp_path, "imagenet_ai/train/nature/n01440764_1.JPEG")
    for source in (tmp_path, tmp_path / "imagenet_ai"):
        assert told(index(f"genimage:{source}"), "generator", "subset") == {
            "033_sdv5_00134.png": ("stable_diffusion_v_1_5", "stable_diffusion_v_1_5"),
            "7_flux_3.png": ("flux", "flux"),
            "n01440764_1.JPEG": ("real", None),
        }


@pytest.mark.parametrize(
    ("name", "index", "generator"),
    [
        ("116_biggan_00094", 116, "biggan"),
        ("755_sdv5_00047", 755, "sdv5"),
        ("0_midjourney_100", 0, "midjourney"),
        ("115_adm_141", 115, "adm"),
        ("0_wukong_image128", 0, "wukong"),
        ("GLIDE_1000_200_08_808_glide_00033", 808, "glide"),
        ("VQDM_1000_200_07_759_vqdm_00143", 759, "vqdm"),
        ("024_midjourney_v3_00024", 24, "midjourney_v3"),
        ("012_sd_beta_2022_00012", 12, "sd_beta_2022"),
    ],
)
def test_names_of_fakes(name: str, index: int, generator: str) -> None:
    assert parse_name(name) == (index, synsets()[index], generator)


def test_names_of_reals_and_others() -> None:
    assert parse_name("n02510455_giant_panda")[:2] == (388, "n02510455")
    assert parse_name("n99999999_1") == (None, "n99999999", None)
    for name in ("ILSVRC2012_val_00000278", "12345", "1000_adm_1", "photo.v2", ""):
        assert parse_name(name) == (None, None, None)


def test_synsets_are_the_sorted_thousand() -> None:
    assert len(synsets()) == 1000 and list(synsets()) == sorted(synsets())


def test_labels_do_not_depend_on_the_order_of_folders(tmp_path: Path) -> None:
    put(tmp_path / "c", "progan/0_real/x.png", "progan/1_fake/y.png")
    put(tmp_path / "i", "a_photo/x.png", "z_made/y.png")
    put(tmp_path / "j", "z_photo/x.png", "a_made/y.png")
    put(tmp_path / "g", "ADM/val/ai/y.png", "ADM/val/nature/x.png")
    sources = (
        f"cnndetection:{tmp_path}/c",
        f"imagefolder:{tmp_path}/i?ai=z_made&real=a_photo",
        f"imagefolder:{tmp_path}/j?real=z_photo&ai=a_made",
        f"genimage:{tmp_path}/g",
    )
    for source in sources:
        assert told(index(source), "label") == {"x.png": (0,), "y.png": (1,)}


def test_cnndetection(tmp_path: Path) -> None:
    put(tmp_path, "progan/cat/0_real/a.png", "progan/cat/1_fake/b.png", "biggan/0_real/c.png", "biggan/1_fake/d.png")
    put(tmp_path, "laion/0_real/e.png", "test/dalle/1_fake/f.png")
    assert told(index(f"cnndetection:{tmp_path}"), "label", "generator", "subset", "split") == {
        "a.png": (0, "real", "progan", None),
        "b.png": (1, "progan", "progan", None),
        "c.png": (0, "real", "biggan", None),
        "d.png": (1, "biggan", "biggan", None),
        "e.png": (0, "real", None, None),  # no fakes beside it: shared
        "f.png": (1, "dalle", "dalle", "test"),
    }
    assert set(index(f"cnndetection:{tmp_path}/biggan")["subset"]) == {"biggan"}


def test_imagefolder(tmp_path: Path) -> None:
    put(tmp_path / "plus", "sd+lora/a.png")
    assert index(f"imagefolder:{tmp_path}/plus?ai=sd+lora")["generator"].to_list() == ["sd+lora"]
    tmp_path /= "split"
    put(tmp_path, "train/flux/a.png", "train/photos/b.jpg", "validation/sdxl/deep/er/c.png")
    table = index(f"imagefolder:{tmp_path}?ai=flux,sdxl&real=photos")
    assert told(table, "label", "generator", "subset", "split") == {
        "a.png": (1, "flux", "flux", "train"),
        "b.jpg": (0, "real", None, "train"),
        "c.png": (1, "sdxl", "sdxl", "val"),
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", r"Expected every class folder once.*The folders in .* are: flux, photos, sdxl"),
        ("?ai=flux&real=flux", "Expected every class folder once"),
        ("?ai=flux&real=photos", "got flux, photos, sdxl. List every folder"),
        ("?ai=flux,sdxll&real=photos", "Did you mean sdxl"),
        ("?fake=flux&real=photos", "got 'fake'"),
    ],
)
def test_imagefolder_labels_must_be_given_for_every_folder(tmp_path: Path, query: str, message: str) -> None:
    put(tmp_path, "flux/a.png", "photos/b.jpg", "sdxl/c.png")
    with pytest.raises(UsageError, match=message):
        index(f"imagefolder:{tmp_path}{query}")


def test_csv_and_parquet_tables(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "images/b.jpg", "images/c.png")
    csv = tmp_path / "list.csv"
    csv.write_text(
        "\ufefffilename,label,generator,split,class_index,group,view,junk\n"
        "images/a.png,1,flux,val,7,g1,jpeg:q=96,x\n"
        f"{tmp_path}/images/b.jpg,real,,val,,g1,,y\n"
        "images/absent.png,AI,,,,,,\n"
    )
    expected = {
        "a.png": (1, "flux", "flux", "val", 7, "g1", "jpeg:q=96", None),
        "b.jpg": (0, "real", None, "val", None, "g1", "none", None),
        "absent.png": (1, "list", "list", None, None, None, "none", "no such file or directory"),
    }
    columns = ("label", "generator", "subset", "split", "class_index", "group", "view", "error")
    assert told(index(f"csv:{csv}"), *columns) == expected
    parquet = tmp_path / "list.parquet"
    pl.read_csv(csv).rename({"filename": "file_name"}).write_parquet(parquet)
    assert told(index(f"parquet:{parquet}"), *columns) == expected


def test_typ_names_the_generator(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    (tmp_path / "list.csv").write_text("path,typ\na.png,real\nb.png,sdxl\n")
    assert told(index(f"csv:{tmp_path}/list.csv"), "label", "generator", "subset") == {
        "a.png": (0, "real", None),
        "b.png": (1, "sdxl", "sdxl"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"file,label\na.png,1\n", "Expected a column path or filename or file_name"),
        (b"path,labels\na.png,1\n", "Expected a column label or typ .* Did you mean labels"),
        (b"path,label\na.png,maybe\n", "in row 2 of .*list.csv, got 'maybe'"),
        (b"path,label\na.png\n", "in row 2 of .*list.csv, got None"),
        (b"path,label\n,1\n", "Expected a path in row 2"),
        (b"path,label,class_index\na.png,1,cat\n", "column 'class_index'"),
        (b"path,label\n\xff\xfe,1\n", "UTF-8"),
        (b"", "Expected a column"),
        (b"path,label\n", "Expected images under .*list.csv, got none"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "list.csv").write_bytes(text)
    with pytest.raises(SynthscopeError, match=message):
        index(f"csv:{tmp_path}/list.csv")


def test_no_file_vanishes_and_no_other_file_counts(tmp_path: Path) -> None:
    ai = tmp_path / "ADM/val/ai"
    put(ai, "good.png", "photo.v2.jpg", "UPPER.JPE", "deep/er.png")
    put(ai, "empty.png", data=b"")
    put(ai, "cut.jpg", data=b"\xff\xd8\xff\xe0\x00\x10JF")
    put(ai, "page.png", data=b"<html>not an image</html>")
    put(ai, "archive.zip", "README", data=b"PK")
    put(ai, ".hidden.png", "Thumbs.db", "notes.txt", "meta.json", ".git/a.png", "__MACOSX/b.png", data=b"x")
    (ai / "dead.png").symlink_to(tmp_path / "nowhere.png")
    put(tmp_path, "ADM/val/other.png", "README.png")
    assert told(index(f"genimage:{tmp_path}"), "width", "format", "error") == {
        "good.png": (8, "PNG", None),
        "photo.v2.jpg": (8, "JPEG", None),
        "UPPER.JPE": (8, "JPEG", None),
        "er.png": (8, "PNG", None),
        "empty.png": (None, None, "an empty file"),
        "cut.jpg": (None, None, "a damaged image (OSError: Truncated File Read)"),
        "page.png": (None, None, "no readable JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM, AVIF or JPEG2000 header"),
        "archive.zip": (None, None, "not an image suffix"),
        "README": (None, None, "not an image suffix"),
        "dead.png": (None, None, "no such file or directory"),
    }


def test_loops_of_links_end_and_linked_folders_count(tmp_path: Path) -> None:
    put(tmp_path, "all/ADM/val/ai/a.png", "elsewhere/b.png")
    ai = tmp_path / "all/ADM/val/ai"
    (ai / "up").symlink_to(tmp_path / "all")
    (ai / "self").symlink_to(ai / "self")
    (ai / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "all/ADM/again").symlink_to(tmp_path / "all")
    assert told(index(f"genimage:{tmp_path}/all"), "subset", "width") == {
        "b.png": ("ADM", 8),
        "a.png": ("ADM", 8),
        "self": ("ADM", None),
    }


def test_a_name_that_is_not_utf8_is_a_row_with_an_error(tmp_path: Path) -> None:
    put(tmp_path, "ADM/val/ai/a.png", "ADM/val/ai/é.png")
    raw = os.fsencode(tmp_path / "ADM/val/ai") + b"/b\xff.png"
    os.link(tmp_path / "ADM/val/ai/a.png", raw)
    assert told(index(f"genimage:{tmp_path}"), "error") == {
        "a.png": (None,),
        "b\\xff.png": ("a file name that is not UTF-8",),
        "é.png": (None,),
    }


def test_the_table_does_not_depend_on_workers_or_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *(f"ADM/{split}/ai/{i}_adm_{i}.PNG" for split in ("train", "val") for i in range(40)))
    put(tmp_path, "ADM/val/ai/empty.png", data=b"")
    source = f"genimage:{tmp_path}"
    whole = index(source, workers=1)
    for name, value in (("_BLOCK", 32), ("_CHUNK", 7), ("_SERIAL", 20)):
        monkeypatch.setattr(f"synthscope.data.index.{name}", value)
    assert index(source, workers=2).equals(whole)
    report = index_to(source, tmp_path / "out/manifest.parquet", workers=2)
    assert pl.read_parquet(report.path).equals(whole) and pl.read_parquet_schema(report.path) == MANIFEST
    assert (report.rows, report.n_real, report.n_ai, report.n_error) == (81, 0, 81, 1)
    assert report.errors == ((f"{tmp_path}/ADM/val/ai/empty.png", "an empty file"),)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.parquet"]


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("genimag:{}", UsageError, "Did you mean genimage"),
        ("{}", UsageError, "without a layout. Put one before the path: cnndetection, commfor, csv, df40, "),
        ("genimage:{}/absent", SynthscopeError, "Expected a folder or file at '.*absent', got nothing"),
        ("genimage:", SynthscopeError, "Expected a folder or file at ''"),
        ("genimage:{}", SynthscopeError, "Expected folders named ai and nature under .*, got ADM, bare"),
        ("genimage:{}/bare", SynthscopeError, "got no folders"),
        ("genimage:{}/ADM", SynthscopeError, "Expected images under .*ADM, got none"),
        ("genimage:{}/file.txt", SynthscopeError, "Expected a readable folder"),
        ("genimage:{}?ai=x", UsageError, "Expected options of layout genimage"),
        ("csv:{}", SynthscopeError, "Expected a UTF-8 CSV file"),
        ("parquet:{}/file.txt", SynthscopeError, "Expected a Parquet file"),
    ],
)
def test_bad_sources_are_sentences(tmp_path: Path, source: str, kind: type[Exception], message: str) -> None:
    for folder in ("bare", "ADM/val/ai", "other/ADM/val"):
        (tmp_path / folder).mkdir(parents=True)
    if source == "genimage:{}":
        (tmp_path / "ADM/val/ai").rmdir()
    (tmp_path / "file.txt").write_text("x")
    out = tmp_path / "manifest.parquet"
    with pytest.raises(kind, match=message):
        index_to(source.format(tmp_path), out)
    assert not out.exists()


def test_a_question_mark_may_be_part_of_the_path(tmp_path: Path) -> None:
    put(tmp_path, "why?/ADM/val/ai/a.png")
    assert index(f"genimage:{tmp_path}/why?").height == 1


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the photographs of ../shared/images")
def test_real_images_agree_with_their_own_list() -> None:
    table = index(f"genimage:{REAL}")
    listed = pl.read_csv(REAL / "manifest.csv")
    mine = {re.sub(r"^.*/images/", "", row[0]): row[1:] for row in table.select("path", "label", "split").iter_rows()}
    assert mine == {row[0]: row[1:] for row in listed.select("path", "label", "split").iter_rows()}
    assert table["error"].null_count() == table.height
    for path, width, height, container, quality in (
        table.select("path", "width", "height", "format", "jpeg_quality").gather_every(40).iter_rows()
    ):
        with Image.open(path) as image:
            assert (*image.size, image.format) == (width, height, container)
        assert (quality is not None) == (container == "JPEG")
