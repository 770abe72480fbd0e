"""From images to a project and back: who marked what, in which round, and what goes wrong on the way."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from synthscope.annotations import load_annotations
from synthscope.annotations.project.build import KEY
from synthscope.cli.annotate import annotate

SQUARE = [[2.0, 2.0], [12.0, 2.0], [12.0, 10.0], [2.0, 10.0]]
SIZE = (20, 16)


def run(code: int, *arguments: object) -> str:
    result = CliRunner().invoke(annotate, list(map(str, arguments)))
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result.output


def fails(*arguments: object) -> str:
    result = CliRunner().invoke(annotate, list(map(str, arguments)))
    assert result.exception is not None, result.output
    return str(result.exception)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twelve images of two generators, and a file that is none."""
    folder = tmp_path_factory.mktemp("images")
    for generator in ("adm", "vqdm"):
        (folder / generator).mkdir()
        for number in range(6):
            Image.new("RGB", SIZE, (number * 40, 0, 0)).save(folder / generator / f"{number}.png")
    rows = [{"path": str(p), "label": 1, "generator": p.parent.name} for p in sorted(folder.rglob("*.png"))]
    pl.DataFrame([*rows, {"path": str(folder / "broken.png"), "label": 1, "generator": "adm"}]).write_csv(
        folder / "i.csv"
    )
    (folder / "broken.png").write_bytes(b"no image")
    return f"csv:{folder / 'i.csv'}"


def key(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "key.parquet")


def submit(folder: Path, annotator: str, regions: int, *, who: object = 1) -> None:
    """What a person does in Label Studio: one square in every image but the last, on top of what is there."""
    tasks = json.loads((folder / annotator / "tasks.json").read_text())
    shape = {"type": "polygonlabels", "from_name": "polygonlabels", "to_name": "image"}
    shape |= {"original_width": SIZE[0], "original_height": SIZE[1]}
    points = [[x / SIZE[0] * 100, y / SIZE[1] * 100] for x, y in SQUARE]
    for number, task in enumerate(tasks):
        kept = [item for p in task.pop("predictions", []) for item in p["result"]]
        value = {"points": points, "polygonlabels": ["low-level-color"]}
        new = [shape | {"id": f"n{i}", "value": value} for i in range(regions if number < len(tasks) - 1 else 0)]
        task["annotations"] = [{"completed_by": who, "result": kept + new}]
    (folder / annotator / "export.json").write_text(json.dumps(tasks))


def test_label_studio_over_two_rounds(images: str, tmp_path: Path) -> None:
    one = tmp_path / "one"
    said = run(0, "project", images, "-o", f"labelstudio:{one}", "--annotators", "ann,bob", "--overlap", "0.5")
    assert said.startswith("Round 1: 12 images, 6 of them for two (ann 9, bob 9)") and "broken.png" in said
    table = key(one)
    assert dict(table.schema) == dict(KEY) and table["round"].unique().to_list() == [1]
    documented = Path(__file__).parents[3] / "docs" / "rubric.md"
    assert (one / "rubric.md").read_text() == documented.read_text() and (one / "labels.xml").exists()
    for name, annotator, path in table.select("name", "annotator", "path").rows():
        assert (one / annotator / "images" / name).read_bytes() == Path(path).read_bytes()
    shown = (one / "ann" / "tasks.json").read_text()
    assert "adm" not in shown and "vqdm" not in shown  # nobody is told where an image is from
    assert "Expected an export" in fails("import", f"project:{one}", "-o", tmp_path / "r.parquet")

    submit(one, "ann", 1)
    said = run(0, "import", f"project:{one}", "-o", tmp_path / "r1.parquet")
    assert "bob has not annotated 9 of 9 images." in said
    submit(one, "bob", 0)
    run(0, "import", f"project:{one}", "-o", tmp_path / "r1.parquet")
    first = load_annotations(tmp_path / "r1.parquet")
    assert first.select("annotator", "path").unique().height == 18 and first["region"].count() == 8
    assert set(first["round"]) == {1} and set(first["generator"]) == {"adm", "vqdm"}
    assert (
        first["polygons"].drop_nulls()[0].to_list() == [SQUARE] and first["path"].is_in(table["path"].to_list()).all()
    )
    assert run(0, "validate", tmp_path / "r1.parquet") == "0 findings in 18 rows.\n"

    out = tmp_path / "page.html"
    said = run(0, "report", tmp_path / "r1.parquet", "-o", out, "--resamples", 100)
    found = pl.read_csv(tmp_path / "page.csv")
    assert set(found["kind"]) == {"only one"} and f"{found.height} only one" in said
    two = tmp_path / "two"
    relay = ("--relay", tmp_path / "r1.parquet", "--only", tmp_path / "page.csv")
    assert "lower the overlap" in fails("project", images, "-o", f"labelstudio:{two}", "--annotators", "ann", *relay)
    said = run(0, "project", images, "-o", f"labelstudio:{two}", "--annotators", "judge", *relay)
    assert said.startswith(f"Round 2: {found['path'].n_unique()} images, 0 of them for two")
    tasks = json.loads((two / "judge" / "tasks.json").read_text())
    assert all(len(task["predictions"][0]["result"]) == 1 for task in tasks)
    assert "ann" not in json.dumps(
        [task["predictions"] for task in tasks]
    )  # the judge is not told whose marks they are

    submit(two, "judge", 0)
    run(0, "import", tmp_path / "r1.parquet", f"project:{two}", "-o", tmp_path / "all.parquet")
    both = load_annotations(tmp_path / "all.parquet")
    assert dict(both.filter(round=2)["annotator"].value_counts().rows()) == {"judge": found["path"].n_unique()}
    said = run(0, "adjudicate", tmp_path / "all.parquet", "-o", tmp_path / "final.parquet", "--adjudicator", "judge")
    final = load_annotations(tmp_path / "final.parquet")
    assert final["path"].n_unique() == 12 and set(final["annotator"]) == {"judge", "ann", "bob", "union of 2"} & set(
        final["annotator"]
    )
    judged = final.filter(annotator="judge")
    assert set(judged["path"]) == set(found["path"]) and judged["region"].count() == len(tasks)


def test_cvat(images: str, tmp_path: Path) -> None:
    run(0, "project", images, "-o", f"cvat:{tmp_path / 'c'}", "--per-annotator", "4", "--annotators", "ann")
    names = key(tmp_path / "c")["name"].to_list()
    assert len(names) == 4 and not (tmp_path / "c" / "ann" / "earlier.xml").exists()
    root = ET.Element("annotations")
    for name in names:
        ET.SubElement(root, "image", name=f"ann/{name}", width=str(SIZE[0]), height=str(SIZE[1]))
    points = ";".join(f"{x},{y}" for x, y in SQUARE)
    ET.SubElement(root[0], "polygon", label="low-level-color", points=points, group_id="0")
    ET.ElementTree(root).write(tmp_path / "c" / "ann" / "annotations.xml")
    run(0, "import", f"project:{tmp_path / 'c'}", "-o", tmp_path / "c.parquet")
    table = load_annotations(tmp_path / "c.parquet")
    assert table["region"].to_list() == [1, None, None, None] and set(table["annotator"]) == {"ann"}
    run(0, "project", images, "-o", f"cvat:{tmp_path / 'd'}", "--annotators", "bob", "--relay", tmp_path / "c.parquet")
    earlier = ET.parse(tmp_path / "d" / "bob" / "earlier.xml").getroot()
    ((shape,),) = [list(image) for image in earlier.iter("image")]
    assert {attribute.get("name") for attribute in shape} <= {"text", "confidence"} and shape.get(
        "label"
    ) == "low-level-color"


def test_labelme(images: str, tmp_path: Path) -> None:
    place = tmp_path / "l" / "annotator" / "images"
    run(0, "project", images, "-o", f"labelme:{tmp_path / 'l'}", "--per-annotator", "3")
    names = key(tmp_path / "l")["name"].to_list()
    for name, looked_at in zip(names, (True, True, False), strict=True):
        shapes = [{"label": "low-level-color", "points": SQUARE, "shape_type": "polygon", "flags": {"unsure": True}}]
        content = {"shapes": shapes if name != names[1] else [], "imagePath": name, "flags": {"done": looked_at}}
        content |= {"imageHeight": SIZE[1], "imageWidth": SIZE[0]}
        (place / name).with_suffix(".json").write_text(json.dumps(content))
    said = run(0, "import", f"project:{tmp_path / 'l'}", "-o", tmp_path / "l.parquet")
    assert "annotator has not annotated 1 of 3 images." in said
    table = load_annotations(tmp_path / "l.parquet")
    assert table.select("region", "confidence").rows() == [(1, 0.5), (None, None)]
    run(
        0,
        "project",
        images,
        "-o",
        f"labelme:{tmp_path / 'm'}",
        "--annotators",
        "bob",
        "--relay",
        tmp_path / "l.parquet",
    )
    (file,) = (tmp_path / "m" / "bob" / "images").glob("*.json")
    content = json.loads(file.read_text())
    assert content["flags"] == {"done": False} and content["shapes"][0]["flags"]["unsure"]
    assert "Expected an export" not in (
        wrong := fails("import", f"project:{tmp_path / 'm'}", "-o", tmp_path / "x.parquet")
    )
    assert "Expected annotated images" in wrong  # nobody has ticked anything


def test_what_goes_wrong_is_said(images: str, tmp_path: Path) -> None:
    one = tmp_path / "one"
    run(0, "project", images, "-o", f"labelstudio:{one}", "--annotators", "ann,bob", "--overlap", "0")
    assert "in use" in fails("project", images, "-o", f"labelstudio:{one}")
    assert "Did you mean labelstudio?" in fails("project", images, "-o", f"labelstudi:{tmp_path / 'x'}")
    assert "letters, digits" in fails("project", images, "-o", f"cvat:{tmp_path / 'x'}", "--annotators", "../ann")
    submit(one, "ann", 1)
    (one / "bob" / "export.json").write_bytes((one / "ann" / "export.json").read_bytes())
    assert "folder of its annotator" in fails("import", f"project:{one}", "-o", tmp_path / "t.parquet")
    (one / "bob" / "export.json").unlink()
    tasks = json.loads((one / "ann" / "export.json").read_text())
    tasks[0]["annotations"] *= 2
    tasks[0]["annotations"][1] = tasks[0]["annotations"][1] | {"completed_by": 2}
    (one / "ann" / "export.json").write_text(json.dumps(tasks))
    assert "one person's annotation" in fails("import", f"project:{one}", "-o", tmp_path / "t.parquet")
    tasks[0]["annotations"] = tasks[0]["annotations"][:1]
    tasks[0]["annotations"][0]["result"][0]["original_width"] = 99
    (one / "ann" / "export.json").write_text(json.dumps(tasks))
    assert "of 20 x 16 pixels" in fails("import", f"project:{one}", "-o", tmp_path / "t.parquet")
    submit(one, "ann", 1)
    (one / "ann" / "again.json").write_bytes((one / "ann" / "export.json").read_bytes())
    assert "Expected one export" in fails("import", f"project:{one}", "-o", tmp_path / "t.parquet")
    (one / "ann" / "again.json").unlink()
    run(0, "import", f"project:{one}", "-o", tmp_path / "t.parquet")
    twice = fails("import", tmp_path / "t.parquet", f"project:{one}", "-o", tmp_path / "u.parquet")
    assert "Expected one annotation of" in twice and "by ann in a round" in twice


def test_the_last_of_one_persons_annotations_counts(tmp_path: Path) -> None:
    shape = {"type": "rectanglelabels", "original_width": 10, "original_height": 10}
    box = {"x": 0, "y": 0, "width": 10, "height": 10, "rectanglelabels": ["Color"]}
    annotations = [
        {"completed_by": 1, "updated_at": "2026-02-02", "result": [shape | {"id": "b", "value": box | {"width": 50}}]},
        {"completed_by": 1, "updated_at": "2026-01-01", "result": [shape | {"id": "a", "value": box}]},
    ]
    (tmp_path / "t.json").write_text(json.dumps([{"data": {"image": "a.png"}, "annotations": annotations}]))
    assert load_annotations(f"labelstudio:{tmp_path / 't.json'}")["box"].to_list() == [[0, 0, 5, 1]]
