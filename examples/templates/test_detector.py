"""What a detector's test shows: a known answer, any batch, and a folder that gives the same logits."""

from __future__ import annotations

from pathlib import Path

import torch

from synthscope.detectors.hub import create_detector, load_detector, save_detector


def test_the_logit_is_that_of_the_mean_colour() -> None:
    detector = create_detector("mean_colour", input={"mean": (0, 0, 0), "std": (1, 1, 1)})
    with torch.no_grad():
        detector.head.weight[:] = torch.tensor([[1.0, 2.0, 4.0]])
        detector.head.bias[:] = -3.0
        white = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
        assert detector(white).item() == 1 + 2 + 4 - 3


def test_a_logit_does_not_depend_on_the_batch() -> None:
    detector = create_detector("mean_colour").eval()
    images = torch.randint(0, 256, (5, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(detector(images)[2:3], detector(images[2:3]), atol=1e-6)


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    detector = create_detector("mean_colour", options={"bias": False}).eval()
    save_detector(detector, tmp_path / "mine")
    images = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        assert load_detector(tmp_path / "mine")(images) == detector(images)
