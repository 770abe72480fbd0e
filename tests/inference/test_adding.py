"""Calls into one run folder add up: nothing that an earlier call has scored is lost."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from synthscope.cli import app
from synthscope.data.manifest import load_manifest, save_manifest
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import SynthscopeError
from synthscope.inference.predict import predict
from synthscope.schema import MANIFEST, PREDICTIONS, conform, merged


class Mean(Detector):
    """Weighted mean of the pixels."""

    def __init__(self, weight: float) -> None:
        super().__init__(
            DetectorConfig(name=f"mean{weight:g}", architecture="mean", input=InputConfig(resize=None, crop=16))
        )
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, images: Tensor) -> Tensor:
        return self.weight * (images.float().mean((1, 2, 3)) - 127)


@pytest.fixture
def images(tmp_path: Path) -> pl.DataFrame:
    """Six images, the first of them a real one that stands in two subsets."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(6):
        path = tmp_path / "images" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(path)
        rows.append({"path": str(path), "label": number % 2, "subset": "adm" if number < 3 else "glide"})
    return pl.DataFrame([*rows, rows[0] | {"subset": "glide"}])


def of_run(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "predictions.parquet")


def by_key(table: pl.DataFrame) -> pl.DataFrame:
    return table.sort("path", "subset", "view", "protocol", "detector", "condition", "precision")


def test_merged_rows_keep_their_place_and_take_the_later_value() -> None:
    earlier = pl.DataFrame({"a": ["x", None, "y"], "b": [1, 2, 3]})
    fresh = pl.DataFrame({"a": ["z", None, "y"], "b": [4, 5, 6]})
    assert merged(earlier, fresh, ["a"]).rows() == [("x", 1), (None, 5), ("y", 6), ("z", 4)]
    assert merged(earlier, fresh, ["a", pl.col("b") % 2]).rows() == [("x", 1), (None, 2), ("y", 3), ("z", 4),
                                                                      (None, 5), ("y", 6)]  # fmt: skip


def test_two_detectors_views_conditions_selections_and_precisions_add_up_in_any_order(
    images: pl.DataFrame, tmp_path: Path
) -> None:
    seen = images.with_columns(view=pl.lit("jpeg:q=30"))
    named = images.with_columns(view=pl.lit("jpeg:q=30"), protocol=pl.lit("aligned"))
    calls = [
        (images, [Mean(1.0)], {"conditions": ["none", "jpeg:q=65"]}),
        (images, [Mean(2.0)], {}),
        (seen, [Mean(1.0)], {}),
        (named, [Mean(1.0)], {}),
        (images.filter(subset="adm"), [Mean(3.0)], {}),
        (images.filter(subset="glide"), [Mean(3.0)], {}),
        (images[:2], [Mean(2.0)], {"precision": "bf16"}),
    ]
    tables = []
    for number, order in enumerate([calls, calls[::-1], calls[3:] + calls[:3]]):
        out = tmp_path / str(number)
        tables.append([predict(rows, detectors, out=out, **more) for rows, detectors, more in order])
    whole = by_key(of_run(tmp_path / "0"))
    assert whole.height == 7 * (2 + 1 + 1 + 1) + 3 + 4 + 2
    assert whole.equals(by_key(pl.concat(tables[0])))  # the calls share no row
    for number in (1, 2):
        other = by_key(of_run(tmp_path / str(number)))
        assert other.drop("logit", "p_ai").equals(whole.drop("logit", "p_ai"))
        assert (other["logit"] - whole["logit"]).abs().max() < 1e-3
    settings = json.loads((tmp_path / "0" / "run.json").read_text())
    assert [one["detectors"][0].partition("@")[0] for one in settings["passes"]] == [
        f"mean{n}" for n in (1, 2, 1, 1, 3, 3, 2)
    ]
    assert [one["scorings"] for one in settings["passes"]] == [12, 6, 6, 0, 3, 3, 2]  # of different bytes
    assert settings["views"] == ["none", "jpeg:q=30", "aligned"]
    assert settings["conditions"] == ["none", "jpeg:q=65"]
    assert len(settings["detectors"]) == 3


def test_a_repeated_call_changes_no_byte_and_is_no_new_pass(images: pl.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "run" / "predictions.parquet"
    calls = [(images, [Mean(1.0)]), (images[::-1], [Mean(2.0)]), (images.filter(label=0), [Mean(2.0), Mean(1.0)])]
    for rows, detectors in calls:
        predict(rows, detectors, out=file.parent)
    before = file.read_bytes()
    for (rows, detectors), turn in itertools.product(calls, (1, -1)):
        predict(rows[::turn], detectors, out=file.parent)
        assert file.read_bytes() == before
    passes = json.loads((file.parent / "run.json").read_text())["passes"]
    assert sorted(one["scorings"] for one in passes) == [0, 6, 6]


def test_rows_of_a_call_replace_those_of_their_key_alone(images: pl.DataFrame, tmp_path: Path) -> None:
    first = predict(images, [Mean(1.0), Mean(2.0)], out=tmp_path)
    Image.new("RGB", (24, 24), (255, 255, 255)).save(images["path"][1])
    predict(images[1:2], [Mean(2.0)], out=tmp_path)
    after = of_run(tmp_path)
    assert after["logit"][3] == pytest.approx(2 * (255 - 127))
    others = np.arange(14) != 3
    assert after.filter(pl.Series(others)).equals(first.filter(pl.Series(others)))
    Path(images["path"][0]).unlink()
    predict(images[:1], [Mean(1.0)], out=tmp_path)
    after = of_run(tmp_path)
    assert after["logit"].null_count() == 1 and after["error"][0] is not None and after["logit"][0] is None


def test_shards_add_to_what_is_there_once_they_are_complete(
    images: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "images")  # names alone decide the shard, not where the test runs
    images = images.with_columns(pl.col("path").str.split("/").list.last())
    first = predict(images, [Mean(1.0)], out=tmp_path)
    for i in range(2):
        assert of_run(tmp_path).equals(first)
        assert 0 < predict(images, [Mean(2.0)], out=tmp_path, shard=(i, 2)).height
    assert of_run(tmp_path)[:7].equals(first)
    assert set(of_run(tmp_path)[7:]["detector"].str.slice(0, 6)) == {"mean2@"}


def test_a_table_or_settings_that_cannot_be_added_to_are_named_before_any_work(
    images: pl.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "predictions.parquet").write_bytes(b"no table")
    with pytest.raises(SynthscopeError, match="Expected a table of predictions in .*predictions.parquet, got"):
        predict(images, [Mean(1.0)], out=tmp_path)
    (tmp_path / "predictions.parquet").unlink()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(SynthscopeError, match=r"Expected JSON in .*run\.json, got"):
        predict(images, [Mean(1.0)], out=tmp_path)
    assert not (tmp_path / "parts").exists()
    (tmp_path / "run.json").write_text('{"recipe": {"name": "mine"}}')
    predict(images, [Mean(1.0)], out=tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["recipe"] == {"name": "mine"}  # of somebody else


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    return result.exit_code, f"{result.output}{result.exception or ''}"


def test_the_command_takes_several_views_and_the_manifest_of_a_run_is_the_union(
    images: pl.DataFrame, tmp_path: Path
) -> None:
    save_detector(create_detector("cnn_small", name="small", options={"width": 4}), tmp_path / "detector")
    stored = images.with_columns(
        width=pl.lit(20), height=pl.lit(24), format=pl.lit("PNG"), split=pl.lit("val"), view=pl.lit("none")
    )
    save_manifest(conform(stored, MANIFEST, "images"), tmp_path / "m.parquet")
    call = ["predict", tmp_path / "m.parquet", "-d", tmp_path / "detector", "-o", tmp_path / "run"]
    for more, sentence in {
        ("--precision", "fp8"): "precision, got 'fp8'",
        ("--degrade", "jpg:q=3"): "Did you mean jpeg",
        ("--view", "raw", "--view", "alined"): "Did you mean aligned",
        ("--pool", "maximum"): "Did you mean max",
        ("-d", tmp_path / "absent"): "Expected a detector folder",
        ("-d", tmp_path / "detector"): "Expected different detectors",
    }.items():
        code, said = invoke(*call, *more)
        assert code and sentence in said, said
        assert not (tmp_path / "run").exists()
    code, said = invoke(*call, "--view", "raw", "--view", "aligned", "--view", "none")
    assert code == 0, said
    table = of_run(tmp_path / "run")
    assert table.schema == PREDICTIONS
    counts = dict(table.group_by("protocol").len().iter_rows())
    assert counts == {None: 7, "aligned": 7}
    before = (tmp_path / "run" / "manifest.parquet").read_bytes()
    assert load_manifest(tmp_path / "run" / "manifest.parquet").height == 14
    assert invoke(*call, "--where", "subset=adm")[0] == 0
    assert (tmp_path / "run" / "manifest.parquet").read_bytes() == before
    assert of_run(tmp_path / "run").equals(table)
    assert invoke(*call, "--view", "lr:16")[0] == 0
    assert of_run(tmp_path / "run")[:14].equals(table)
    assert load_manifest(tmp_path / "run" / "manifest.parquet").height == 21
    code, said = invoke("score", tmp_path / "run", "--resamples", 100)
    assert code == 0, said
    assert set(pl.read_parquet(tmp_path / "run" / "scores.parquet")["view"]) == {"none", "aligned", "lr:16"}
