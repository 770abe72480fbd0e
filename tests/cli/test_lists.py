"""What there is to choose from, in lines that fit a terminal; and what is said about plug-ins that are none."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from synthscope.cli import main
from synthscope.config import recipe_names, recipe_summary
from synthscope.detectors import DETECTORS
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.errors import UsageError
from synthscope.explainers.base import create_explainer


def lines_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["synthscope", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    return capsys.readouterr().out.splitlines()


def test_the_list_of_detectors_fits_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(monkeypatch, capsys, "detectors", "list")
    assert max(map(len, lines)) <= 100
    assert [line.split()[0] for line in lines[2:-2]] == list(DETECTORS)
    (npr,) = [line for line in lines if line.startswith("npr ")]
    assert npr.split(maxsplit=2)[1] == "1437761" and npr.endswith("Tan et al., CVPR 2024")
    (ssp,) = [line for line in lines if line.startswith("ssp ")]
    assert ssp.endswith("Chen et al., 2024")  # of arXiv 2402.01123


def test_recipes_are_listed_with_what_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(monkeypatch, capsys, "recipes", "list")
    assert max(map(len, lines)) <= 100
    listed = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    assert [name for name, _ in listed] == [
        *recipe_names("synthscope.training"), *recipe_names("synthscope.benchmarking")
    ]  # fmt: skip
    assert all(len(text) > 20 for _, text in listed)


def test_degradations_are_listed_with_their_parameters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(monkeypatch, capsys, "recipes", "degradations")
    assert "  signal             resize:long=1600,interp=bilinear | jpeg:q=70" in lines
    assert "  webp               q (1 to 100)" in lines


def test_a_recipe_is_told_by_the_first_sentence_of_its_comment() -> None:
    assert recipe_summary("xaigd_e4", "synthscope.benchmarking") == (
        "X-AIGD, experiment 4: which categories of artifact can be found?"
    )
    assert recipe_summary("cpu_multitask", "synthscope.training") == (
        "A tiny ViT at CPU size: authenticity and artifacts on one backbone"
    )
    two_lines = recipe_summary("cpu_cnnspot", "synthscope.training")
    assert two_lines.endswith("from scratch; minutes on two cores, for 100 to 2,000 images of 96 pixels or more")


PLUGINS = """
from torch import nn
from synthscope.detectors.base import Detector

class Plain(nn.Module):
    def __init__(self, width=3):
        super().__init__()

class Foreign:
    pass

class NoForward(Detector):
    pass

class TwoArguments(Detector):
    def __init__(self, config, width):
        super().__init__(config)

    def forward(self, images):
        return images

def function():
    pass
"""


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("Plain", "a plain nn.Module without its config, preprocess and normalize"),
        ("Foreign", "another class without its config, preprocess and normalize"),
        ("NoForward", "one without forward"),
        ("TwoArguments", "one whose __init__ takes (config, width) instead of (config)"),
        ("function", "a function, which is no class"),
    ],
)
def test_a_plug_in_that_is_no_detector_is_told_what_it_lacks(name: str, lacking: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGINS)
    spec = f"{tmp_path}/mine.py:{name}"
    sentence = rf"Expected a subclass of .*Detector as {re.escape(spec)}, got {re.escape(lacking)}\. Derive it from"
    for make in (create_detector, load_detector):
        with pytest.raises(UsageError, match=sentence):
            make(spec)


def test_a_plug_in_that_is_no_explainer_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGINS)
    with pytest.raises(UsageError, match="Expected a subclass of .*Explainer with heatmaps"):
        create_explainer(f"{tmp_path}/mine.py:Plain")
