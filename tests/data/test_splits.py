"""Splits in which nothing leaks: components against a walk by hand, shares, and no dependence on the order of rows."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from synthscope.cli import app
from synthscope.data.components import components
from synthscope.data.index import index
from synthscope.data.manifest import load_manifest, save_manifest
from synthscope.data.splits import BY, describe_outcome, divide, linked, outcome, split_shares
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform

few = st.one_of(st.none(), st.integers(0, 4))
many = st.one_of(st.none(), st.integers(0, 30))
rows = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from("abc"), many, many, many, few), min_size=1, max_size=80
)  # label, generator, group, sha256, cluster, class


def manifest(
    rows: list[tuple[int, str, int | None, int | None, int | None, int | None]],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A manifest, and the near-duplicates among its images."""
    table = pl.DataFrame(
        [
            {
                "path": f"/data/{number}.png", "label": label, "generator": generator if label else "real",
                "group": None if group is None else f"g{group}", "sha256": None if sha256 is None else f"s{sha256}",
                "class_index": kind, "cluster": cluster,
            }
            for number, (label, generator, group, sha256, cluster, kind) in enumerate(rows)
        ],
        infer_schema_length=None,
    )  # fmt: skip
    near = table.select("path", pl.col("cluster").cast(pl.Int64)).drop_nulls()
    return conform(table, MANIFEST, "test"), near


@settings(max_examples=50)
@given(st.lists(st.lists(few, min_size=3, max_size=3), max_size=25))
def test_components_are_those_of_a_walk(values) -> None:
    """Depth-first search over rows that share a value of any column."""
    columns = [pl.Series([row[i] for row in values], dtype=pl.Int64) for i in range(3)]
    expected, number = [-1] * len(values), 0
    for start in range(len(values)):
        waiting = [start] if expected[start] < 0 else []
        while waiting:
            here = waiting.pop()
            expected[here] = number
            waiting += [
                i for i, row in enumerate(values)
                if expected[i] < 0 and any(a is not None and a == b for a, b in zip(row, values[here], strict=True))
            ]  # fmt: skip
        number = max(expected, default=-1) + 1
    assert components(columns, len(values)).tolist() == expected


@settings(max_examples=60)
@given(rows, st.sampled_from(((0.1, 0.1), (0.3, 0.0), (0.0, 0.25), (0.4, 0.3))), st.sampled_from(((), ("class",))),
       st.integers(0, 3), st.randoms())  # fmt: skip
def test_components_stay_whole_and_shares_are_near(rows, asked, by, seed, random) -> None:
    table, near = manifest(rows)
    shares = split_shares(*asked)
    numbers = linked(table, by=by, near=near)
    try:
        divided = divide(table, shares, by=by, near=near, seed=seed)
    except SynthscopeError as error:
        assert "components of images that hang together" in str(error)
        return
    assert divided.drop("split").equals(table.drop("split")) and set(divided["split"]) == set(shares)
    for relation in ("group", "sha256", *(("class_index",) if by else ())):
        assert divided.drop_nulls(relation).group_by(relation).agg(pl.col("split").n_unique())["split"].max() in (
            1,
            None,
        )
    joined = divided.join(near, on="path")
    assert joined.group_by("cluster").agg(pl.col("split").n_unique())["split"].max() in (1, None)
    largest = numbers.value_counts()["count"].max()
    for name, share in shares.items():
        assert abs(divided.filter(split=name).height - share * table.height) <= largest
    order = list(range(table.height))
    random.shuffle(order)
    again = divide(table[order], shares, by=by, near=near.sample(fraction=1, shuffle=True, seed=seed), seed=seed)
    assert again.equals(divided[order])


def test_labels_and_generators_have_the_shares_where_nothing_hangs_together() -> None:
    counts = {("real", 0): 200, ("a", 1): 100, ("b", 1): 50, ("tiny", 1): 3}
    images = [
        {"path": f"/{name}/{i}", "label": label, "generator": name}
        for (name, label), n in counts.items()
        for i in range(n)
    ]
    table = conform(pl.DataFrame(images), MANIFEST, "test").with_columns(
        error=pl.when(pl.col("path") == "/a/0").then(pl.lit("an empty file"))
    )
    shares = split_shares(0.1, 0.2)
    divided = divide(table, shares)
    assert divided.filter(path="/a/0")["split"].to_list() == [None]
    found = outcome(divided, shares)
    assert found["images"].sum() == 352
    for row in found.iter_rows(named=True):
        of = {"a": 99}.get(row["generator"], counts[row["generator"], row["label"]])
        assert abs(row["images"] - row["asked"] * of) <= 1 and row["share"] == row["images"] / of
    assert describe_outcome(found).splitlines()[-1].split()[:2] == ["all", "246"]
    assert not divide(table, shares, seed=1).equals(divided)


def test_a_generator_is_kept_whole_but_not_all_photographs() -> None:
    images = [{"path": f"/{name}/{i}", "label": int(name != "real"), "generator": name, "source": f"s{i % 2}"}
              for name in ("real", "a", "b", "c", "d") for i in range(10)]  # fmt: skip
    table = conform(pl.DataFrame(images), MANIFEST, "test")
    divided = divide(table, split_shares(0.2, 0.2), by=["generator"])
    splits = divided.group_by("generator").agg(pl.col("split").n_unique())
    assert dict(splits.iter_rows()) == {"real": 3, "a": 1, "b": 1, "c": 1, "d": 1}
    with pytest.raises(SynthscopeError, match="images for test, got 2 components .*, the largest of 25 of 50"):
        divide(table, split_shares(0.3, 0.3), by=["source"])
    with pytest.raises(UsageError, match="what to keep whole, got 'klass'. Did you mean class"):
        divide(table, split_shares(0.2, 0.2), by=["klass"])
    assert list(BY) == ["group", "class", "source", "generator"]


@pytest.mark.parametrize("asked", [(0, 0), (0.5, 0.5), (-0.1, 0.3), (float("nan"), 0.1)])
def test_shares_are_checked(asked: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="shares from 0 on"):
        split_shares(*asked)


def test_the_command_keeps_near_duplicates_in_one_split(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for i in range(20):
        image = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8)).resize((60, 60), Image.Resampling.BICUBIC)
        for kind, quality in (("real", 95), ("ai", 60)):
            file = io.BytesIO()
            image.save(file, "JPEG", quality=quality)
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / f"{i}.jpg").write_bytes(file.getvalue())
    save_manifest(index(f"imagefolder:{tmp_path}?ai=ai&real=real"), tmp_path / "m.parquet")
    out = tmp_path / "s.parquet"
    command = ["data", "split", str(tmp_path / "m.parquet"), "-o", str(out), "--val", "0.2", "--test", "0.2"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "20 clusters of near-duplicates" in result.output and "24 (60.0% of 60.0%)" in result.output
    names = pl.col("path").str.split("/").list.last()
    divided = load_manifest(out).group_by(names).agg(pl.col("split").n_unique(), n=pl.len())
    assert set(divided["split"]) == {1} and set(divided["n"]) == {2}
