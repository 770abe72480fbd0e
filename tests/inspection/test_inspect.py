"""One file from bytes to evidence, with a tiny detector of random weights."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import synthscope
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.images import read_rgb
from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError, UnreadableImageError, UsageError
from synthscope.inspection.evidence import Answer
from synthscope.inspection.examine import examine
from synthscope.inspection.inspect import Settings, inspect_image
from synthscope.inspection.pictured import Inspection
from synthscope.inspection.redelivery import redeliveries
from tests.inspection.conftest import Calibrate, scene


def inspection(photo: Path, *asked: object, **settings: object) -> Inspection:
    return inspect_image(examine(photo.read_bytes(), photo.name), asked, Settings(**settings))  # type: ignore[arg-type]


def test_every_logit_is_that_of_the_delivered_pixels(photo: Path, detector: Detector, calibrate: Calibrate) -> None:
    evidence = inspection(photo, calibrate([0.0] * 100)).evidence
    rgb = read_rgb(photo)
    ways = redeliveries(*rgb.shape[:2])
    assert evidence.stability[0].logit == evidence.detectors[0].logit
    assert [one.condition for one in evidence.stability] == ["none", *(way.condition for way in ways)]
    for condition, logit in ((one.condition, one.logit) for one in evidence.stability):
        with torch.no_grad():
            pixels = parse_recipe(condition).apply(rgb, key="")
            expected = detector(detector.preprocess(pixels)[None]).item()
        assert logit == pytest.approx(expected, abs=1e-4)


def test_an_image_among_its_own_references_has_the_middle_p_value(photo: Path, calibrate: Calibrate) -> None:
    logit = inspection(photo, calibrate([0.0]), stability=False).evidence.detectors[0].logit
    assert logit is not None
    found = inspection(photo, calibrate([logit - 1, logit, logit + 1]), stability=False).evidence.detectors[0]
    assert found.p_value == 3 / 4


def test_answers_follow_the_references(photo: Path, calibrate: Calibrate) -> None:
    low, high = [-100.0 + i / 100 for i in range(200)], [100.0 + i / 100 for i in range(200)]
    evidence = inspection(photo, calibrate(low)).evidence
    assert evidence.answer == Answer.EVIDENCE
    assert evidence.sentence == "Evidence of AI generation: none of 200 reference photographs scores this high."
    assert evidence.detectors[0].level == 0.01
    none = inspection(photo, calibrate(high, ai=[1000.0] * 50)).evidence
    assert none.answer == Answer.NONE_FOUND
    both = inspection(photo, calibrate(low), calibrate(high, ai=[1000.0] * 50)).evidence
    assert both.answer == Answer.UNDECIDED and "contradict" in both.sentence
    assert len(both.stability) == 2 * len(evidence.stability)


def test_a_flip_under_redelivery_is_undecided(photo: Path, calibrate: Calibrate) -> None:
    """References between the logit of the image and the least one of its deliveries: they disagree by construction."""
    plain = inspection(photo, calibrate([0.0])).evidence
    own, others = plain.detectors[0].logit, [one.logit for one in plain.stability]
    assert own is not None
    far = max((logit for logit in others if logit is not None), key=lambda logit: abs(logit - own))
    middle = (own + far) / 2
    ai = [middle + 1000.0] * 50
    evidence = inspection(photo, calibrate([middle] * 200, ai=ai)).evidence
    assert evidence.answer == Answer.UNDECIDED
    assert evidence.sentence.startswith("Undecided: the answer changes once the image is ")


def test_without_references_a_detector_shows_and_decides_nothing(photo: Path, detector: Detector) -> None:
    evidence = synthscope.inspect(photo, [detector])
    assert evidence.answer == Answer.UNDECIDED and "not calibrated" in evidence.sentence
    assert evidence.detectors[0].logit is not None and evidence.detectors[0].p_value is None
    assert len(evidence.heatmaps) == 1


def test_two_inspections_are_the_same_json(photo: Path, calibrate: Calibrate) -> None:
    asked = calibrate([0.0] * 100)
    first, second = (inspection(photo, asked).evidence.model_dump_json() for _ in range(2))
    assert first == second
    content = json.loads(first)
    assert content["file"]["name"] == "photo.jpg" and str(photo.parent) not in first


def test_the_heatmap_lies_over_the_pixels_that_were_seen(photo: Path, calibrate: Calibrate) -> None:
    (look,) = inspection(photo, calibrate([0.0])).looks
    with np.load(BytesIO(look.raw())) as stored:
        heat, seen = stored["heat"], stored["seen"]
    assert heat.shape == seen.shape == (150, 200) and heat.dtype == np.float16
    assert seen.sum() == 64 * 64  # the crop
    with Image.open(BytesIO(look.overlay())) as image:
        assert image.mode == "RGBA" and image.size == (200, 150)
        opacity = np.array(image)[..., 3]
    assert (opacity[~seen] == 0).all() and (opacity[seen] > 0).all()


def test_regions_hold_the_share_that_they_say(photo: Path, calibrate: Calibrate) -> None:
    (look,) = inspection(photo, calibrate([0.0]), explainers=("occlusion:window=16,stride=8",)).looks
    shares = [region.share for region in look.regions]
    assert shares == sorted(shares, reverse=True) and 0.05 <= shares[-1] and sum(shares) <= 1.0001
    for region in look.regions:
        assert all(look.placed.seen[int(y), int(x)] for x, y in region.polygon)


def test_a_twin_with_random_weights_is_shown_on_demand(photo: Path, calibrate: Calibrate) -> None:
    asked = calibrate([0.0])
    own, other = inspection(photo, asked, twin=True, explainers=("input_x_grad",)).looks
    assert other.heatmap.detector == f"{asked.id}, random weights" and "shows no evidence" in other.heatmap.trust
    assert other.placed.heat.shape == own.placed.heat.shape and not other.regions
    assert not np.allclose(other.placed.heat, own.placed.heat)


def test_out_of_scope_no_detector_is_asked(tmp_path: Path, calibrate: Calibrate) -> None:
    Image.fromarray(scene(1, 40, 40)).save(tmp_path / "tiny.png")
    evidence = inspection(tmp_path / "tiny.png", calibrate([0.0])).evidence
    assert evidence.answer == Answer.NOT_APPLICABLE and evidence.sentence.startswith("Not applicable: ")
    assert not evidence.detectors and not evidence.stability


@pytest.mark.parametrize("content", [b"", b"<svg onload='x'/>", b"\xff\xd8\xff\xe0 broken", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused_in_a_sentence(content: bytes, calibrate: Calibrate) -> None:
    evidence = inspect_image(examine(content, "../../<x>.jpg"), [calibrate([0.0])], Settings()).evidence
    assert evidence.answer == Answer.NOT_APPLICABLE
    assert evidence.file.name == "<x>.jpg" and "expected an image in" in evidence.sentence


def test_bytes_and_paths_say_the_same(photo: Path, detector: Detector) -> None:
    settings = Settings(stability=False, explainers=())
    one, other = (synthscope.inspect(given, [detector], settings) for given in (photo, photo.read_bytes()))
    assert one.detectors == other.detectors and one.file.sha256 == other.file.sha256


def test_requests_that_cannot_be_met(photo: Path, detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"none\.jpg"):
        synthscope.inspect(tmp_path / "none.jpg", [detector])
    with pytest.raises(UsageError, match="Did you mean gradcam"):
        synthscope.inspect(photo, [detector], Settings(explainers=("gradcan",)))

    class Broken(type(detector)):  # type: ignore[misc]
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) * float("nan")

    broken = Broken(detector.config).eval()
    with pytest.raises(SynthscopeError, match="one finite logit an image"):
        synthscope.inspect(photo, [broken])


def test_single_settings_are_changed_by_name(photo: Path, calibrate: Calibrate) -> None:
    asked = [calibrate([0.0] * 100)]
    changed = synthscope.inspect(photo, asked, stability=False, explainers=(), level=0.05)
    assert changed == synthscope.inspect(photo, asked, Settings(stability=False, explainers=(), level=0.05))
    with pytest.raises(UsageError, match="Did you mean stability"):
        synthscope.inspect(photo, asked, stabilty=False)
