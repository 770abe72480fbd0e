"""Balance by class: equal numbers, no dependence on row order, and the classes that file names do not carry."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat
from typer.testing import CliRunner

from synthscope.cli import app as data_commands
from synthscope.cli.data import data
from synthscope.data.index import index, index_to
from synthscope.data.layouts.ilsvrc import val_synsets
from synthscope.data.layouts.imagenet import group_by_class, synsets
from synthscope.data.manifest import load_manifest, split_by_group
from synthscope.data.pairing import balance, pair, pair_by_class
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform

SUBSETS = ("ADM", "glide", None)
rows = st.lists(
    st.tuples(st.sampled_from((0, 1)), st.sampled_from(SUBSETS), st.sampled_from(("train", "val")), st.integers(-1, 2)),
    max_size=60,
)


def manifest(rows: list[tuple[int, str | None, str, int]]) -> pl.DataFrame:
    """Rows of label, subset (AI images always have one), split and class (-1 = unknown)."""
    images = [
        {
            "path": f"/data/{subset}/{split}/{label}/{number}.png",
            "label": label,
            "subset": "ADM" if label and subset is None else subset,
            "split": split,
            "class_index": None if kind < 0 else kind,
        }
        for number, (label, subset, split, kind) in enumerate(rows)
    ]
    return conform(pl.DataFrame(images, infer_schema_length=None) if images else pl.DataFrame(), MANIFEST, "test")


def cells(table: pl.DataFrame) -> dict[tuple[object, ...], list[int]]:
    """(subset, split, class) -> numbers of real and AI images; shared reals count in every subset with AI images."""
    found: dict[tuple[object, ...], list[int]] = {}
    subsets = {
        split: set(table.filter(label=1, split=split)["subset"]) for split in table["split"].unique().drop_nulls()
    }
    for label, subset, split, kind in table.select("label", "subset", "split", "class_index").iter_rows():
        for place in subsets[split] if label == 0 and subset is None else (subset,):
            found.setdefault((place, split, kind), [0, 0])[label] += 1
    return found


@settings(max_examples=150, deadline=None)
@given(rows, st.integers(0, 3), st.sampled_from((None, 1, 2, 5)), st.randoms())
def test_pairs_are_balanced_whatever_the_order_of_rows(rows, seed, most, random) -> None:
    table = manifest(rows).filter(pl.col("class_index").is_not_null())
    chosen = balance(table, ("class_index",), most=most, seed=seed)
    assert all(real == ai and (most is None or ai <= most) for real, ai in cells(chosen).values())
    assert chosen["path"].n_unique() == chosen.height and set(chosen["path"]) <= set(table["path"])
    assert chosen["path"].to_list() == [path for path in table["path"] if path in set(chosen["path"])]
    assert balance(chosen, ("class_index",), most=most, seed=seed).equals(chosen)
    mixed = table.with_columns(draw=pl.Series([random.random() for _ in rows[: table.height]], dtype=pl.Float64))
    mixed = mixed.sort("draw").drop("draw")
    assert set(balance(mixed, ("class_index",), most=most, seed=seed)["path"]) == set(chosen["path"])
    more = balance(table, ("class_index",), most=None if most is None else most + 1, seed=seed)
    assert set(chosen["path"]) <= set(more["path"])


@settings(max_examples=100, deadline=None)
@given(rows)
def test_no_image_is_left_out_for_nothing(rows) -> None:
    """Without shared reals a cell keeps min(real, AI); with shared reals alone it keeps the minimum over subsets."""
    table = manifest([row for row in rows if row[3] >= 0])
    owned = table.filter(pl.col("subset").is_not_null())
    before, after = cells(owned), cells(balance(owned, ("class_index",)))
    assert {place: min(n) for place, n in before.items() if min(n)} == {place: n[0] for place, n in after.items()}
    common = table.filter((pl.col("label") == 1) | pl.col("subset").is_null())
    kept = Counter(balance(common, ("class_index",)).filter(label=0).select("split", "class_index").iter_rows())
    for (split, kind), n in kept.items():
        here = common.filter(split=split, class_index=kind)
        subsets = common.filter(label=1, split=split)["subset"].unique()
        assert n == min(here.filter(label=0).height, *(here.filter(label=1, subset=s).height for s in subsets))


def test_own_reals_fill_up_what_shared_ones_leave() -> None:
    counts = [(0, None, 1), (0, "ADM", 5), (1, "ADM", 3), (1, "glide", 2)]
    table = manifest([(label, subset, "train", 7) for label, subset, n in counts for _ in range(n)])
    assert cells(pair_by_class(table)) == {("ADM", "train", 7): [3, 3], ("glide", "train", 7): [1, 1]}


def test_pairing_asks_for_what_it_needs() -> None:
    both = manifest([(0, "ADM", "val", -1), (1, "ADM", "val", 3), (1, "ADM", "val", 4)])
    with pytest.raises(
        SynthscopeError, match=r"got 0 classes of real and 2 of AI .* and 1 images of unknown.*val_labels"
    ):
        pair_by_class(both)
    with pytest.raises(UsageError, match="at least 1 image a class, got 0"):
        pair_by_class(both, per_class=0)
    broken = manifest([(0, "ADM", "val", 3), (1, "ADM", "val", 3)]).with_columns(error=pl.lit("an empty file"))
    with pytest.raises(SynthscopeError, match="got 0 classes of real and 0 of AI"):
        pair_by_class(broken)


def test_fakes_stand_beside_photographs_of_their_group_else_class_else_source() -> None:
    kinds = [  # label, group, class, source
        (0, "u1", 1, "x"), (1, "u1", 1, "x"), (1, "u1", 1, "x"),  # one of the two fakes needs another photograph
        (0, None, 1, "x"), (1, "u2", 2, "x"), (0, "u3", 3, "x"), (1, None, 4, "y"), (0, None, None, "z"),
    ]  # fmt: skip
    rows = [{"path": f"/{i}", "label": label, "group": group, "class_index": kind, "source": source, "subset": "ADM",
             "split": "train"} for i, (label, group, kind, source) in enumerate(kinds)]  # fmt: skip
    table = conform(pl.DataFrame(rows, infer_schema_length=None), MANIFEST, "test")
    pairs, counts = pair(table)
    assert pairs["path"].to_list() == ["/0", "/1", "/2", "/3", "/4", "/5"]
    assert counts == {"group": 1, "class_index": 1, "source": 1}
    with pytest.raises(SynthscopeError, match="one group, class or source in the same subsets and splits, got none"):
        pair(table.filter(label=1))


@settings(max_examples=100, deadline=None)
@given(rows, st.integers(0, 3), st.randoms())
def test_pairing_balances_every_subset_whatever_the_order_of_rows(rows, seed, random) -> None:
    table = manifest([row for row in rows if row[1] is not None]).with_columns(source=pl.lit("one"))
    order = list(range(table.height))
    random.shuffle(order)
    try:
        pairs, counts = pair(table, seed=seed)
    except SynthscopeError:
        assert not any(min(n) for n in cells(table.with_columns(class_index=pl.lit(0))).values())
        return
    whole = cells(table.with_columns(class_index=pl.lit(0)))
    kept = cells(pairs.with_columns(class_index=pl.lit(0)))
    assert kept == {place: [min(n)] * 2 for place, n in whole.items() if min(n)}
    assert sum(counts.values()) == pairs.filter(label=1).height
    again = pair(table[order], seed=seed)
    assert set(again[0]["path"]) == set(pairs["path"]) and again[1] == counts


def tiny(root: Path, *names: str) -> str:
    """An image at each name, and the source."""
    for name in names:
        path = root / "ADM/imagenet_ai_0508_adm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return f"genimage:{root}"


def test_a_class_stays_in_one_split(tmp_path: Path) -> None:
    names = [f"train/ai/{c}_adm_{i}.PNG" for c in range(8) for i in range(3)]
    names += [f"train/nature/{synsets()[c]}_{i}.JPEG" for c in range(8) for i in range(3)]
    table = index(tiny(tmp_path, *names), group="class")
    assert table["group"].to_list() == [f"class {c}" for c in table["class_index"]]
    rest, held = split_by_group(table, 0.25)
    assert held.height and not set(rest["class_index"]) & set(held["class_index"])
    assert cells(held) == {("ADM", "train", c): [3, 3] for c in set(held["class_index"])}


def test_validation_reals_get_their_class_from_the_ground_truth(tmp_path: Path) -> None:
    source = tiny(tmp_path, "val/nature/ILSVRC2012_val_00000002.JPEG", "val/ai/9_adm_1.PNG")
    with pytest.raises(SynthscopeError, match=r"none for 1, such as \S+ILSVRC2012_val_00000002.JPEG\. .*val_labels"):
        index_to(source, tmp_path / "m.parquet", group="class")
    assert not (tmp_path / "m.parquet").exists()
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970\n")
    table = index(f"{source}?val_labels={tmp_path}/val.txt", group="class")
    assert table.select("class_index", "synset", "group").sort("class_index").rows() == [
        (9, "n01518878", "class 9"),
        (970, "n09193705", "class 970"),
    ]
    unusable = index(source).with_columns(error=pl.when(pl.col("label") == 0).then(pl.lit("an empty file")))
    assert group_by_class(unusable)["group"].to_list() == ["class 9", None]


def test_every_form_of_the_ground_truth_says_the_same(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(1000)  # ILSVRC id - 1 -> sorted index
    classes = np.random.default_rng(1).permutation(np.repeat(np.arange(1000), 50))
    ids = np.argsort(order)[classes] + 1
    names = [f"ILSVRC2012_val_{i:08d}" for i in range(1, 50_001)]
    entries = [(int(i) + 1, synsets()[order[i]], 0) for i in range(1000)] + [(1001, "n00000001", 1000)]
    table = np.array(entries, dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    savemat(tmp_path / "meta.mat", {"synsets": table.reshape(-1, 1)})
    files = {
        "synsets.txt": [synsets()[c] for c in classes],
        "indices.txt": [str(c) for c in classes],
        "named.txt": [f"{name}.JPEG {synsets()[c]}" for name, c in zip(names, classes, strict=True)][::-1],
        "kaggle.csv": ["ImageId,PredictionString"]
        + [f"{name},{synsets()[c]} 1 2 3 4" for name, c in zip(names, classes, strict=True)],
        "ILSVRC2012_validation_ground_truth.txt": [str(i) for i in ids],
        "ids.txt": [f"{i} {synset}" for i, synset, _ in entries],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    expected = {number: synsets()[c] for number, c in enumerate(classes, 1)}
    for name in ("synsets.txt", "indices.txt", "named.txt", "kaggle.csv"):
        assert val_synsets(tmp_path / name) == expected
    devkit = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    for ids_file in ("meta.mat", "ids.txt"):
        assert val_synsets(devkit, tmp_path / ids_file) == expected
    with pytest.raises(SynthscopeError, match="devkit's own ids 1 to 1000.*synset_ids"):
        val_synsets(devkit)
    with pytest.raises(SynthscopeError, match="Expected class numbers 1 to 1001 in .*, got 0"):
        val_synsets(tmp_path / "indices.txt", tmp_path / "meta.mat")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n01440764\n" * 3, "got 3 lines of which 0 name an image"),
        ("ILSVRC2012_val_00000001.JPEG n01440764\nelephant\nn01440764\n", "got 3 lines of which 1 name an image"),
        ("ILSVRC2012_val_00000001.JPEG tench\n", "a class number in line 1 of .*, got 'tench'"),
        ("ILSVRC2012_val_00000001.JPEG\n", "in line 1 of .*, got ''"),
        ("ILSVRC2012_val_00000001.JPEG 1001\n", "class numbers 0 to 999 in .*, got 1001"),
        ("ILSVRC2012_val_00000001.JPEG " + "9" * 5000, "a class number in line 1"),
        ("", "got 0 lines"),
    ],
)
def test_bad_ground_truth_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "val.txt").write_text(text)
    with pytest.raises(SynthscopeError, match=message):
        val_synsets(tmp_path / "val.txt")


def test_bad_devkits_are_named(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 1\n")
    (tmp_path / "meta.mat").write_bytes(b"not a matrix")
    (tmp_path / "short.txt").write_text("1 n01440764\n")
    for name, message in (("meta.mat", "devkit's meta.mat at"), ("short.txt", "got 1"), ("absent", "got nothing")):
        with pytest.raises(SynthscopeError, match=message):
            val_synsets(tmp_path / "val.txt", tmp_path / name)
    source = tiny(tmp_path, "val/ai/9_adm_1.PNG")
    with pytest.raises(UsageError, match="got only the second"):
        index(f"{source}?synset_ids=meta.mat")


def test_the_command_pairs_a_collection(tmp_path: Path) -> None:
    names = [f"train/ai/{c}_adm_{i}.PNG" for c in range(2) for i in range(3)]
    source = tiny(tmp_path / "g", *names, *(f"train/nature/{synsets()[c]}_{i}.JPEG" for c in (1, 2) for i in range(2)))
    result = CliRunner().invoke(data_commands, ["data", "pair", source, "-o", str(tmp_path / "p.parquet")])
    assert result.exit_code == 0, result.output
    assert "paired: 0 by group, 2 by class, 2 by source. 2 of 10 rows are left out" in result.output
    assert sorted(load_manifest(tmp_path / "p.parquet")["label"]) == [0] * 4 + [1] * 4


def test_the_command_groups_a_collection_or_a_manifest(tmp_path: Path) -> None:
    source = tiny(tmp_path / "g", "train/ai/9_adm_1.PNG", f"train/nature/{synsets()[9]}_1.JPEG")
    for start in (source, str(tmp_path / "plain.parquet")):
        index_to(source, tmp_path / "plain.parquet")
        out = tmp_path / "grouped.parquet"
        result = CliRunner().invoke(data, ["index", start, "-o", str(out), "--group", "class", "-j", "1"])
        assert result.exit_code == 0, result.output
        assert load_manifest(out)["group"].to_list() == ["class 9", "class 9"]
    wrong = CliRunner().invoke(data, ["index", source, "-o", str(out), "--group", "colour"])
    assert isinstance(wrong.exception, UsageError)
