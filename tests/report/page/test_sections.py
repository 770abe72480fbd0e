"""Grids of tidy tables print the tables' numbers; pages of heatmaps alone and of whole experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from synthscope.errors import SynthscopeError
from synthscope.report.figures.dots import dots_figure
from synthscope.report.heatmaps.overlays import SIDE
from synthscope.report.page.answer import answer_over_seeds
from synthscope.report.page.heatmaps import BASELINES, finding, heatmap_grids
from synthscope.report.page.html import write_report
from synthscope.report.page.run import EXPERIMENTS, read_experiments
from synthscope.report.page.sections import sections
from synthscope.report.page.tidy import MAX_ROWS, tidy_grid
from tests.report.made_heatmaps import heatmap_score_rows, make_heatmaps
from tests.report.made_runs import make_predictions, write_run
from tests.report.page.test_html import HOSTILE, Page


def tidy(*rows: dict) -> pl.DataFrame:
    plain = {"detector": "d@1", "metric": "iou", "value": 0.5, "ci_low": 0.4, "ci_high": 0.6}
    return pl.DataFrame([plain | row for row in rows], infer_schema_length=None)


def seeds(*rows: dict) -> pl.DataFrame:
    plain = {
        "table": "detection", "row": "plain", "about": "test_set=own", "metric": "auroc", "value": 0.7, "sd": 0.02,
        "ci_low": 0.65, "ci_high": 0.75, "n_seeds": 5, "chance": None, "against": None, "difference": None,
        "difference_low": None, "difference_high": None, "p_value": None, "p_holm": None,
    }  # fmt: skip
    return pl.DataFrame([plain | row for row in rows], infer_schema_length=None)


def experiments(name: str = "d.all.seed0@1") -> dict[str, pl.DataFrame]:
    keys = {"detector": name}
    masks = tidy(
        keys | {"generator": "all", "category": None, "value": 0.31, "chance": 0.04, "n_images": 50},
        keys | {"generator": "gen", "category": None, "value": 0.99, "chance": 0.04, "n_images": 20},
        keys | {"generator": "all", "category": "low-level-symbol", "value": 0.22, "chance": 0.5, "n_images": 12},
    )
    erasure = tidy(*(keys | {"view": "none", "fill": fill, "category": None, "metric": metric, "value": value, "n": 40,
                             "p_value": 0.012, "ci_low": value - 0.5, "ci_high": value + 0.5}
                     for fill in ("inpaint", "blur") for metric, value in (("drop_artifact", 1.2), ("difference", 0.3))
                     ))  # fmt: skip
    fidelity = tidy(
        keys | {"view": "none", "level": "image", "against": "par", "of": "logit", "metric": "spearman", "value": -0.21,
                "ci_low": -0.3, "ci_high": -0.1, "p_value": 0.0001, "n": 90},
        keys | {"view": "none", "level": "image", "against": "par", "of": "correct", "metric": "recall_clean",
                "value": 0.61, "p_value": None, "n": 30},
    )  # fmt: skip
    over = seeds({}, {"row": "align", "value": 0.8, "against": "plain", "difference": 0.1, "difference_low": 0.05,
                      "difference_high": 0.15, "p_value": 0.01, "p_holm": 0.01},
                 {"table": "masks", "about": "category=low-level-color"})  # fmt: skip
    return {"mask_scores": masks, "erasure_scores": erasure, "fidelity": fidelity, "seeds": over}


def test_a_grid_holds_the_numbers_of_its_table() -> None:
    table = tidy(
        {"fill": "blur", "n": 9, "value": 0.123, "view": "none"},
        {
            "fill": "blur",
            "metric": "drop_benign",
            "value": -0.2,
            "ci_low": -0.3,
            "ci_high": -0.1,
            "n": 9,
            "view": "none",
        },
        {"fill": None, "n": 11, "value": None, "view": "none"},
        {"detector": "e@1", "fill": "blur", "n": 10, "ci_low": None, "view": "none"},
    )
    grid = tidy_grid(table, "caption")
    assert [name for name, _ in grid.columns] == ["IoU", "Drop benign", "n"]
    assert [(row.head, row.detail, [cell.text for cell in row.cells]) for row in grid.rows] == [
        ("d", "blur", ["0.123", "−0.200", "9"]),
        ("d", "any fill", ["–", "–", "11"]),
        ("e", "blur", ["0.500", "–", "10"]),
    ]
    assert grid.rows[0].cells[1].interval == "−0.300 to −0.100" and grid.rows[0].cells[1].best
    assert not grid.rows[0].cells[0].best and grid.rows[2].cells[0].interval == ""


def test_bold_and_shading_start_at_the_reference() -> None:
    low, high = {"chance": 0.45}, {"detector": "e@1", "chance": 0.25}
    cells = [row.cells[0] for row in tidy_grid(tidy(low, high), "", reference="chance").rows]
    assert [(cell.best, cell.heat) for cell in cells] == [(False, 2), (True, 7)]  # (0.5 - c) / (1 - c) of 20


def test_long_tables_are_cut_with_a_note_and_drawn() -> None:
    table = tidy(*({"detector": f"d{number}@1"} for number in range(MAX_ROWS + 5)))
    grid = tidy_grid(table, "")
    assert len(grid.rows) == MAX_ROWS and grid.notes == [f"{MAX_ROWS} of {MAX_ROWS + 5} rows are shown."]
    figure = dots_figure(table)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(dots) == 30 and {float(line.get_xdata()[0]) for line in dots} == {0.5}
    dots_figure(table.clear()).draw_without_rendering()


def test_explanations_stand_beside_chance_and_baselines() -> None:
    scores = heatmap_score_rows(
        {}, {"metric": "micro_f1", "value": 0.05, "n_images": 40, "n_blank": 0, **dict.fromkeys(BASELINES)},
        {"generator": "gen", "value": 0.99}, {"explainer": "occlusion", "baseline_random": 0.12, "n_blank": 0},
        {"category": "high-level-semantics", "lift": -0.05, "ci_low": 0.02, "ci_high": 0.08, "n_images": 9},
        {"level": "High-level Semantics", "lift": 0.2}, {"condition": "jpeg:q=65", "lift": 0.11},
        {"condition": "jpeg:q=65", "metric": "stability_spearman", "value": 0.77, "baseline_random": None},
    )  # fmt: skip
    main, parts, conditions, stability = heatmap_grids(scores)
    assert [(row.head, row.detail, [cell.text for cell in row.cells]) for row in main.rows] == [
        ("d", "gradcam", ["0.400", "0.050", "30", "70", "2"]),
        ("d", "occlusion", ["0.400", "–", "30", "70", "0"]),
        ("chance", "random pixels, expected", ["0.100–0.120", "–", "–", "–", "–"]),
        ("centre", "a map of the centre", ["0.350", "–", "–", "–", "–"]),
        ("edges", "a map of the image's edges", ["0.200", "–", "–", "–", "–"]),
    ]
    assert "polygon" in main.caption and main.rows[0].cells[0].best
    assert parts.columns == [("High-level Semantics", "n = 30"), ("Semantics", "n = 9")]
    assert [cell.text for cell in parts.rows[0].cells] == ["+0.200", "−0.050"]
    assert parts.rows[0].cells[1].interval == "−0.080 to −0.020" and parts.rows[0].cells[1].best
    assert [cell.text for cell in conditions.rows[0].cells] == ["+0.300", "+0.110"]
    assert conditions.columns[0][0] == "Clean"
    assert [cell.text for cell in stability.rows[0].cells] == ["0.770"]
    sentence = finding(scores)
    assert "Of 2 pairs" in sentence and "2 put more" in sentence and "0 also more" in sentence
    assert "gradcam of d, 40.0 % (30.0–50.0)" in sentence and "n = 28" in sentence


def test_every_experiment_has_its_section() -> None:
    found = {section.anchor: section for section in sections(experiments())}
    assert list(found) == ["seeds", "masks", "erasure", "fidelity"]
    whole, by_category = found["masks"].grids
    assert [cell.text for cell in whole.rows[0].cells] == ["0.310", "50"] and len(whole.rows) == 1
    assert by_category.columns == [("Symbol", "n = 12")] and not by_category.rows[0].cells[0].best
    [drops] = found["erasure"].grids
    assert [(row.detail, row.cells[0].text, row.cells[1].best) for row in drops.rows] == [
        ("inpaint", "+1.200", False), ("blur", "+1.200", False)
    ]  # fmt: skip
    assert drops.rows[0].cells[0].interval.endswith("p 0.012")
    rho, recall = found["fidelity"].grids
    assert rho.columns[0][0] == "logit and PAR" and rho.rows[0].cells[0].text == "−0.210"
    assert rho.rows[0].cells[0].interval.endswith("p < 0.001") and recall.rows[0].cells[0].text == "0.610"
    means, apart = found["seeds"].grids
    assert [(row.head, row.cells[0].text) for row in means.rows] == [
        ("plain", "70.0 [65.0, 75.0]"),
        ("align", "80.0 [65.0, 75.0]"),
    ]
    assert "less plain" in apart.caption and [row.head for row in apart.rows] == ["align"]
    assert apart.rows[0].cells[0].text == "+10.0 [+5.0, +15.0]*"


def test_nothing_makes_no_section(tmp_path: Path) -> None:
    tables = read_experiments(tmp_path)
    assert set(tables) == set(EXPERIMENTS) and sections(tables) == []


def test_heatmaps_alone_make_a_page(tmp_path: Path) -> None:
    make_heatmaps(tmp_path, {("d@1", "gradcam"): [0.2, 0.5, 0.9]}, conditions=("none", "jpeg:q=65"))
    heatmap_score_rows({}).write_parquet(tmp_path / "explanation_scores.parquet")
    (tmp_path / "explain.json").write_text('{"units": [{"detector": "d@1"}], "versions": {"torch": "2.9.9"}}')
    page = Page(write_report(tmp_path, title="Mine").read_text(encoding="utf-8"))
    assert "1 put more relevance" in page.text and "2.9.9" in page.text and "Across generators" not in page.text
    assert page.tables["Heatmaps against annotations (polygon), clean images"][1][1] == "0.400"
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 2 + 3 * 5 and all(image.get("alt") for image in images)
    targets = {a["id"] for _, a in page.tags if "id" in a}
    assert {a["href"][1:] for tag, a in page.tags if tag == "a" and a["href"]} <= targets
    with pytest.raises(SynthscopeError, match="synthscope score"):
        write_report(tmp_path / "none")


def test_a_benchmark_shows_its_experiments_and_stays_text(tmp_path: Path) -> None:
    table = make_predictions(tmp_path, detectors={"d@1": None}, subsets=["ADM"], conditions=("none",), views=("none",))
    run = write_run(tmp_path / "run", table)
    make_heatmaps(run, {(HOSTILE, HOSTILE): [0.2, 0.5]}, category=HOSTILE)
    heatmap_score_rows(
        {"detector": HOSTILE, "explainer": HOSTILE, "gt_kind": HOSTILE}, {"explainer": "b"}
    ).write_parquet(run / "explanation_scores.parquet")
    for name, rows in experiments(HOSTILE).items():
        rows.write_parquet(run / f"{name}.parquet")
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    for anchor in ("generators", "evidence", "masks", "erasure", "fidelity", "seeds", "method"):
        assert ("a", {"href": f"#{anchor}"}) in page.tags
    assert "<script>alert" not in text and "<script>alert(1)</script>" in page.text
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert all((attributes["src"] or "").startswith("data:image/") for tag, attributes in page.tags if tag == "img")
    assert not any("url(" in (attributes.get("style") or "") for _, attributes in page.tags)
    assert {"explanations.svg", "masks.svg", "erasure.svg"} <= {path.name for path in (run / "figures").iterdir()}


def test_scores_without_heatmaps_still_make_tables(tmp_path: Path) -> None:
    table = make_predictions(tmp_path, detectors={"d@1": None}, subsets=["ADM"], conditions=("none",), views=("none",))
    run = write_run(tmp_path / "run", table)
    heatmap_score_rows({}).write_parquet(run / "explanation_scores.parquet")
    pl.DataFrame({"path": ["x"]}).write_parquet(run / "explanations.parquet")
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "Where does it look?" in page.text and "Median" not in page.text


def test_pictures_of_noise_stay_below_the_limit(tmp_path: Path) -> None:
    detectors = [f"d{number}@1" for number in range(7)]
    conditions = ("none", "jpeg:q=65", "blur:sigma=1", "noise:sigma=8")
    masses = list(np.linspace(0.1, 0.9, 4))
    make_heatmaps(tmp_path, {(d, "gradcam"): masses for d in detectors}, conditions=conditions, size=(SIDE, SIDE))
    page = write_report(tmp_path)
    assert page.read_text().count("data:image/jpeg") == 6 * 3 * 6 + 1
    assert page.stat().st_size < 4_000_000  # of noise; photographs take a third of it


def test_the_answer_names_no_lucky_seed() -> None:
    own = {"metric": "balanced_accuracy", "n_seeds": 5, "ci_low": 0.6, "ci_high": 0.8}
    table = seeds(own, own | {"row": "align", "value": 0.75, "against": "plain", "difference": 0.05,
                              "difference_low": 0.01, "difference_high": 0.09, "p_holm": 0.04})  # fmt: skip
    [sentence] = answer_over_seeds(table)
    assert sentence.replace("\u00a0", " ") == (
        "On own, align has the best balanced accuracy over 5 training seeds: 75.0 % (95 % t interval over seeds "
        "60.0–80.0); from plain differ for sure: align by +5.0."
    )
    unsure = table.with_columns(pl.col("p_holm") + 0.02)  # the interval leaves out 0, but there were many comparisons
    assert answer_over_seeds(unsure)[0].endswith("from plain differ for sure: none.")
    assert answer_over_seeds(table.filter(table="masks")) == []


def test_the_truth_test_makes_a_page(tmp_path: Path) -> None:
    key = {"recipe": "cpu_small", "explainer": "gradcam", "images": "all", "n_images": 9, "n_blank": 0, "n_seeds": 1}
    rows = []
    for measure, difference in (("relevance_mass", 0.2), ("micro_f1", -0.1)):
        for quantity, value in (("difference", difference), ("lift_fingerprints", 0.0), ("lift_untrained", 0.0)):
            spread = {"value": value, "ci_low": value - 0.05, "ci_high": value + 0.05}
            rows += [key | {"measure": measure, "quantity": quantity, "seed": seed} | spread for seed in (0, None)]
    others = [
        key | {"measure": measure, "quantity": quantity, "seed": None, "value": 0.5, "ci_low": 0.4, "ci_high": 0.6}
        for measure in ("relevance_mass", "micro_f1")
        for quantity in ("artifacts", "fingerprints", "untrained", "chance", "learned", "p_above")
    ]
    pl.DataFrame(rows + others, infer_schema_length=None).write_parquet(tmp_path / "truth.parquet")
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    table = page.tables["cpu_small: score with artifacts less score with fingerprints"]
    assert table[0][1:] == ["Relevance mass", "Micro F1"]
    assert table[1] == ["gradcam", "+0.200 [+0.150, +0.250]*", "-0.100 [-0.150, -0.050]"]
    assert "nothing to measure them by" not in page.text


def test_nobody_above_chance_is_said_over_seeds_too() -> None:
    rows = [{"row": name, "metric": "balanced_accuracy", "value": value, "ci_low": low, "ci_high": 0.6}
            for name, value, low in (("plain", 0.52, 0.48), ("aligned", 0.55, 0.5))]  # fmt: skip
    assert answer_over_seeds(seeds(*rows))[0].startswith("No row is above chance on own. On own, aligned has the best")
    above = [*rows, {**rows[0], "row": "third", "value": 0.54, "ci_low": 0.51}]
    assert answer_over_seeds(seeds(*above))[0].startswith("On own, aligned has the best")
