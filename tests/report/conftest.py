"""Runs made by hand, as fixtures."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from synthscope.report.page.html import write_report
from tests.report.made_runs import make_audit, make_images, make_predictions, make_scores, write_run


@pytest.fixture
def predictions(tmp_path: Path) -> pl.DataFrame:
    return make_predictions(tmp_path / "images")


@pytest.fixture
def scores(predictions: pl.DataFrame) -> pl.DataFrame:
    return make_scores(predictions)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its report, to look at only."""
    folder = tmp_path_factory.mktemp("full")
    predictions = make_predictions(folder / "images")
    make_images(predictions)
    run = write_run(folder / "run", predictions)
    make_audit().write_parquet(run / "audit.parquet")
    write_report(run, title="My benchmark")
    return run
