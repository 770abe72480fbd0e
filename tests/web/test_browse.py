"""The browser of a run: what is listed in which order, and that nothing but the run's files can be asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, PREDICTIONS, conform, write_table

pytest.importorskip("fastapi", reason="the extra [web] is not installed")
from starlette.testclient import TestClient

from synthscope.annotations.records import ANNOTATIONS
from synthscope.web.browse.app import create_browser
from synthscope.web.browse.collection import Collection, Query, open_collection

ROWS = (  # name, label, logit, error
    ("a", 1, 2.0, None),
    ("b", 1, -3.0, None),  # the most wrong
    ("c", 0, 1.0, None),  # wrong
    ("d", 0, -4.0, None),
    ("e", None, 9.0, None),
    ("f", 1, None, "damaged"),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Six images, the last damaged, judged by one detector on clean and on compressed images."""
    rng = np.random.default_rng(0)
    for name, *_ in ROWS[:-1]:
        Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "f.png").write_bytes(b"no image")
    facts = [{"path": str(tmp_path / f"{n}.png"), "label": label, "subset": "s", "error": e} for n, label, _, e in ROWS]
    images = pl.DataFrame(facts, infer_schema_length=None)
    folder = tmp_path / "run"
    write_table(conform(images, MANIFEST, "m"), folder / "manifest.parquet")
    scored = images.with_columns(logit=pl.Series([row[2] for row in ROWS]), detector=pl.lit("d@0"))
    both = [scored.with_columns(condition=pl.lit(name), threshold=pl.lit(0.0)) for name in ("none", "jpeg:q=30")]
    both[1] = both[1].with_columns(logit=-pl.col("logit"))
    write_table(conform(pl.concat(both), PREDICTIONS, "p"), folder / "predictions.parquet")
    return folder


def names(collection: Collection, **query: object) -> str:
    return "".join(Path(path).stem for path in collection.rows(Query(**query))["path"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "bcadef"),
        ({"sort": "ai"}, "eacbdf"),
        ({"sort": "real"}, "dbcaef"),
        ({"sort": "path"}, "abcdef"),
        ({"label": "ai"}, "baf"),
        ({"label": "unknown"}, "e"),
        ({"answer": "wrong"}, "bc"),
        ({"answer": "error"}, "f"),
        ({"answer": "real"}, "bd"),
        ({"low": 1.0, "high": 2.0}, "ca"),
        ({"text": "b.png"}, "b"),
        ({"subset": "other"}, ""),
        ({"condition": "jpeg:q=30"}, "dacbef"),
    ],
)
def test_what_is_listed_in_which_order(run: Path, query: dict[str, object], expected: str) -> None:
    assert names(open_collection(run), **query) == expected


def test_a_manifest_alone_can_be_browsed(run: Path) -> None:
    collection = open_collection(run / "manifest.parquet")
    assert names(collection) == "abcdef" and collection.choices("detector") == []


def test_other_folders_are_refused(tmp_path: Path, run: Path) -> None:
    with pytest.raises(UsageError, match="got neither"):
        open_collection(tmp_path)
    (run / "predictions.parquet").write_bytes(b"broken")
    with pytest.raises(SynthscopeError, match=r"predictions\.parquet"):
        open_collection(run)


@pytest.fixture
def client(run: Path) -> TestClient:
    return TestClient(create_browser(open_collection(run)), base_url="http://127.0.0.1")


def test_the_list_and_one_image(client: TestClient) -> None:
    about = client.get("/api/about").json()
    assert about["detector"] == ["d@0"] and about["condition"] == ["none", "jpeg:q=30"] and about["images"] == 6
    found = client.get("/api/images", params={"limit": 2}).json()
    assert (found["matching"], found["wrong"]) == (6, 2)
    assert [image["name"] for image in found["images"]] == ["b.png", "c.png"]
    one = client.get(f"/api/images/{found['images'][0]['number']}").json()
    assert [(row["condition"], row["answer"]) for row in one["answers"]] == [("none", "real"), ("jpeg:q=30", "AI")]
    assert one["heatmaps"] == [] and one["regions"]["marked"] == []


def test_marked_regions_come_as_polygons_of_their_category(run: Path) -> None:
    square = [[[10.0, 20.0], [30.0, 20.0], [30.0, 40.0], [10.0, 40.0]]]
    row = {
        "path": str(run.parent / "b.png"), "width": 80, "height": 60, "region": 0, "gt_kind": "polygon",
        "category": "low-level-symbol", "polygons": square,
    }  # fmt: skip
    write_table(conform(pl.DataFrame([row]), ANNOTATIONS, "a"), run / "annotations.parquet")
    client = TestClient(create_browser(open_collection(run)), base_url="http://127.0.0.1")
    regions = client.get("/api/images/1").json()["regions"]
    assert (regions["width"], regions["height"]) == (80, 60)
    (region,) = regions["marked"]
    points = np.array(region["polygons"][0])
    assert region["category"].endswith("Symbol")
    assert points.min(0) == pytest.approx([10, 20], abs=1) and points.max(0) == pytest.approx([30, 40], abs=1)


def test_pictures_are_those_of_the_run_alone(client: TestClient) -> None:
    whole, small = client.get("/picture/0"), client.get("/picture/0", params={"condition": "jpeg:q=30", "side": 40})
    assert whole.headers["content-type"] == small.headers["content-type"] == "image/jpeg"
    assert len(small.content) < len(whole.content)
    for path, status in (
        ("/picture/0?condition=lr:8", 404),  # a condition that this run has not
        ("/picture/99", 404),
        ("/picture/-1", 404),
        ("/picture/5", 404),  # damaged
        ("/picture/../../etc/passwd", 404),
        ("/heatmap/0/0", 404),
        ("/picture/0?side=100000", 422),
        ("/api/images?sort=secret", 422),
    ):
        answer = client.get(path)
        assert answer.status_code == status and answer.json()["error"].startswith("Expected "), path


def test_foreign_names_are_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]
