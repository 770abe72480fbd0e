"""The table of predictions: probability and verdict say the same of every row."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from synthscope.detectors.base import Calibration, DetectorConfig
from synthscope.inference.store import PART, gather

CALIBRATIONS = st.builds(Calibration, temperature=st.floats(1e-4, 1e4), bias=st.floats(-30, 30))


def table(detectors: list[DetectorConfig], logits: list[list[float | None]]) -> pl.DataFrame:
    """Predictions of some images, whose logits are given for each detector."""
    common = {"preprocessing": "p", "condition": "none", "precision": "fp32", "backend": "eager", "seed": 0}
    units = pl.DataFrame(
        [
            {"unit": u, "detector": c.name, "architecture": c.architecture, "threshold": c.threshold}
            | {"temperature": c.calibration.temperature, "bias": c.calibration.bias}
            | common
            for u, c in enumerate(detectors)
        ]
    )
    parts = [
        {"path": f"{i}.png", "sha256": str(i), "view": "none", "detector": c.name, "logit": z, "error": None} | common
        for c, row in zip(detectors, logits, strict=True)
        for i, z in enumerate(row)
    ]
    images = [{"path": f"{i}.png", "sha256": str(i), "view": "none", "error": None} for i in range(len(logits[0]))]
    nothing = {"error": pl.String}
    answers = gather(
        pl.DataFrame(images, schema_overrides=nothing), units, [pl.DataFrame(parts, schema=PART, orient="row")]
    )
    return pl.concat(list(answers.slices()))


@given(st.lists(CALIBRATIONS, min_size=1, max_size=3), st.lists(st.floats(-50, 50, width=32), max_size=4))
def test_p_is_above_half_in_exactly_the_rows_whose_verdict_is_ai(
    calibrations: list[Calibration], far: list[float]
) -> None:
    detectors, logits = [], []
    for number, calibration in enumerate(calibrations):
        half = np.float32(calibration.threshold)
        config = DetectorConfig(
            name=f"d{number}", architecture="a", calibration=calibration, threshold=calibration.threshold
        )
        detectors.append(DetectorConfig.model_validate_json(config.model_dump_json()))  # as a folder keeps it
        border = [half, np.nextafter(half, np.float32(np.inf)), np.nextafter(half, np.float32(-np.inf))]
        logits.append([float(z) for z in [*border, *far]])
    rows = table(detectors, logits)
    assert rows["logit"].null_count() == 0 and rows["p_ai"].dtype == pl.Float32
    assert rows.filter((pl.col("p_ai") > 0.5) != (pl.col("logit") > pl.col("threshold"))).is_empty()
    assert rows.filter(pl.col("logit") > pl.col("threshold")).height >= len(detectors)


def test_a_threshold_that_somebody_set_and_no_calibration_stay() -> None:
    detectors = [DetectorConfig(name="imported", architecture="a"),
                 DetectorConfig(name="strict", architecture="a", threshold=3.0)]  # fmt: skip
    rows = table(detectors, [[1.0, None, -1.0], [1.0, 4.0, None]]).sort("detector", "path")
    assert rows["threshold"].to_list() == [0.0] * 3 + [3.0] * 3
    sigmoid = [1 / (1 + np.exp(-z)) for z in (1.0, -1.0, 1.0, 4.0)]
    assert np.allclose(rows["p_ai"].drop_nulls(), sigmoid, atol=1e-7)
    assert rows["p_ai"].is_null().to_list() == rows["logit"].is_null().to_list()
