"""The reference set: what it says of a logit, and which files are refused beside a detector's weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inspection.calibrated import load_calibrated
from synthscope.inspection.levels import levels, levels_text
from synthscope.inspection.reference import FILE, ReferenceSet, load_reference, save_reference
from tests.inspection.conftest import Calibrate


@pytest.fixture
def reference(calibrate: Calibrate) -> ReferenceSet:
    made = calibrate([i / 100 for i in range(100)], [0.005, 0.5, 0.995, 2.0] * 5).reference
    assert made is not None
    return made


def test_it_travels_with_the_weights(reference: ReferenceSet, detector: Detector, tmp_path: Path) -> None:
    save_detector(detector, tmp_path)
    assert load_calibrated(tmp_path).reference is None
    save_reference(reference, tmp_path)
    loaded = load_calibrated(tmp_path)
    assert loaded.reference == reference
    assert loaded.id == f"tiny@{loaded.weights_sha256[:8]}"
    assert load_calibrated(detector).reference is None


def test_another_detectors_logits_are_refused(reference: ReferenceSet, detector: Detector, tmp_path: Path) -> None:
    save_reference(reference, tmp_path)
    other = create_detector("cnn_small", options={"width": 4}, input={"crop": 64}, seed=1)
    with pytest.raises(SynthscopeError, match="Expected logits of the weights .* Make it again: synthscope calibrate"):
        load_reference(tmp_path, other)
    wider = create_detector("cnn_small", options={"width": 4}, input={"crop": 96})
    wider.load_state_dict(detector.state_dict())
    with pytest.raises(SynthscopeError, match="Expected logits of the input"):
        load_reference(tmp_path, wider)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"photographs": []}, "photographs"),
        ({"photographs": [float("nan")]}, "photographs"),
        ({"ai": ["x"]}, "ai.0"),
        ({"extra": 1}, "a known key"),
    ],
)
def test_damaged_files_are_refused(
    reference: ReferenceSet, detector: Detector, tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    content = json.loads(reference.model_dump_json()) | change
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(UsageError, match=sentence) as raised:
        load_reference(tmp_path, detector)
    assert str(tmp_path / FILE) in str(raised.value)


def test_what_it_says_of_a_logit(reference: ReferenceSet) -> None:
    assert reference.p_value(0.99) == 2 / 101
    assert reference.miss_rate(0.05) == 0.5  # 0.005 and 0.5 of 0.005, 0.5, 0.995 and 2
    assert reference.tells_apart(0.05)
    ratio = reference.likelihood_ratio(5.0)
    assert ratio is not None and 1 < ratio < 101.01


def test_what_is_shown_of_it(reference: ReferenceSet) -> None:
    shown = reference.shown()
    assert (shown.n, shown.n_ai, shown.sources) == (100, 20, ("photographs (100 photographs)",))
    assert shown.quantiles["q50"] == pytest.approx(0.495) and shown.quantiles["q99"] == pytest.approx(0.9801)
    assert shown.cllr is not None and shown.cllr_min is not None and 0 < shown.cllr_min < shown.cllr < 1.2


def test_without_ai_images_nothing_is_said_of_them(reference: ReferenceSet) -> None:
    alone = reference.model_copy(update={"ai": ()})
    assert alone.miss_rate(0.05) is None and alone.likelihood_ratio(0.0) is None and not alone.tells_apart(0.1)
    assert alone.shown().cllr is None and alone.shown().cllr_min is None
    assert levels(alone)["miss_rate"].null_count() == levels(alone).height


def test_every_change_changes_the_digest(reference: ReferenceSet) -> None:
    assert reference.digest() == reference.model_copy().digest()
    assert reference.digest() != reference.model_copy(update={"date": "2026-12-01"}).digest()


def test_levels_that_so_few_photographs_can_give(reference: ReferenceSet) -> None:
    table = levels(reference)
    assert table["level"].to_list() == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    assert table.filter(level=0.01)["logit"].item() == 0.99
    assert table.filter(level=0.05)["miss_rate"].item() == 0.5
    text = levels_text(reference)
    assert "100 reference photographs, 20 AI images" in text and "50 % [" in text and "at best" in text
