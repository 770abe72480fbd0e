"""Orders: exactly balanced, paired with reals of their class and split, or made of captions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.data.layouts.imagenet import parse_name
from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation.captions import caption_orders
from synthscope.generation.classes import Kind, imagenet_classes
from synthscope.generation.contract import Order
from synthscope.generation.plan import addressed, class_orders, unpaired, with_reals
from synthscope.generation.prompts import template
from synthscope.generation.reals import copy_real
from synthscope.schema import MANIFEST, conform

KINDS = [*imagenet_classes()[:3], Kind("c003", "a door")]


def orders(train: int = 2, val: int = 1) -> list[Order]:
    return class_orders(KINDS, [template("a {name}")], train=train, val=val, seed=0)


@given(st.integers(0, 4), st.integers(0, 4))
def test_every_class_has_as_many_images_in_every_split(train: int, val: int) -> None:
    if not train + val:
        with pytest.raises(UsageError, match="at least one image"):
            orders(0, 0)
        return
    made = orders(train, val)
    wanted = {(kind.name, split): n for kind in KINDS for split, n in (("train", train), ("val", val)) if n}
    assert Counter((order.class_name, order.split) for order in made) == wanted
    assert len({order.uid for order in made}) == len({order.path for order in made}) == len(made)


def test_names_are_those_of_genimage_and_own_classes_are_not_taken_for_its() -> None:
    named = {order.class_name: Path(addressed(order, "sd_2", 0).path) for order in orders(1, 0)}
    assert named["goldfish"].as_posix() == "sd_2/train/ai/001_sd_2_00000"
    assert parse_name(named["goldfish"].name) == (1, "n01443537", "sd_2")
    assert parse_name(named["a door"].name) == (None, None, None)


def test_seeds_are_those_of_run_uid_generator_and_attempt() -> None:
    first, other = orders()[:2]
    again = Order(first.uid, first.path, first.split, attempt=1)
    seeds = {
        addressed(order, name, seed).seed for order in (first, other, again) for name in ("a", "b") for seed in (0, 1)
    }
    assert len(seeds) == 12
    assert addressed(first, "a", 0).seed == addressed(first, "a", 0).seed


def reals(rows: list[tuple[str, int, int | None, str | None]]) -> pl.DataFrame:
    columns = ("path", "label", "class_index", "split")
    return conform(pl.DataFrame(rows, schema=columns, orient="row"), MANIFEST, "reals")


def test_each_real_serves_one_fake_of_its_class_and_split() -> None:
    table = reals(
        [(f"/r/{c}{i}.jpg", 0, c, None) for c in (0, 1) for i in range(3)]
        + [("/r/train.jpg", 0, 2, "train"), ("/r/val.jpg", 0, 2, "val"), ("/r/fake.jpg", 1, 2, "train")]
    )
    paired = with_reals(orders(), table, 0)
    found = [order.source for order in paired if order.source]
    assert len(set(found)) == len(found) == 8
    by_class = {(o.class_index, o.split): o.source for o in paired if o.class_index == 2 and o.source}
    assert by_class == {(2, "train"): Path("/r/train.jpg"), (2, "val"): Path("/r/val.jpg")}
    sentence = unpaired(paired)
    assert sentence is not None
    assert (
        "12 orders, got none for 4: a door (2 in train), a door (1 in val), great white shark (1 in train)" in sentence
    )
    assert with_reals(orders(), table.reverse(), 0) == paired, "the order of rows does not matter"


def test_reals_are_of_this_machine() -> None:
    with pytest.raises(SynthscopeError, match="real images of this machine, got https://x/a.jpg"):
        with_reals(orders(), reals([("https://x/a.jpg", 0, 0, None)]), 0)


def test_a_real_is_copied_unchanged_under_a_name_that_tells_its_class(tmp_path: Path) -> None:
    photo = tmp_path / "ILSVRC2012_val_00000001.JPEG"
    photo.write_bytes(b"\xff\xd8 anything")
    order = addressed(Order("000_00003", "{generator}/val/ai/x", "val", synset="n01440764", source=photo), "sd", 0)
    copy = copy_real(order, tmp_path / "out")
    assert copy == "sd/val/nature/n01440764_000_00003.JPEG"
    assert (tmp_path / "out" / copy).read_bytes() == photo.read_bytes()
    assert parse_name(Path(copy).stem).class_index == 0
    photo.unlink()
    assert copy_real(order, tmp_path / "out") == copy, "it is there already"


def test_captions_of_photographs_are_orders(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text("path,caption,split,class_index\na.jpg,a cat,train,\nsub/b.png,'=a door,validation,1\n")
    first, second = caption_orders(table, negative="blur")
    assert first == Order(
        "a", "{generator}/train/ai/a", "train", "a cat", "blur", source=tmp_path / "a.jpg"
    )  # fmt: skip
    assert (second.prompt, second.split, second.synset) == ("=a door", "val", "n01443537")
    assert second.source == tmp_path / "sub" / "b.png"


def test_a_manifest_with_captions_is_a_table_of_captions(tmp_path: Path) -> None:
    table = reals([("/r/a.jpg", 0, 5, "test"), ("/r/b.jpg", 1, 5, "test")])
    table.with_columns(caption=pl.lit("a shark"), split=pl.lit("test")).write_parquet(tmp_path / "m.parquet")
    (order,) = caption_orders(tmp_path / "m.parquet")
    assert (order.uid, order.split, order.class_index, order.source) == ("a", "test", 5, Path("/r/a.jpg"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("path,caption\n", "captions of real images in .*got none"),
        ("path,caption\na.jpg,\n", "caption in row 1 of"),
        ("path,caption\na.jpg,x\nb/a.jpg,y\n", "new name .* in row 2 of .*'a'. Give a column uid"),
        ("path,caption,uid\na.jpg,x,../up\n", "new name .* in row 1 of .*'../up'"),
        ("path,caption,split\na.jpg,x,dev\n", "split train, val or test in row 1"),
        ("path,caption,class_index\na.jpg,x,1000\n", "class_index from 0 to 999 in row 1"),
        ("path,captin\na.jpg,x\n", "column caption or prompt in .*got path, captin"),
        ("path,caption\nhttps://x/a.jpg,x\n", "real images of this machine"),
    ],
)
def test_a_wrong_table_of_captions_is_told_by_its_row(tmp_path: Path, text: str, sentence: str) -> None:
    table = tmp_path / "captions.csv"
    table.write_text(text)
    with pytest.raises(SynthscopeError, match=sentence):
        caption_orders(table)


def test_pictures_that_are_delivered_are_saved_as_they_came(tmp_path: Path) -> None:
    from synthscope.generation.contract import Made
    from synthscope.generation.saving import save_image

    rgb = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    path = save_image(Made(rgb, file=b"RIFF0000WEBPxxxx"), Order("a", "g/val/ai/a", "val"), tmp_path)
    assert path == "g/val/ai/a.webp"
    assert (tmp_path / path).read_bytes() == b"RIFF0000WEBPxxxx"
    from synthscope.data.images import read_rgb

    drawn = save_image(Made(rgb), Order("b", "g/val/ai/b", "val"), tmp_path)
    assert np.array_equal(read_rgb(tmp_path / drawn), rgb)
