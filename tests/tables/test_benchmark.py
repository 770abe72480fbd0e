"""Tables: GenImage's layout and printed means, renderings that survive hostile names, marks for too few images."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest

import synthscope.tables.published
from synthscope.data.degrade.chains import CHAINS
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import SCORES, conform, write_table
from synthscope.tables.benchmark import (
    audit_table,
    cross_generator_matrix,
    degraded_table,
    summary_table,
    tables_of,
)
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import pretty

PUBLISHED = Path(synthscope.tables.published.__file__).parent
FOLDERS = {
    "midjourney": "Midjourney", "stable_diffusion_v_1_4": "stable_diffusion_v_1_4",
    "stable_diffusion_v_1_5": "stable_diffusion_v_1_5", "adm": "ADM", "glide": "glide", "wukong": "wukong",
    "vqdm": "VQDM", "biggan": "BigGAN",
}  # fmt: skip


def scores(rows: list[dict]) -> pl.DataFrame:
    common = {"view": "none", "condition": "none", "metric": "accuracy", "test_set": "ADM", "detector": "r@1",
              "n_real": 6000, "n_ai": 6000, "n_error": 0, "threshold": 0.0, "higher_is_better": True}  # fmt: skip
    return conform(pl.DataFrame([common | row for row in rows]), SCORES, "test")


def published(table: int) -> list[dict[str, str]]:
    return list(csv.DictReader((PUBLISHED / f"genimage_table{table}.csv").open()))


def table_2() -> pl.DataFrame:
    """GenImage's Table 2 as scores, test sets and rows shuffled."""
    rows = []
    for row in published(2):
        name = FOLDERS[row["train_set"]]
        for test, folder in sorted(FOLDERS.items(), reverse=True):
            value = float(row[test]) / 100
            rows.append({"detector": f"resnet50_{name}@0", "train_set": name, "test_set": folder, "value": value,
                         "ci_low": value - 0.003, "ci_high": value + 0.003})  # fmt: skip
    return scores(rows[::-1])


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_published_means_recompute(number: int) -> None:
    rows = published(number)
    assert len(rows) == {2: 8, 3: 7, 4: 7, 5: 7}[number]
    for row in rows:
        values = [
            float(value) for name, value in row.items() if name not in ("method", "architecture", "train_set", "mean")
        ]
        assert len(values) == (6 if number == 5 else 8)
        assert sum(values) / len(values) == pytest.approx(float(row["mean"]), abs=0.1001)


def test_published_tables_agree_with_each_other() -> None:
    (resnet,) = [row for row in published(2) if row["train_set"] == "stable_diffusion_v_1_4"]
    (same,) = [row for row in published(3) if row["method"] == "ResNet-50"]
    assert [resnet[test] for test in FOLDERS] == [same[test] for test in FOLDERS]
    (mean,) = [row for row in published(4) if row["method"] == "ResNet-50"]
    for test in FOLDERS:
        assert sum(float(row[test]) for row in published(2)) / 8 == pytest.approx(float(mean[test]), abs=0.1001)


def test_matrix_prints_as_genimage_does() -> None:
    table = cross_generator_matrix(table_2())
    assert table.columns == (*map(pretty, FOLDERS.values()), "Avg Acc. (%)") and table.corner == "trained on"
    assert [name for name, _ in table.rows] == [pretty(name) for name in FOLDERS]
    lines = table.to_markdown().splitlines()
    expected = "| SD V1.4 | 54.9 | **99.9** | 99.7 | 53.5 | 61.9 | 98.2 | 56.6 | 52.0 | **72.1** |"
    assert expected in lines
    assert any("6000 real, 6000 AI" in line for line in lines) and any("±0.3 points" in line for line in lines)
    assert any("logit \\> 0" in line for line in lines)
    assert "SD V1.4" in table.to_text() and r"\textbf{99.9}" in table.to_latex()


def test_scored_means_come_with_their_interval_and_gaps_are_shown() -> None:
    table = scores([
        {"test_set": "ADM", "value": 0.5}, {"test_set": "mean", "value": 0.6, "ci_low": 0.55, "ci_high": 0.65},
        {"test_set": "ADM", "value": 0.7, "detector": "b@2"}, {"test_set": "glide", "value": 0.7},
    ])  # fmt: skip
    rows = dict(cross_generator_matrix(table).rows)
    assert (rows["r"][-1].value, rows["r"][-1].ci_low) == (0.6, 0.55)
    assert rows["b"][1].value is None
    assert (rows["b"][-1].value, rows["b"][-1].mark) == (0.7, " (of 1)")
    assert cross_generator_matrix(table).to_text().count("–") == 1


def test_degraded_table_in_genimages_order() -> None:
    other = ("method", "architecture", "train_set", "mean")
    rows = [{"detector": f"{row['method']}@1", "condition": condition, "value": float(row[condition]) / 100}
            for row in published(5) for condition in row if condition not in other]  # fmt: skip
    rows += [{"detector": f"{row['method']}@1", "value": 0.999} for row in published(5)]
    table = degraded_table(scores(rows[::-1]))
    assert table.columns == (
        "clean",
        "lr:112",
        "lr:64",
        "jpeg:q=65",
        "jpeg:q=30",
        "blur:sigma=3",
        "blur:sigma=5",
        "Avg Acc. (%)",
    )
    for row in published(5):
        assert dict(table.rows)[row["method"]][-1].value == pytest.approx(float(row["mean"]) / 100, abs=0.001)
    assert "ADM" in table.title
    with pytest.raises(SynthscopeError, match="--degrade"):
        degraded_table(table_2())


def test_named_chains_head_their_columns_and_are_spelled_below() -> None:
    recipe = CHAINS["reposted"].recipe
    rows = [{"condition": condition, "value": 0.5} for condition in (recipe, "none", "jpeg:q=50|lr:64")]
    table = degraded_table(scores(rows))
    assert table.columns == ("clean", "reposted", "jpeg:q=50|lr:64", "Avg Acc. (%)")
    assert table.notes[-1].endswith(f": reposted is {recipe}.")
    assert not any("Imitations" in note for note in degraded_table(scores(rows[1:])).notes)


def test_degraded_rows_of_several_test_sets_say_which() -> None:
    rows = [
        {"detector": f"{name}@1", "test_set": name, "condition": c, "value": 0.5}
        for name in ("ADM", "glide")
        for c in ("none", "lr:64")
    ]
    assert [name for name, _ in degraded_table(scores(rows)).rows] == ["ADM on ADM", "glide on GLIDE"]
    rows += [{"detector": "ADM@1", "test_set": "mean", "condition": "lr:64", "value": 0.4}]
    assert [name for name, _ in degraded_table(scores(rows)).rows] == ["glide on GLIDE", "ADM on mean"]


def test_views_are_kept_apart() -> None:
    rows = [{"view": view, "value": value} for view, value in (("none", 0.9), ("jpeg:q=96", 0.6))]
    with pytest.raises(UsageError, match="one view"):
        cross_generator_matrix(scores(rows))
    raw, aligned, both = tables_of(scores(rows))
    assert both.columns == ("raw images", "jpeg:q=96 images")
    assert [cell.value for cell in both.rows[0][1]] == [0.9, 0.6]
    assert (raw.rows[0][1][0].value, aligned.rows[0][1][0].value) == (0.9, 0.6)
    assert raw.title.endswith("raw view") and aligned.title.endswith("jpeg:q=96 view") and raw.name != aligned.name
    assert any("jpeg:q=96" in note for note in aligned.notes) and not any("jpeg:q=96" in note for note in raw.notes)


def test_rows_say_which_view_a_detector_was_trained_on_where_both_stand_there() -> None:
    rows = [
        {"detector": f"d{view}@1", "train_set": "ADM", "train_view": view, "view": "jpeg:q=96", "value": 0.5}
        for view in ("none", "jpeg:q=96")
    ]
    table = cross_generator_matrix(scores(rows))
    assert sorted(name for name, _ in table.rows) == ["ADM, jpeg:q=96", "ADM, raw"]


def test_too_few_real_images_are_marked() -> None:
    few = {"metric": "tpr_at_fpr_1pct", "value": 0.5}
    table = cross_generator_matrix(
        scores([few | {"n_real": 999}, few | {"test_set": "glide", "n_real": 1000}]), metric="tpr_at_fpr_1pct"
    )
    assert [cell.mark for cell in table.rows[0][1]] == ["†", "", "†"]
    assert "50.0†" in table.to_text() and any("fewer than 10" in note for note in table.notes)
    assert cross_generator_matrix(scores([{"value": 0.5, "n_real": 5}])).rows[0][1][0].mark == ""


def test_summary_has_every_metric_in_its_unit() -> None:
    rows = [{"metric": "auroc", "value": 0.987, "ci_low": 0.98, "ci_high": 0.99}, {"metric": "nll_bits", "value": 0.25}]
    text = summary_table(scores(rows), detector="r@1", test_set="ADM").to_text()
    assert "98.7 [98.0, 99.0]" in text and "0.250" in text
    with pytest.raises(UsageError, match="r@1"):
        summary_table(scores(rows), detector="r@2", test_set="ADM")


def test_lower_is_better_picks_the_lowest() -> None:
    rows = [{"detector": "a@1", "metric": "eer", "value": 0.1}, {"detector": "b@1", "metric": "eer", "value": 0.2}]
    assert (
        "**10.0**" in (text := cross_generator_matrix(scores(rows), metric="eer").to_markdown())
        and "**20.0**" not in text
    )


HOSTILE = "a_b|<script>&50%\\x{}\x1b[31m\n~^#$"


def test_hostile_names_are_escaped() -> None:
    table = Table("x", HOSTILE, "detector", (HOSTILE,), ((HOSTILE, (Cell(0.5),)),), (HOSTILE,))
    for text in (table.to_text(), table.to_markdown(), table.to_latex()):
        assert "\x1b" not in text
    assert len(table.to_text().splitlines()) == 6
    markdown = table.to_markdown()
    row = markdown.splitlines()[4]
    assert "<script" not in markdown.replace("\\<", "") and row.replace("\\|", "").count("|") == 3
    assert r"a\_b\textbar{}\textless{}script\textgreater{}\&50\%\textbackslash{}x\{\}" in table.to_latex()
    assert next(csv.DictReader(io.StringIO(table.to_csv())))["detector"] == HOSTILE


def test_csv_has_fractions_at_full_precision_with_intervals() -> None:
    table = cross_generator_matrix(scores([{"value": 2 / 3, "ci_low": 0.6, "ci_high": 0.7, "n_real": 5}]))
    row = next(csv.DictReader(io.StringIO(table.to_csv())))
    assert (row["ADM"], row["ADM ci_low"], row["ADM ci_high"], row["ADM n_real"]) == (repr(2 / 3), "0.6", "0.7", "5")


def test_audit_table() -> None:
    rows = [{"subset": "ADM", "attributes": name, "balanced_accuracy": value, "ci_low": value - 0.1, "ci_high": 1.0,
             "n_real": 5, "n_ai": 6, "rule": ""} for name, value in (("all", 0.93), ("size", 0.5))]  # fmt: skip
    table = audit_table(pl.DataFrame(rows))
    assert table.columns == ("all", "size") and "93.0" in table.to_text()
    assert len(table.notes) == 1
    more = audit_table(pl.DataFrame([*rows, rows[0] | {"attributes": "history", "balanced_accuracy": 0.71}]))
    assert more.columns == ("all", "size", "history") and "71.0" in more.to_text() and "in the pixels" in more.to_text()
    two = pl.concat([pl.DataFrame(rows).with_columns(view=pl.lit(view)) for view in ("none", "jpeg:q=96")])
    assert [name for name, _ in audit_table(two).rows] == ["ADM, raw", "ADM, jpeg:q=96"]


def test_write_table(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2]})
    for name in ("x.csv", "x.parquet"):
        write_table(frame, tmp_path / name)
    assert pl.read_csv(tmp_path / "x.csv").equals(frame) and pl.read_parquet(tmp_path / "x.parquet").equals(frame)
    with pytest.raises(UsageError, match="ending"):
        write_table(frame, tmp_path / "x.xlsx")


def test_unknown_names_suggest() -> None:
    for arguments, words in (
        ({"metric": "acuracy"}, "accuracy"),
        ({"view": "nome"}, "none"),
        ({"architecture": "x"}, "architecture"),
    ):
        with pytest.raises(UsageError, match=words):
            cross_generator_matrix(table_2(), **arguments)


def test_rows_keep_the_names_of_detectors_of_several_kinds() -> None:
    def names(*detectors: tuple[str, str, str]) -> list[str]:
        rows = [{"detector": f"{name}@{i}", "train_set": train_set, "train_view": view, "view": "lr:64", "value": 0.5}
                for i, (name, train_set, view) in enumerate(detectors)]  # fmt: skip
        return [name for name, _ in cross_generator_matrix(scores(rows)).rows]

    raw, low = ("resnet50.ADM", "ADM", "none"), ("resnet50.ADM.view1", "ADM", "lr:64")
    assert names(raw, low) == ["ADM, raw", "ADM, lr:64"]
    assert names(raw, ("npr.ADM.view1", "ADM", "lr:64")) == ["resnet50.ADM", "npr.ADM.view1"]
    assert names(raw, low, ("npr.glide", "glide", "none")) == ["resnet50.ADM", "resnet50.ADM.view1", "npr.glide"]
    assert names(("ADM", "ADM", "none"), ("glide", "glide", "none")) == ["ADM", "GLIDE"]  # named by what they learned
