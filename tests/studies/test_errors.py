"""Errors that people see: what is planted is found, chance is not, and the reader says what it skips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from typer.testing import CliRunner

from synthscope.annotations.judgements import JUDGEMENTS, load_judgements
from synthscope.cli.analyze import analyze
from synthscope.errors import SynthscopeError
from synthscope.schema import PREDICTIONS, conform
from synthscope.studies.errors.agreement import judgement_agreement
from synthscope.studies.errors.prediction import (
    ALL,
    LEVELS,
    PREDICTION,
    amounts,
    error_prediction,
    judged_logits,
    null_control,
)

KINDS = ("Missing", "Extra", "Configuration", "Orientation", "Proportion")
PARTS = ("Torso", "Limbs", "Feet", "Hands", "Face")
CELLS = [f"{k}. {kind} Error-{k}.{p} {part}" for k, kind in enumerate(KINDS, 1) for p, part in enumerate(PARTS, 1)]
REAL = Path(__file__).parents[3] / "shared/images_2026/ai_human_images/annotations.csv"


def write(path: Path, lines: Sequence[dict[str, str]]) -> str:
    columns = ["path", "Image Id", "Model", "Prompt", "Pic Num.", *CELLS, "Annotator"]
    pl.DataFrame(
        [{c: line.get(c, "") for c in columns} for line in lines], dict.fromkeys(columns, pl.String)
    ).write_csv(path)
    return f"ai_human:{path}"


def test_reader(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    image = {"path": "set/ai/a.png", "Model": "sdxl", "Prompt": "hug", "Annotator": "anno1"}
    first = image | {
        CELLS[1]: "2/4c",
        CELLS[23]: "1/10a,1/10c, 2/10b,",
        CELLS[0]: "1/5",
        CELLS[2]: "1c/5c",
        CELLS[3]: "5/4a",
    }
    source = write(tmp_path / "set" / "annotations.csv", [first, image | {"Annotator": "anno2"}])
    table = load_judgements(source)
    assert table.schema == JUDGEMENTS and set(table["path"]) == {f"{tmp_path}/set/ai/a.png"}
    known = table.drop_nulls("kind").select("kind", "part", "wrong", "seen", "severity", "score").rows()
    assert known == [
        ("missing", "limbs", 2, 4, "severe", 0.5),
        ("proportion", "hands", 1, 10, "mild", pytest.approx(0.02)),
        ("proportion", "hands", 1, 10, "severe", pytest.approx(0.1)),
        ("proportion", "hands", 2, 10, "moderate", pytest.approx(0.1)),
    ]
    assert table["skipped"].drop_nulls().to_list() == ["1/5", "1c/5c", "5/4a"]
    assert table.filter(annotator="anno2").select("kind", "skipped").rows() == [(None, None)]
    (picture,) = amounts(table).to_dicts()
    assert picture["wrong"] == 3 and picture["score"] == pytest.approx(0.36)  # means over two people
    (tmp_path / "set" / "annotations.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SynthscopeError, match="Expected the columns path, Model"):
        load_judgements(source)


@pytest.mark.skipif(not REAL.is_file(), reason="needs shared/images_2026 beside the repository")
def test_the_real_table() -> None:
    table = load_judgements(f"ai_human:{REAL}")
    assert table["path"].n_unique() == 240 and all(Path(path).is_file() for path in table["path"].unique())
    looks = table.select("path", "annotator").unique()
    assert looks.height == 300 and looks["annotator"].value_counts()["count"].to_list() == [75] * 4
    assert sorted(table["skipped"].drop_nulls()) == ["1/3,2/3b", "1/3,2/3c", "1/5", "1c/5c", "2/4,2/4b"]
    first = table.filter(pl.col("path").str.ends_with("008_dall_e3_hug_01.png"), annotator="anno1")
    assert first["score"].sum() == pytest.approx(0.5 + 0.25 + 2 / 3 * 0.2 + 0.5 * 0.2 + 0.4 + 2 / 3 * 0.2)
    found = judgement_agreement(table, resamples=200, shuffles=99)
    assert found.filter(pl.col("of") != "pair")["n"].unique().to_list() == [60]
    assert found.filter(of="pair")["n"].sum() == 60 and found.filter(of="pair").height == 6


def judged(agree: float, pictures: int = 60, seed: int = 0) -> pl.DataFrame:
    """Pictures that two of three people judged; each repeats the other's cells with probability ``agree``."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(pictures):
        truth = rng.random(25) < np.linspace(0.1, 0.9, 25)
        who = rng.choice(["ann", "bob", "eve"], 2, replace=False)
        for person, other in zip(who, (truth, rng.random(25) < np.linspace(0.1, 0.9, 25)), strict=True):
            seen = np.where(rng.random(25) < agree, truth, other)
            picture = {"path": f"/{number}.png", "generator": "g", "scene": f"s{number % 5}", "annotator": person}
            cells = [(kind.lower(), part.lower()) for kind in KINDS for part in PARTS]
            rows += [
                picture | {"kind": kind, "part": part, "wrong": 1, "seen": 2, "score": 0.1}
                for (kind, part), found in zip(cells, seen, strict=True) if found
            ] or [picture]  # fmt: skip
    return pl.DataFrame(rows, JUDGEMENTS)


def test_agreement_is_found_and_chance_is_none() -> None:
    alike = judgement_agreement(judged(0.9), resamples=200, shuffles=99)
    by_chance = judgement_agreement(judged(0.0), resamples=200, shuffles=99)
    cell, none = (table.filter(of="cell").row(0, named=True) for table in (alike, by_chance))
    assert cell["value"] > 0.75 and cell["p_value"] == 0.01 and cell["ci_low"] > 0.7
    assert none["ci_low"] < 0 < none["ci_high"] and none["p_value"] > 0.05
    assert alike.select(pl.col("shuffled").abs().max()).item() < 0.12  # pairs share some 20 pictures
    assert alike.filter(pl.col("of") != "pair").select(pl.col("shuffled").abs().max()).item() < 0.05
    (icc,) = alike.filter(name="wrong parts")["value"]
    assert icc > 0.5 and by_chance.filter(name="wrong parts")["value"][0] < 0.3
    with pytest.raises(SynthscopeError, match="two people judged"):
        judgement_agreement(judged(0.5).filter(annotator="ann"))


def predicted(judgements: pl.DataFrame, slope: float, seed: int = 1) -> pl.DataFrame:
    """Logits of ``good@1`` that follow the score by ``slope``, and of ``blind@2`` that don't."""
    pictures = amounts(judgements)
    rng = np.random.default_rng(seed)
    rows = pictures.select("path", "generator").with_columns(
        label=1, view=pl.lit("none"), condition=pl.lit("none"), threshold=0.0
    )
    noise = rng.normal(size=(2, pictures.height))
    score = pictures["score"].to_numpy()
    good = rows.with_columns(detector=pl.lit("good@1"), logit=pl.Series(slope * score + 0.2 * noise[0]))
    blind = rows.with_columns(detector=pl.lit("blind@2"), logit=pl.Series(noise[1]))
    return conform(pl.concat([good, blind]), PREDICTIONS, "t")


def test_a_detector_that_sees_errors_is_told_from_one_that_does_not() -> None:
    judgements = pl.concat(
        [judged(0.9), judged(0.9, seed=5).with_columns(path="/h" + pl.col("path"), generator=pl.lit("h"))]
    )
    predictions = predicted(judgements, 3.0)
    table = error_prediction(predictions, judgements, permutations=199, resamples=200)
    assert table.schema == PREDICTION and table.height == 2 * 3 * 2 * 2
    good, blind = (table.filter(detector=name, generator=ALL, amount="score") for name in ("good@1", "blind@2"))
    assert (good["rho"] > 0.7).all() and (good["ci_low"] > 0.5).all() and set(good["n"]) == {120}
    assert (good["p_holm"] <= 4 / 200 + 1e-9).all() and (blind["p_value"] > 0.05).all()
    assert (table["p_holm"] >= table["p_value"]).all()
    # of one generator, within it is Spearman's rho
    own = judged_logits(predictions, judgements).filter(detector="good@1", generator="g")
    row = table.filter(detector="good@1", generator="g", level="within generator", amount="score").row(0, named=True)
    assert row["rho"] == pytest.approx(stats.spearmanr(own["score"], own["logit"]).statistic)
    with pytest.raises(SynthscopeError, match="got none"):
        error_prediction(predictions.with_columns(path=pl.lit("/x")), judgements)


def test_what_generators_differ_in_is_no_correlation() -> None:
    """One generator makes more errors and gets higher logits; within each there is nothing."""
    rng = np.random.default_rng(3)
    rows, logits = [], []
    for number in range(80):
        bad = number % 2
        picture = {"path": f"/{number}.png", "generator": "gh"[bad], "scene": f"s{number % 5}", "annotator": "ann"}
        rows.append(picture | {"kind": "extra", "part": "hands", "wrong": 1 + 5 * bad, "score": bad + rng.random()})
        logits.append({"path": f"/{number}.png", "logit": 5.0 * bad + rng.normal(), "label": 1, "detector": "d@1"})
    judgements = pl.DataFrame(rows, JUDGEMENTS)
    extra = {"generator": pl.lit("g"), "view": pl.lit("none"), "condition": pl.lit("none"), "threshold": 0.0}
    predictions = conform(pl.DataFrame(logits).with_columns(**extra), PREDICTIONS, "t")
    both = judged_logits(predictions, judgements)
    assert stats.spearmanr(both["score"], both["logit"]).statistic > 0.6
    table = error_prediction(predictions, judgements, permutations=199, resamples=200)
    for row in table.filter(generator=ALL, amount="score").iter_rows(named=True):
        assert abs(row["rho"]) < 0.3 and row["p_value"] > 0.02


def test_intervals_hold_zero_where_logits_know_nothing() -> None:
    """240 pictures of 3 generators and 10 scenes; within scenes about 95 %, over 10 whole scenes somewhat less."""
    tables = [
        judged(0.9, 80, seed).with_columns(path=f"/{seed}" + pl.col("path"), generator=pl.lit(f"g{seed}"))
        for seed in range(3)
    ]
    judgements = pl.concat(tables)
    control = null_control(judgements, simulations=60, resamples=200)
    assert control["level"].to_list() == list(LEVELS)
    coverage = dict(control.select("level", "coverage").iter_rows())
    assert 0.87 <= coverage["within scene"] and 0.75 <= coverage["within generator"]
    assert (control["false_positives"] <= 0.15).all()
    planted = null_control(judgements, simulations=10, resamples=200, slope=3.0)
    assert (planted["coverage"] <= 0.2).all() and (planted["false_positives"] >= 0.8).all()


def test_command(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    rng = np.random.default_rng(0)
    lines = [
        {"path": f"set/{number}.png", "Model": "sdxl", "Prompt": f"scene {number % 2}", "Annotator": who}
        | {cell: f"{rng.integers(1, 4)}/4{rng.choice(list('abc'))}" for cell in CELLS if rng.random() < 0.3}
        for number in range(12)
        for who in ("anno1", "anno2")
    ]
    source = write(tmp_path / "set" / "annotations.csv", lines)
    run = tmp_path / "run"
    run.mkdir()
    predicted(load_judgements(source), 1.0).write_parquet(run / "predictions.parquet")
    done = CliRunner().invoke(
        analyze, ["errors", str(run), "--annotations", source, "--whole", "sdxl", "--simulations", "3"]
    )
    assert done.exit_code == 0, done.output
    assert "icc, wrong parts (n = 12)" in done.output and "0 cells that do not follow" in done.output
    assert "Only crops" not in done.output
    tables = {f"errors_{n}.{s}" for n in ("agreement", "prediction", "null_control") for s in ("csv", "parquet")}
    assert {path.name for path in run.iterdir()} == {"predictions.parquet", "errors.md", *tables}
