"""The scripts that judge, train and describe the detector in the wheel."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.detectors.base import DetectorConfig
from synthscope.schema import MANIFEST, conform
from synthscope.studies.unseen import FIGURES

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "bundled"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(SCRIPTS)
    import candidates
    import card
    import crossfit
    import fakes
    import pixels
    import table

    return SimpleNamespace(
        candidates=candidates, card=card, crossfit=crossfit, fakes=fakes, pixels=pixels, table=table
    )  # fmt: skip


def photograph(file: Path, side: int = 264) -> str:
    y, x = np.mgrid[:side, :side]
    rng = np.random.default_rng(len(file.name))
    rgb = np.stack([x % 200, y % 180, (x + y) % 230], 2) + rng.normal(0, 6, (side, side, 3))
    Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(file, quality=95)
    return str(file)


def members() -> pl.DataFrame:
    rows = [("a", "s1", 0), ("a", "g1", 1), ("a", "g2", 1), ("b", "s2", 0), ("b", "s3", 0), ("b", "g3", 1)]
    table = pl.DataFrame(rows, schema={"fold": pl.String, "subset": pl.String, "label": pl.Int8}, orient="row")
    return pl.concat([table] * 3)


def test_exchanged_labels_are_those_of_whole_members_and_every_fold_keeps_both(scripts: SimpleNamespace) -> None:
    for seed in range(5):
        found = scripts.candidates.permuted(members(), seed)
        assert found["subset"].equals(members()["subset"])
        assert found.group_by("subset").agg(pl.col("label").n_unique())["label"].max() == 1
        assert found.group_by("fold").agg(pl.col("label").n_unique())["label"].to_list() == [2, 2]
        assert found.unique("subset")["label"].sum() == 3


def test_no_member_of_a_fold_or_of_its_reference_is_trained_on(
    scripts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The features name their row, so the fit can tell what it was given."""
    blocks = {"imagenet": ("imagenet", "g1"), "bsds500": ("bsds500", "g2"), "groceries": ("grocery_store", "g3")}
    rows = [
        {"path": f"{name}{i}", "original": f"{name}{i}", "label": int(name.startswith("g") and len(name) == 2),
         "subset": name, "fold": fold}
        for fold, names in blocks.items() for name in names for i in range(25)
    ]  # fmt: skip
    table = pl.DataFrame(rows, schema_overrides={"label": pl.Int8})
    numbers = np.arange(table.height, dtype=np.float32)[:, None]
    images = scripts.crossfit.Images({"laundered": table}, {}, {}, {"net": {"laundered": numbers}})
    seen: list[set[str]] = []

    def fit(features: np.ndarray, labels: np.ndarray, tests: list[np.ndarray]) -> list[np.ndarray]:
        chosen = table[features[:, 0].astype(int)]
        assert chosen["label"].to_list() == labels.tolist()
        seen.append(set(chosen["subset"]))
        return [test[:, 0] for test in tests]

    monkeypatch.setattr(scripts.crossfit, "head_logits", fit)
    scores = scripts.crossfit.crossfit(scripts.candidates.Candidate("n", features="net"), images, tmp_path)
    assert seen == [{"grocery_store", "g1", "g3"}, {"bsds500", "g1", "g2"}, {"grocery_store", "g2", "g3"}]
    parts = scores.group_by("fold", "part").agg(pl.col("member").unique().sort()).sort("fold", "part")
    assert parts["member"].to_list() == [
        ["imagenet"], ["bsds500", "g2"], ["imagenet"], ["g3", "grocery_store"], ["bsds500"], ["g1", "imagenet"],
    ]  # fmt: skip
    again = scripts.crossfit.crossfit(scripts.candidates.Candidate("n", features="net"), images, tmp_path)
    assert len(seen) == 3 and again.equals(scores)


def test_the_head_learns_and_is_the_same_again(scripts: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [300, 100]).astype(np.int8)
    features = rng.normal(labels[:, None] * 2.0, 1, (400, 8)).astype(np.float32)
    first, again = (scripts.candidates.head_logits(features, labels, [features])[0] for _ in range(2))
    assert np.array_equal(first, again)
    assert first[labels == 1].mean() > first[labels == 0].mean() + 0.1


def test_photographs_drawn_again_keep_their_content_and_lose_some_detail(
    scripts: SimpleNamespace, tmp_path: Path
) -> None:
    paths = [photograph(tmp_path / f"{'x' * i}.jpg", side) for i, side in enumerate((264, 272, 280, 200), 1)]
    table = pl.DataFrame({"path": paths, "label": 0, "generator": "real", "subset": "s", "group": None, "fold": "f"})
    drawn = scripts.fakes.draw_again(table, tmp_path / "fakes")
    assert drawn.height == 3 and set(drawn["label"]) == {1} and set(drawn["fold"]) == {"f"}
    for path, before in zip(sorted(drawn["path"]), sorted(paths), strict=False):
        after = np.asarray(Image.open(path)).astype(float)
        assert after.shape[0] % 8 == 0 and Path(path).suffix == ".png"
        assert before
    picture = np.asarray(Image.open(paths[0]).crop((0, 0, 264, 264)), np.float32) / 255
    for name, way in scripts.fakes.decoders([picture] * 2, 0).items():
        again = way(picture, np.random.default_rng(0))
        assert again.shape == picture.shape, name
        assert 1e-4 < np.abs(again - picture).mean() < 0.1, name


def test_viewed_images_are_stored_once_with_their_origin(scripts: SimpleNamespace, tmp_path: Path) -> None:
    path = photograph(tmp_path / "a.jpg")
    row = pl.DataFrame({"path": [path], "view": ["resize:scale=0.5|crop:size=128|jpeg:q=80"], "label": [0]})
    rows = conform(row, MANIFEST, "m")
    files = scripts.pixels.stored(rows, tmp_path / "laundered")
    assert files["original"].to_list() == [path] and files["view"].to_list() == ["none"]
    assert scripts.pixels.middles(files, 64).shape == (1, 64, 64, 3)
    before = Path(files["path"][0]).stat().st_mtime_ns
    assert scripts.pixels.stored(rows, tmp_path / "laundered")["path"].equals(files["path"])
    assert Path(files["path"][0]).stat().st_mtime_ns == before


def test_blocks_hold_every_member_once_and_no_shipped_reference_is_trained_on(scripts: SimpleNamespace) -> None:
    shared = Path(__file__).parents[3] / "shared"
    if not (shared / "images_2026" / "manifest.csv").is_file():
        pytest.skip("../shared with the real images is absent")
    parts = scripts.table.parts(shared / "images", shared / "images_2026")
    train, reference, test = (parts[name] for name in ("train", "reference", "evaluate"))
    assert (train.height + reference.height, test.height) == (1286 + 350 - 1, 327)
    assert not set(train["subset"]) & set(reference["subset"])
    assert not set(test["path"]) & (set(train["path"]) | set(reference["path"]))
    assert train["fold"].null_count() == 0 and train["group"].null_count() == 0
    assert all(Path(path).is_file() for path in pl.concat([train, reference], how="diagonal")["path"])


def test_the_card_tells_the_verdict_and_every_figure(scripts: SimpleNamespace) -> None:
    metrics = ("auroc", "tpr_at_fpr_5pct", "found", "false_alarms")
    sets = ("all", "fold groceries", "flux")
    rows = [("net", "aligned", name, metric, 0.7, 0.6, 0.8, 50, 40) for name in sets for metric in metrics]
    figures = pl.DataFrame(rows, schema=FIGURES, orient="row")
    source = SimpleNamespace(name="street", label=0, n=50, licence="CC0")
    reference = SimpleNamespace(
        photographs=[0.0] * 50, ai=[1.0] * 8, sources=[source], miss_rate=lambda level: {0.01: 0.75}[level]
    )
    config = DetectorConfig(name="demo_only", architecture="linear_probe")
    text = scripts.card.card(config, reference, figures, "net", {"aligned": 0.09}, figures, proven=False)
    assert "Not proven on unseen generators" in text and "p = 0.090 (aligned)" in text
    share = "70.0 [60.0, 80.0]"
    assert text.count(f"| aligned | all | 0.700 [0.600, 0.800] | {share} | {share} | {share} | 50, 40 |") == 2
    assert "misses 6 of the\n  8 AI images" in text
    assert "| street | photographs | 50 | CC0 |" in text
    assert "Not proven" not in scripts.card.card(config, reference, figures, "net", {}, figures, proven=True)
