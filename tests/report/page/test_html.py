"""The page: its numbers are the table's, nothing gets in, nothing is loaded, and poor runs still make a page."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.detectors.input import InputConfig
from synthscope.errors import SynthscopeError, UsageError
from synthscope.report.choice import Choice
from synthscope.report.page import grids
from synthscope.report.page.answer import answer
from synthscope.report.page.html import write_report, write_tables
from synthscope.report.page.mistakes import galleries, thumbnail
from synthscope.report.page.run import read_run
from synthscope.scoring.score import write_scores
from synthscope.tables.benchmark import cross_generator_matrix
from tests.report.made_runs import make_audit, make_images, make_predictions, make_scores, write_run

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Tags, attributes, texts and table cells of a page."""

    VOID = frozenset({"meta", "img", "input", "br", "wbr", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.words.append("" if tag == "wbr" else " ")
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "caption":
            self.tables[""] = []
        elif tag == "tr" and self.tables:
            next(reversed(self.tables.values())).append([])
        elif tag in {"td", "th"} and self.tables:
            next(reversed(self.tables.values()))[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if "caption" in self.open:
            self.tables[data] = self.tables.pop("")
        elif {"td", "th"} & set(self.open) and "small" not in self.open and self.tables:
            next(reversed(self.tables.values()))[-1][-1] += data.strip()

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split()).replace("\xa0", " ")


def page_of(run: Path, **options: object) -> Page:
    return Page(write_report(run, **options).read_text(encoding="utf-8"))  # type: ignore[arg-type]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A run that draws fast: one detector, one test set, clean images."""
    table = make_predictions(tmp_path, detectors={"d@1": None}, subsets=["ADM"], conditions=("none",), views=("none",))
    return write_run(tmp_path / "run", table)


@pytest.fixture(scope="session")
def page(run: Path) -> Page:
    return Page((run / "report.html").read_text(encoding="utf-8"))


def test_numbers_on_the_page_are_those_of_the_tables(run: Path, page: Page) -> None:
    assert "My benchmark" in page.text
    scores = read_run(run).scores
    for metric, title in (("accuracy", "Accuracy"), ("balanced_accuracy", "Balanced accuracy"), ("auroc", "AUROC")):
        for view, word in (("none", "raw"), ("jpeg:q=96", "jpeg:q=96")):
            table = cross_generator_matrix(scores, metric=metric, view=view)
            shown = page.tables[f"{title} (%), {word} test images"]
            assert shown[0][1:] == ["Midjourney", "SD V1.4", "ADM", "Mean of\xa03"] and table.columns[:3] == (
                "Midjourney", "SD V1.4", "ADM",
            )  # fmt: skip
            rows = {tuple(row[1:]) for row in shown[1:]}
            assert rows == {tuple(f"{100 * cell.value:.1f}" for cell in cells) for _, cells in table.rows}
    degraded = page.tables["Accuracy (%) under degradations, raw images"]
    assert degraded[0][1:] == ["clean", "lr:64", "jpeg:q=30", "Mean of\xa02"]
    where = {"metric": "accuracy", "view": "none", "test_set": "mean", "condition": "mean", "detector": "npr@22222222"}
    assert f"{100 * scores.filter(**where)['value'].item():.1f}" in [row[-1] for row in degraded[1:]]


def test_page_says_what_was_measured(run: Path, page: Page) -> None:
    for word in (
        "fp32",
        "0123456789ab",
        "resnet50.adm@11111111",
        "settings.seed",
        "versions.torch",
        "2.9.0",
        "jpeg:q=96",
    ):
        assert word in page.text
    assert page.tables["Images scored in each test set, undegraded"][1] == ["ADM", "raw", "20", "20", "0"]
    assert "file attributes alone" in page.text.lower() and "0.93" in page.text
    assert {path.suffix for path in (run / "figures").iterdir()} == {".png", ".svg"}
    assert {path.suffix for path in (run / "tables").iterdir()} == {".md", ".tex", ".csv"}


def test_page_loads_nothing_and_runs_nothing(run: Path, page: Page) -> None:
    assert not {"script", "link", "iframe", "object", "base", "form"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
        assert (attributes.get("href") or "#").startswith("#")
        assert "url(" not in (attributes.get("style") or "")
    text = (run / "report.html").read_text()
    assert "url(" not in text and "@import" not in text and "http://" not in re.sub(r"base64,[\w+/=]+", "", text)
    [policy] = [a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
    assert policy and "default-src 'none'" in policy and "script-src" not in policy
    assert len(text) < 3_000_000
    targets = {a["id"] for _, a in page.tags if "id" in a}
    assert {a["href"][1:] for tag, a in page.tags if tag == "a" and a["href"]} <= targets


def test_page_is_accessible(page: Page) -> None:
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in page.tags if tag == "th")
    labels = [attributes["for"] for tag, attributes in page.tags if tag == "label"]
    assert labels == [attributes["id"] for tag, attributes in page.tags if tag == "input"]
    assert ("html", {"lang": "en"}) in page.tags


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    table = make_predictions(
        tmp_path, detectors={HOSTILE: HOSTILE, f"{HOSTILE}2": None}, subsets=[HOSTILE], conditions=("none", HOSTILE),
        views=("none", HOSTILE),
    )  # fmt: skip
    table = table.with_columns(architecture=pl.lit(HOSTILE), precision=pl.lit(HOSTILE), preprocessing=pl.lit(HOSTILE))
    broken = table.head(1).with_columns(logit=None, p_ai=None, path=pl.lit(HOSTILE), error=pl.lit(HOSTILE))
    run = write_run(tmp_path / "run", pl.concat([table, broken]), make_scores(table))
    make_audit().with_columns(subset=pl.lit(HOSTILE), rule=pl.lit(HOSTILE)).write_parquet(run / "audit.parquet")
    (run / "run.json").write_text('{"<script>": ["<img src=x onerror=alert(3)>"]}')
    page = page_of(run, title=HOSTILE)
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert all((attributes["src"] or "").startswith("data:image/") for tag, attributes in page.tags if tag == "img")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text  # shown, as text
    assert "<script>alert" not in (run / "report.html").read_text()


def test_errors_are_shown_worst_first_and_counted(tmp_path: Path) -> None:
    table = make_predictions(tmp_path / "images", detectors={"d@1": None}, conditions=("none",), views=("none",), n=400)
    make_images(table.filter(pl.col("path").str.contains("ADM")).head(30))
    [(name, (alarms, misses))] = galleries(table, ["d@1"])
    assert name == "d"
    real, ai = table.filter(label=0), table.filter(label=1)
    assert (alarms.wrong, alarms.n) == ((real["logit"] > 0).sum(), 1200)
    assert (misses.wrong, misses.n) == ((ai["logit"] <= 0).sum(), 1200)
    assert [p.logit for p in alarms.pictures] == real["logit"].sort(descending=True).head(12).to_list()
    assert [p.logit for p in misses.pictures] == ai["logit"].sort().head(12).to_list()
    shifted = table.with_columns(threshold=pl.lit(100.0, dtype=pl.Float32))
    [(_, (alarms, misses))] = galleries(shifted, ["d@1"])
    assert (alarms.wrong, misses.wrong) == (0, 1200)


def test_readers_can_choose_the_files_and_how_many(small: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(small / "predictions.parquet").filter(condition="none", view="none")
    detector = table["detector"][0]
    [(_, shelves)] = galleries(table, [detector], choice=Choice("ai/00?.png", 2))
    alarms, misses = shelves
    wrong = table.filter(pl.col("detector") == detector, pl.col("label") == 1, pl.col("logit") <= 0)
    matching = wrong.filter(pl.col("path").str.contains(r"/ai/00.\.png$")).sort("logit")
    assert [picture.path for picture in misses.pictures] == matching["path"].head(2).to_list()
    assert misses.wrong == wrong.height and alarms.pictures == []
    worst = f", the {min(2, matching.height)} worst" if matching.height > 2 else ""
    assert misses.shown == f"{matching.height} match ai/00?.png{worst}"
    assert all(len(shelf.pictures) <= 1 for shelf in galleries(table, [detector], choice=Choice(limit=1))[0][1])
    with pytest.raises(UsageError, match="that match 'none.png', got none"):
        write_report(small, files="none.png", out=tmp_path / "page.html")
    with pytest.raises(UsageError, match="limit of at least 1, got 0"):
        write_report(small, limit=0, out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    page = Page(write_report(small, files="ai/*.png", limit=1).read_text())
    assert "match ai/*.png" in page.text


def test_thumbnails_are_small_and_encoded_anew(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    Image.radial_gradient("L").resize((1600, 900)).convert("RGB").save(path, pnginfo=None)
    uri = thumbnail(path)
    assert uri is not None and uri.startswith("data:image/jpeg;base64,") and len(uri) < 20_000
    (tmp_path / "broken.png").write_bytes(path.read_bytes()[:500])
    assert thumbnail(tmp_path / "broken.png") is None
    assert thumbnail(tmp_path / "absent.png") is None
    assert thumbnail(tmp_path) is None


def test_a_frame_marks_what_a_detector_sees(tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    Image.new("RGB", (400, 200), (90, 120, 90)).save(path)
    plain = thumbnail(path)
    assert thumbnail(path, input=InputConfig(resize=64, resize_mode="square", crop=None)) == plain
    framed = thumbnail(path, input=InputConfig(resize=None, crop=100))
    assert framed is not None and framed != plain
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(framed.partition(",")[2])))).astype(int)
    white = np.argwhere(pixels.min(2) > 150)  # of 80 x 160 pixels; the part is rows 20 to 60, columns 60 to 100
    assert pixels.shape == (80, 160, 3)
    np.testing.assert_allclose([*white.min(0), *white.max(0)], [20, 60, 59, 99], atol=1)
    cropped = thumbnail(path, view="crop:size=100", input=InputConfig(resize=None, crop=100))
    assert cropped == thumbnail(path, view="crop:size=100")


def test_the_page_says_how_much_of_the_images_a_detector_sees(small: Path) -> None:
    heads, row = page_of(small).tables["Detectors"]
    place = heads.index("Sees of an image")
    assert row[place] == "?"
    table = pl.read_parquet(small / "predictions.parquet")
    make_images(table)
    manifest = pl.read_parquet(small / "manifest.parquet")
    sizes = {"height": pl.lit(90, pl.Int32), "width": pl.lit(120, pl.Int32)}
    manifest.with_columns(**sizes).write_parquet(small / "manifest.parquet")
    for input, told in ((InputConfig(resize=None, crop=45), "18.8 %"), (InputConfig(crop=None), "all")):
        settings = {"inputs": {"0123456789ab": {"input": input.model_dump(mode="json"), "options": {}}}}
        (small / "run.json").write_text(json.dumps(settings))
        page = page_of(small)
        assert page.tables["Detectors"][1][place] == told
        assert ("Of these images it sees 18.8 %" in page.text) == (told != "all")
    one = one_view_a_class(table).with_columns(protocol=pl.lit("aligned"))
    one.write_parquet(small / "predictions.parquet")
    make_scores(one.with_columns(view=pl.lit("aligned"))).write_parquet(small / "scores.parquet")
    assert "largest errors of d" in page_of(small).text.lower()


def one_view_a_class(table: pl.DataFrame) -> pl.DataFrame:
    views = pl.when(pl.col("label") == 1).then(pl.lit("jpeg:q=96")).otherwise(pl.lit("none"))
    return table.with_columns(view=views, protocol=pl.lit("aligned"))


def test_missing_images_leave_a_placeholder(small: Path) -> None:
    assert "no longer readable" in page_of(small).text


def test_unreadable_files_are_listed(small: Path) -> None:
    table = pl.read_parquet(small / "predictions.parquet")
    bad = table.head(3).with_columns(
        path=pl.Series(["/x/a.png", "/x/b.png", "/x/b.png"]), logit=None, p_ai=None, error=pl.lit("truncated")
    )
    pl.concat([table, bad]).write_parquet(small / "predictions.parquet")
    page = page_of(small)
    assert "Files that could not be read: 2" in page.text and "/x/a.png truncated" in page.text


def test_one_detector_one_set_no_extras(small: Path) -> None:
    page = page_of(small)
    assert "degradations" not in {a.get("id") for _, a in page.tags} and "audit" not in {
        a.get("id") for _, a in page.tags
    }
    assert "One view only" in page.text
    assert page.tables["Accuracy (%), raw test images"][0][1:] == ["ADM"]


def test_scores_alone_make_a_page(small: Path) -> None:
    for name in ("predictions.parquet", "manifest.parquet", "run.json"):
        (small / name).unlink()
    page = page_of(small, out=small / "deep" / "page.html")
    assert (small / "deep" / "page.html").is_file() and "Logits" not in page.text


@pytest.mark.parametrize("labels", [(0,), (1,)])
def test_one_class_makes_a_page(tmp_path: Path, labels: tuple[int, ...]) -> None:
    run = write_run(
        tmp_path / "run", make_predictions(tmp_path, labels=labels, detectors={"d@1": "ADM"}, views=("none",))
    )
    assert "accuracy" in page_of(run).text


def test_audit_argument_and_an_audit_of_two_views(small: Path) -> None:
    assert "0.88" in page_of(small, audit=make_audit(0.88)).text
    views = {"none": make_audit(0.93), "jpeg:q=96": make_audit(0.51)}
    both = [audit.with_columns(view=pl.lit(view)) for view, audit in views.items()]
    pl.concat(both).write_parquet(small / "audit.parquet")
    page = page_of(small)
    assert "0.930" in page.text and "0.510" in page.text and page.text.count("give the label away.") == 1


def test_paired_differences_are_bold_when_sure(small: Path) -> None:
    rows = make_scores(pl.read_parquet(small / "predictions.parquet")).filter(metric="balanced_accuracy")
    sure = rows.with_columns(
        detector=pl.lit("a@1 − b@2"), value=pl.lit(-0.1), ci_low=pl.lit(-0.2), ci_high=pl.lit(-0.05),
        kind=pl.lit("detectors"), p_value=pl.lit(0.001), p_holm=pl.lit(0.05),
    )  # fmt: skip
    unsure = sure.with_columns(detector=pl.lit("a@1 − c@3"), p_holm=pl.lit(0.06))
    grid = grids.differences(pl.concat([sure, unsure]), "none")
    assert [(row.head, row.cells[0].text, row.cells[0].best) for row in grid.rows] == [
        ("a − b", "−10.0", True), ("a − c", "−10.0", False),
    ]  # fmt: skip
    pl.concat([sure, unsure]).write_parquet(small / "differences.parquet")
    assert "Paired differences" in page_of(small).text
    assert (small / "tables" / "differences_balanced_accuracy.csv").is_file()


def test_differences_of_views_and_conditions_are_one_table_each(tmp_path: Path) -> None:
    table = make_predictions(tmp_path, conditions=("none", "lr:64"))
    write_run(tmp_path, table)
    write_scores(tmp_path, n_resamples=100)
    page = page_of(tmp_path)
    (views,) = (rows for title, rows in page.tables.items() if title.startswith("What the file format is worth"))
    (conditions,) = (rows for title, rows in page.tables.items() if title.startswith("What degradations cost"))
    assert views[0] == ["Detector", "Midjourney", "SD V1.4", "ADM", "mean"] and len(views) == 3
    heads = [f"{detector}, {view}" for view in ("raw", "jpeg:q=96") for detector in ("npr", "resnet50.adm")]
    assert [row[0] for row in conditions[1:]] == heads
    assert "Holm's correction for the 8 comparisons of this table" in page.text


def test_too_few_real_images_for_a_rate_are_marked(tmp_path: Path) -> None:
    table = make_scores(make_predictions(tmp_path, n=20)).with_columns(
        metric=pl.col("metric").replace("tpr_at_fpr_1", "tpr_at_fpr_1pct")
    )
    marks = {cell.few for row in grids.matrix(table, "tpr_at_fpr_1pct", "none").rows for cell in row.cells}
    assert marks == {True}
    enough = table.with_columns(n_real=pl.lit(1000, dtype=pl.Int64))
    marks = {cell.few for row in grids.matrix(enough, "tpr_at_fpr_1pct", "none").rows for cell in row.cells}
    assert marks == {False}


def test_best_is_chosen_among_rows_on_the_same_images(tmp_path: Path) -> None:
    table = make_predictions(tmp_path, detectors={"a@1": "ADM", "b@2": "Midjourney"})
    own = pl.col("subset") == pl.col("train_set")
    grid = grids.degraded(make_scores(table.filter((pl.col("condition") == "none") | own)), "accuracy", "none")
    assert [row.detail for row in grid.rows] == ["trained and tested on ADM", "trained and tested on Midjourney"]
    assert not any(cell.best for row in grid.rows for cell in row.cells)


def test_answer_names_the_best_and_its_losses(scores: pl.DataFrame) -> None:
    def mean(**where: str) -> float:
        return scores.filter(metric="balanced_accuracy", view="none", **where)["value"].item()

    sentences = " ".join(answer(scores)).replace("\xa0", " ")
    detector = "resnet50.adm@11111111"
    best = mean(detector=detector, condition="none", test_set="mean")
    assert best > mean(detector="npr@22222222", condition="none", test_set="mean")
    assert f"resnet50.adm has the best balanced accuracy: {100 * best:.1f} %" in sentences
    own = mean(detector=detector, condition="none", test_set="ADM")
    rest = [mean(detector=detector, condition="none", test_set=s) for s in ("Midjourney", "stable_diffusion_v_1_4")]
    assert (
        f"{100 * own:.1f} % on the generator it was trained on and {50 * sum(rest):.1f} % on the 2 others" in sentences
    )
    worst = min(mean(detector=detector, condition=c, test_set="mean") for c in ("jpeg:q=30", "lr:64"))
    assert f"to {100 * worst:.1f} %" in sentences
    assert "The smallest test set holds 20 images of a class" in sentences
    large = scores.with_columns(n_real=pl.lit(5000), n_ai=pl.lit(5000))
    assert "smallest" not in " ".join(answer(large))


def test_answer_without_any_value() -> None:
    rows = make_scores(make_predictions(Path("x"), n=2)).with_columns(value=pl.lit(None, dtype=pl.Float64))
    assert "No metric" in answer(rows)[0]


def test_missing_or_broken_tables_are_said(tmp_path: Path, small: Path) -> None:
    with pytest.raises(SynthscopeError, match="synthscope score"):
        write_report(tmp_path)
    with pytest.raises(SynthscopeError, match="synthscope score"):
        write_tables(tmp_path)
    (small / "run.json").write_text("{")
    with pytest.raises(SynthscopeError, match=r"run\.json"):
        write_report(small)
    (small / "run.json").unlink()
    (small / "scores.parquet").write_bytes(b"no")
    with pytest.raises(SynthscopeError, match=r"scores\.parquet"):
        write_report(small)
    assert not list(small.glob("report.html"))


def test_same_run_same_page(small: Path) -> None:
    first = write_report(small).read_bytes()
    time.sleep(0.01)
    assert write_report(small).read_bytes() == first


def test_published_figures_stand_beside_a_detector_of_genimage(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    made = {"resnet50.sd@11111111": "stable_diffusion_v_1_4"}
    write_run(folder, make_predictions(folder, detectors=made, views=("none",)))
    words = "".join(Page(write_report(folder).read_text()).words)
    assert "Beside published figures" in words and "Grommelt et al." in words and "yours: resnet50.sd@11111111" in words
    assert (folder / "tables" / "published_accuracy.md").is_file()
