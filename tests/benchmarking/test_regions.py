"""The steps of a benchmark that read annotations, on the smallest sandbox in X-AIGD's layout."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.run import benchmark, read_failures
from synthscope.benchmarking.sources import OWN, built
from synthscope.detectors.hub import load_detector
from synthscope.errors import UsageError
from synthscope.scoring.seeds import KEYS, SEEDS
from synthscope.tables.printing import print_tables

SMALL = {"size": 64, "classes": 2, "train": 6, "val": 4, "formats": "aligned"}
TINY = [
    "steps=1", "batch_size=4", "data.holdout=0.3", "detector.input.crop=48", "detector.options.patch=16",
    "detector.options.depth=1", "detector.options.width=32",
]  # fmt: skip


def row(recipe: str, **more: object) -> dict[str, object]:
    return {"recipe": "{scale}_" + recipe, "name": recipe, "overrides": TINY, **more}


def config(**changes: object) -> BenchmarkConfig:
    whole = {
        "title": "t", "views": ["raw"],
        "sandbox": SMALL | {"layout": "xaigd"}, "test_where": "split=test", "by": "split", "floors": [],
        "subsets": ["all"], "conditions": ["none"], "resamples": 100, "seeds": [0, 1], "against": "aj_only",
        "train": [row("aj_only"), row("pad_only"), row("transfer_full", start="pad_only")],
    }  # fmt: skip
    return BenchmarkConfig.model_validate(whole | changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    steps = {
        "explain": {"explainers": ["gradcam", "artifact_map"], "conditions": ["none", "jpeg:q=50"], "max_images": 3},
        "masks": True,
        "erase": {"fills": ["mean"], "draws": 1, "repair": True},
        "fidelity": True,
    }
    benchmark(config(**steps), out)
    return out


def test_every_step_writes_its_tables(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_failures(run) == []
    tables = ("annotations", "explanations", "explanation_scores", "mask_scores", "erasure_scores", "fidelity", "seeds")
    for name in tables:
        assert pl.read_parquet(run / f"{name}.parquet").height, name
    seeds = pl.read_parquet(run / "seeds.parquet")
    assert seeds.schema == SEEDS and set(seeds["table"]) == set(KEYS)
    assert set(seeds["row"]) == {"aj_only", "pad_only", "transfer_full"} and set(seeds["n_seeds"]) == {2}
    assert set(seeds.filter(table="masks")["row"]) == {"pad_only"}  # the only one with masks
    assert set(seeds.filter(table="detection")["about"]) == {"test_set=test"}
    explained = pl.read_parquet(run / "explanations.parquet")
    assert explained["path"].n_unique() == 3 and set(explained["label"]) == {1}
    assert "repair" in set(pl.read_parquet(run / "erasure_scores.parquet")["fill"])
    print_tables(run)
    assert "Predicted artifact masks, whatever their category" in capsys.readouterr().out


def test_a_transfer_starts_from_the_same_seed(run: Path) -> None:
    for seed in (0, 1):
        start, end = (
            load_detector(str(run / "detectors" / f"{name}.all.seed{seed}")) for name in ("pad_only", "transfer_full")
        )
        assert start.config.trained_on.seed == end.config.trained_on.seed == seed


def test_other_data_sets_are_test_sets_of_their_own(run: Path, tmp_path: Path) -> None:
    source = built(config().sandbox, run / "sandbox")
    other = SMALL | {"train": 1, "seed": 1}
    changed = config(
        train=[row("aj_only")], seeds=[0], by="subset", explain={"explainers": ["gradcam"], "max_images": 2},
        tests={"other": {"sandbox": other, "where": "split=val", "max_per_class": 3}},
    )  # fmt: skip
    predictions = benchmark(changed, tmp_path, source=source)
    counts = dict(
        predictions.group_by("subset", "label").len().select(pl.concat_str("subset", "label"), "len").iter_rows()
    )
    assert counts == {f"{OWN}0": 2, f"{OWN}1": 16, "other0": 3, "other1": 3}
    assert set(pl.read_parquet(tmp_path / "scores.parquet")["test_set"]) == {OWN, "other", "mean"}
    assert set(pl.read_parquet(tmp_path / "explanations.parquet")["subset"]) == {OWN}


def test_mistakes_are_sentences(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected a name of its own for every row of train, got 'aj_only' twice"):
        benchmark(config(train=[row("aj_only"), row("aj_only")]), tmp_path / "a")
    with pytest.raises(UsageError, match="Expected a row above in start of transfer_full, got 'pad_only'"):
        benchmark(config(train=[row("transfer_full", start="pad_only")]), tmp_path / "a")
    with pytest.raises(UsageError, match="one of source and sandbox for the test set 'x'"):
        benchmark(config(tests={"x": {}}), tmp_path / "a")
    with pytest.raises(UsageError, match="Expected annotations of artifacts for 't', got none"):
        source = built(config().sandbox.model_copy(update={"layout": "genimage"}), tmp_path / "b")
        plain = config(train=[row("aj_only")], seeds=[], test_where="split=val", masks=True, by="subset")
        benchmark(plain, tmp_path / "c", source=source)
