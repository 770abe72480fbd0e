"""Aligned protocols: what is chosen, what each class is seen through, and the files that say the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from synthscope.cli.data import data
from synthscope.data.align.files import write_aligned
from synthscope.data.align.protocols import PROTOCOLS, Protocol, protocol_named
from synthscope.data.align.select import align, changes, describe_changes
from synthscope.data.audit import audit
from synthscope.data.degrade.recipe import parse_recipe, read_viewed
from synthscope.data.images import read_rgb
from synthscope.data.index import index
from synthscope.data.layouts.imagenet import synsets
from synthscope.data.manifest import load_manifest, with_view
from synthscope.data.metadata import join_metadata
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform

REAL = Path(__file__).parents[2] / "../shared/images"
SD4, WUKONG, ADM = "stable_diffusion_v_1_4", "wukong", "ADM"
SIZE = PROTOCOLS["size_constrained"]
images = st.lists(
    st.tuples(
        st.sampled_from((0, 1)),
        st.sampled_from((SD4, WUKONG, ADM)),
        st.sampled_from(("train", "val")),
        st.integers(0, 2),
        st.sampled_from((95, 96, 96, 96, 80)),
        st.sampled_from((500, 500, 449, 551)),
    ),
    min_size=20,
    max_size=80,
)


def manifest(images: list[tuple[int, str, str, int | None, int, int]]) -> pl.DataFrame:
    """Rows of label, subset, split, class, quality of reals and width of reals; AI images are 512 or, of ADM, 256."""
    rows = [
        {
            "path": f"/g/{subset}/{split}/{'ai' if label else 'nature'}/{i}.{'png' if label else 'JPEG'}",
            "label": label,
            "generator": subset if label else "real",
            "subset": subset,
            "split": split,
            "class_index": kind,
            "width": (256 if subset == ADM else 512) if label else width,
            "height": (256 if subset == ADM else 512) if label else 480,
            "format": "PNG" if label else "JPEG",
            "jpeg_quality": None if label else quality,
            "view": "none",
        }
        for i, (label, subset, split, kind, quality, width) in enumerate(images)
    ]
    return conform(pl.DataFrame(rows, infer_schema_length=None), MANIFEST, "test")


def aligned(table: pl.DataFrame, protocol: Protocol, *, seed: int = 0) -> pl.DataFrame:
    """Aligned images, or none where that is refused."""
    try:
        return align(table, protocol, seed=seed)
    except SynthscopeError:
        return table.clear()


protocols = st.sampled_from(
    [SIZE, PROTOCOLS["jpeg96"], SIZE.model_copy(update={"quality": (90, 96), "balance": "subset"}),
     Protocol(reals=2, quality=(80, 96)), Protocol(pooled=True, quality=(95, 96))]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(images, protocols, st.integers(0, 2), st.randoms())
def test_the_choice_is_balanced_stable_and_idempotent(images, protocol, seed, random) -> None:
    table = manifest(images)
    chosen = aligned(table, protocol, seed=seed)
    per = ("class_index",) if protocol.balance == "class" else ()
    for subset, split, *kind in chosen.filter(label=1).select("subset", "split", *per).unique().rows():
        here = chosen.filter(split=split, **dict(zip(per, kind, strict=True)))
        here = here.filter((pl.col("subset") == subset) | pl.col("subset").is_null())
        assert here.filter(label=0).height == here.filter(label=1).height
        real, ai = (here.filter(label=label) for label in (0, 1))
        compressed = [int(view.split("q=")[1].split("|")[0]) for view in ai["view"]]
        assert sorted(compressed) == sorted(real["jpeg_quality"])  # the same qualities in both classes
    assert chosen["path"].n_unique() == chosen.height
    assert chosen["path"].to_list() == [path for path in table["path"] if path in set(chosen["path"])]
    assert set(chosen.filter(label=0)["view"]) <= {"crop:size=450" if protocol.crop else "none"}
    assert set(chosen.filter(label=0)["subset"]) <= ({None} if protocol.pooled else {SD4, WUKONG, ADM})
    assert aligned(chosen, protocol, seed=seed).equals(chosen)
    order = random.sample(range(table.height), table.height)
    again = aligned(table[order], protocol, seed=seed)
    assert again.sort("path").equals(chosen.sort("path"))


def test_size_constrained_takes_what_the_code_of_the_paper_takes() -> None:
    """Its selection for one generator, restated: numbers of each class, and which reals may count."""
    rng = np.random.default_rng(0)
    table = manifest(
        [
            (int(rng.integers(2)), [SD4, WUKONG][rng.integers(2)], "train", int(rng.integers(10)),
             int(rng.choice([90, 95, 96, 96])), int(rng.integers(440, 560)))
            for _ in range(1500)
        ]
    )  # fmt: skip
    rows = table.to_dicts()
    fits = [r for r in rows if r["label"] == 0 and r["jpeg_quality"] == 96 and 450 <= min(r["width"], r["height"])
            and max(r["width"], r["height"]) <= 550]  # fmt: skip
    for generator in (SD4, WUKONG):
        chosen = align(table.filter((pl.col("label") == 0) | (pl.col("subset") == generator)), SIZE)
        nature = Counter(r["class_index"] for r in fits)
        fakes = Counter(r["class_index"] for r in rows if r["label"] == 1 and r["subset"] == generator)
        expected = {c: min(nature[c], fakes[c]) for c in nature & fakes}
        for label in (0, 1):
            assert Counter(chosen.filter(label=label)["class_index"]) == expected
        assert set(chosen.filter(label=0)["path"]) <= {r["path"] for r in fits}
        assert set(chosen.filter(label=1)["view"]) == {"jpeg:q=96|crop:size=450"}


def test_jpeg96_samples_reals_of_each_subset_first() -> None:
    table = manifest([(label, SD4, "train", i % 3, 96, 300 + i) for i in range(60) for label in (0, 1)])
    chosen = align(table, protocol_named("jpeg96", {"reals": 12}))
    assert chosen.filter(label=0).height == chosen.filter(label=1).height == 12
    assert set(chosen.filter(label=1)["view"]) == {"jpeg:q=96"} and set(chosen.filter(label=0)["view"]) == {"none"}
    assert set(align(table, PROTOCOLS["jpeg96"], seed=1)["path"]) == set(table["path"])


def test_ai_images_that_are_jpeg_stay_or_go_as_reals_do() -> None:
    table = manifest([(0, SD4, "train", 1, 96, 500)] * 3 + [(1, SD4, "train", 1, 96, 500)] * 3)
    quality = pl.Series([96, 96, 96, 96, 80, None], dtype=pl.Int16)
    formats = pl.Series(["JPEG"] * 5 + ["WEBP"])
    chosen = align(table.with_columns(quality.alias("jpeg_quality"), formats.alias("format")), SIZE)
    assert chosen.select("label", "view").rows() == [(0, "crop:size=450"), (1, "crop:size=450")]


def test_what_cannot_be_aligned_is_said_with_what_there_is() -> None:
    table = manifest([(0, SD4, "val", None, 95, 500), (1, SD4, "val", 3, 0, 0), (1, ADM, "val", 3, 0, 0)])
    with pytest.raises(SynthscopeError, match=r"got 0 real and 1 AI images\. .* quality 95 \(1\) and sides from 480 .* "
                       r"AI images with sides from 256 \(1\), 512 \(1\)\. Choose other limits\."):  # fmt: skip
        align(table, SIZE)
    loose = protocol_named("size_constrained", {"quality": (95, 96)})
    with pytest.raises(SynthscopeError, match=r"1 of unknown class .*val_labels=FILE or --metadata, or balance by sub"):
        align(table, loose)
    assert align(table, loose.model_copy(update={"balance": "subset"})).height == 2
    with pytest.raises(SynthscopeError, match=r"Expected images as stored, got the view lr:64 of /g/"):
        align(with_view(table, "lr:64"), SIZE)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("size_constraint", {}, "Expected a protocol, got 'size_constraint'. Did you mean size_constrained?"),
        ("jpeg96", {"min": 9, "max": 8}, "'max' in protocol jpeg96, got 8: .*the smaller limit comes first"),
        ("jpeg96", {"quality": (96, 95)}, "'quality' in protocol jpeg96"),
        ("jpeg96", {"quality": (0, 95)}, "'quality.0' in protocol jpeg96"),
        ("size_constrained", {"crop": 451}, "'crop' in protocol size_constrained, got 451: .*at most min"),
        ("jpeg96", {"balance": "clas"}, "'balance' in protocol jpeg96"),
    ],
)
def test_bad_protocols_are_named(name: str, change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        protocol_named(name, change)


def test_changes_count_before_and_after() -> None:
    table = manifest(
        [(0, SD4, "train", 1, 96, 500)] * 3 + [(1, SD4, "train", 1, 96, 500)] * 2 + [(1, ADM, "val", 2, 0, 0)]
    )
    after = align(table, SIZE)
    assert changes(table, after).rows() == [
        (None, "train", 0, 0, 2, 0),
        (ADM, "val", 0, 1, 0, 0),
        (SD4, "train", 3, 2, 0, 2),
    ]
    assert changes(table, after, by=("class_index",)).rows() == [(1, 3, 2, 2, 2), (2, 0, 1, 0, 0)]
    assert describe_changes(table, after).splitlines()[-1].split() == [
        SD4, "train", "3", "->", "0", "2", "->", "2", "1", "2", "to", "2",
    ]  # fmt: skip


def photographs(root: Path, *, side: int = 96, n: int = 4) -> str:
    """GenImage of two generators: JPEG reals of many sizes, square PNG fakes."""
    rng = np.random.default_rng(0)
    for subset in (SD4, WUKONG):
        for i in range(n):
            for kind, name, quality in (("ai", f"{i % 2:03d}_{subset[:3]}_{i}.png", None),
                                        ("nature", f"{synsets()[i % 2]}_{subset}{i}.JPEG", 96 - i % 2)):  # fmt: skip
                path = root / subset / "train" / kind / name
                path.parent.mkdir(parents=True, exist_ok=True)
                width, height = (side, side) if quality is None else (side + 5 * i, side + 3 * i)
                small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
                image = small.resize((width, height), Image.Resampling.BICUBIC)
                image.save(path) if quality is None else image.save(path, quality=quality)
    return f"genimage:{root}"


SMALL = protocol_named("size_constrained", {"min": 80, "max": 120, "quality": (95, 96)})


def test_files_and_views_show_the_same_pixels(tmp_path: Path) -> None:
    streamed = align(index(photographs(tmp_path / "raw")), SMALL)
    written = write_aligned(streamed, tmp_path / "out", workers=1)
    assert streamed.height == written.height and set(streamed["view"]) == {
        "crop:size=80", "jpeg:q=95|crop:size=80", "jpeg:q=96|crop:size=80",
    }  # fmt: skip
    assert set(written["view"]) == {"crop:size=80"} and set(written["format"]) == {"JPEG"}
    for old, new in zip(streamed.iter_rows(named=True), written.iter_rows(named=True), strict=True):
        seen = read_viewed(old["path"], parse_recipe(old["view"]))
        assert seen.shape == (80, 80, 3)
        assert np.array_equal(seen, read_viewed(new["path"], parse_recipe(new["view"])))
        if old["label"] == 0:
            assert Path(old["path"]).read_bytes() == Path(new["path"]).read_bytes()
        else:
            assert f"q={new['jpeg_quality']}|" in old["view"]
            with Image.open(old["path"]) as image:
                image.save(tmp_path / "x.jpg", quality=new["jpeg_quality"])  # Pillow's defaults, as in the paper
            assert np.array_equal(read_rgb(new["path"]), read_rgb(tmp_path / "x.jpg"))
    shared = ("label", "generator", "subset", "split", "class_index", "width", "height", "format", "bytes")
    anew = index(f"genimage:{tmp_path}/out")
    assert anew.select("path", *shared).equals(written.sort("path").select("path", *shared))
    assert align(anew, SMALL).select("path", "view").equals(written.sort("path").select("path", "view"))


def test_writing_goes_on_where_it_was_and_mixes_nothing(tmp_path: Path) -> None:
    source = photographs(tmp_path / "raw")
    table = align(index(source), SMALL)
    first = write_aligned(table, tmp_path / "out", workers=1)
    lost, kept = Path(first["path"][0]), Path(first["path"][1])
    lost.unlink()
    kept_time = kept.stat().st_mtime_ns
    assert write_aligned(table, tmp_path / "out", workers=2).equals(first)
    assert lost.is_file() and kept.stat().st_mtime_ns == kept_time
    with pytest.raises(SynthscopeError, match="Expected an empty folder at .*out, got other files"):
        write_aligned(align(index(source), SMALL.model_copy(update={"quality": (96, 96)})), tmp_path / "out")
    twins = pl.concat([table, table.with_columns(path=pl.col("path").str.replace("raw", "raw2"))])
    with pytest.raises(SynthscopeError, match=r"own for every image, got \S+raw/(\S+) and \S+raw2/\1 for imagenet_ai/"):
        write_aligned(twins, tmp_path / "twins")
    for place in ("../outside", ".."):
        with pytest.raises(SynthscopeError, match="a subset that can name a folder"):
            write_aligned(table.with_columns(subset=pl.lit(place)), tmp_path / "evil")
    assert not (tmp_path / "twins").exists() and not (tmp_path / "evil").exists()


def test_an_image_that_breaks_meanwhile_is_a_row_with_an_error(tmp_path: Path) -> None:
    table = align(index(photographs(tmp_path / "raw")), SMALL)
    fake = table.filter(label=1)["path"][0]
    Path(fake).write_bytes(b"")
    written = write_aligned(table, tmp_path / "out", workers=1)
    assert written.filter(pl.col("error").is_not_null()).select("path", "error").rows() == [(fake, "an empty file")]


def test_the_audit_sees_each_class_through_its_view(tmp_path: Path) -> None:
    table = index(photographs(tmp_path, n=10))
    raw = audit(table).filter(subset="overall", attributes="all")
    assert raw["balanced_accuracy"].item() == 1.0  # PNG or JPEG
    seen = audit(align(table, SMALL)).filter(subset="overall")
    assert set(seen["view"]) == {"custom"}
    alone = seen.filter(pl.col("attributes").is_in(["format", "size", "aspect", "jpeg_quality"]))
    assert set(alone["rule"]) <= {"everything is AI", "everything is real"}  # nothing to tell them by


def metadata(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "metadata.csv"
    file.write_text("\n".join(["path,mode,generator,class,width,height,compression_rate", *lines]) + "\n")
    return file


def test_metadata_complete_and_override(tmp_path: Path) -> None:
    table = manifest([(0, SD4, "val", None, 95, 500), (0, SD4, "train", 4, 96, 500), (1, SD4, "val", 3, 0, 0)])
    file = metadata(
        tmp_path,
        f"GenImage/{SD4}/imagenet_ai_0419_sdv4/val/nature/0.JPEG,val,nature,17,500,480,96.0",
        f"GenImage/{SD4}/imagenet_ai_0419_sdv4/train/nature/1.JPEG,train,nature,4,500,480,",
        f"GenImage/{SD4}/imagenet_ai_0419_sdv4/val/ai/2.png,val,{SD4},3,512,512,50",
        f"GenImage/{SD4}/imagenet_ai_0419_sdv4/val/ai/99.png,val,{SD4},3,512,512,",
    )
    joined, report = join_metadata(table, file)
    assert joined.select("class_index", "synset", "jpeg_quality").rows() == [
        (17, synsets()[17], 96),
        (4, None, 96),
        (3, None, None),
    ]
    assert joined["path"].equals(table["path"]) and joined.schema == MANIFEST
    assert (report.matched, report.images, report.lines, report.classes, report.qualities) == (3, 3, 4, 1, 1)
    assert "3 of 3 images are in the metadata (1 of its 4 lines match no image)" in str(report)


def test_metadata_that_does_not_fit_is_named(tmp_path: Path) -> None:
    table = manifest([(0, SD4, "val", 1, 95, 500), (1, SD4, "val", 3, 0, 0)])
    twice = ["a/val/nature/0.JPEG,val,nature,1,1,1,96", "b/val/nature/0.JPEG,val,nature,2,1,1,96"]
    odd = "a/val/ai/1.png,val,x,1000,1,1,0"
    joined, report = join_metadata(table, metadata(tmp_path, *twice, odd))
    assert joined.equals(table) and (report.matched, report.lines) == (1, 1)
    with pytest.raises(SynthscopeError, match=r"none that ends like 'val/nature/0\.JPEG'"):
        join_metadata(table, metadata(tmp_path, "c/train/nature/7.JPEG,train,nature,1,1,1,96"))
    (tmp_path / "other.csv").write_text("path,klass\n1,2\n")
    with pytest.raises(SynthscopeError, match=r"Expected a column 'class' in .*other\.csv.*Did you mean klass"):
        join_metadata(table, tmp_path / "other.csv")
    with pytest.raises(UsageError, match="got no file"):
        join_metadata(table, tmp_path / "absent.csv")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no images at {REAL}")
def test_real_images_align_by_subset() -> None:
    rule = protocol_named("size_constrained", {"min": 200, "max": 500, "quality": (95, 96), "balance": "subset"})
    table = align(index(f"genimage:{REAL}", workers=1), rule)
    for split in ("train", "val"):
        here = table.filter(split=split)
        reals = here.filter(label=0)
        assert reals.height > 10 and set(here.filter(label=1)["subset"].value_counts()["count"]) == {reals.height}


def test_the_command_writes_one_form_or_the_other(tmp_path: Path) -> None:
    source = photographs(tmp_path / "raw")
    limits = [source, "--min", "80", "--max", "120", "--quality", "95..96"]
    file = metadata(tmp_path, f"{SD4}/train/nature/{synsets()[0]}_{SD4}0.JPEG,train,nature,0,1,1,96")
    streamed = CliRunner().invoke(data, ["align", *limits, "-o", str(tmp_path / "m.parquet"), "--metadata", str(file)])
    assert streamed.exit_code == 0, streamed.output
    assert "1 of 16 images are in the metadata" in streamed.stdout
    assert "AI images are seen through jpeg:q=95|crop:size=80" in streamed.stdout
    assert load_manifest(tmp_path / "m.parquet").equals(align(index(source), SMALL))
    assert CliRunner().invoke(data, ["align", *limits, "-o", str(tmp_path / "out"), "--write"]).exit_code == 0
    assert set(load_manifest(tmp_path / "out/manifest.parquet")["view"]) == {"crop:size=80"}
    for wrong in (
        ["-o", "m.parquet", "--write"],
        ["-o", "out"],
        ["-o", "m.parquet", "--quality", "x"],
    ):
        refused = CliRunner().invoke(data, ["align", source, *wrong])
        assert isinstance(refused.exception, UsageError)
