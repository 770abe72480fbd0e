"""The architectures: sizes from the papers' code, one logit, geometry of the specifications."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from synthscope import runtime
from synthscope.detectors import DETECTORS
from synthscope.detectors.hub import create_detector, detectors_table
from synthscope.errors import SynthscopeError, UsageError


def test_listing_names_imports_no_torch() -> None:
    code = (
        "import sys; from synthscope.detectors import DETECTORS; print(*DETECTORS); assert 'torch' not in sys.modules"
    )
    names = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"cnn_small", "cnnspot", "deit_s", "resnet50", "swin_t", "timm"} <= set(names)


def test_parameters_are_those_of_the_published_two_class_models_less_one_output() -> None:
    count = {row["name"]: row["parameters"] for row in detectors_table()}
    # 23 512 130, 21 666 434 and 27 520 892 with two outputs
    assert count["resnet50"] == count["cnnspot"] == 23_512_130 - 2049
    assert count["deit_s"] == 21_666_434 - 385
    assert count["swin_t"] == 27_520_892 - 769
    assert count["cnn_small"] < 300_000


@pytest.mark.parametrize(
    ("name", "resize", "interpolation"),
    [
        ("resnet50", 235, "bicubic"),
        ("deit_s", 256, "bicubic"),
        ("swin_t", 256, "bicubic"),
        ("cnnspot", None, "bilinear"),
    ],
)
def test_inputs_are_those_of_the_specification(name: str, resize: int | None, interpolation: str) -> None:
    config = DETECTORS[name].input_for(name)
    assert (config.resize, config.crop, config.interpolation, config.small) == (resize, 224, interpolation, "upscale")


@pytest.mark.parametrize("name", ["resnet50", "deit_s", "swin_t", "cnnspot", "cnn_small", "timm:test_vit"])
def test_one_logit_an_image_whatever_the_batch_and_the_type(name: str) -> None:
    detector = create_detector(name, input={"resize": None, "crop": 32}).eval()
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8))
    with torch.no_grad():
        logits = detector(images)
        assert logits.shape == (3,) and logits.dtype == torch.float32
        torch.testing.assert_close(detector(images[:1]), logits[:1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(detector(images.float()), logits)
    assert logits.std() > 0


def test_stochastic_depth_is_the_papers_and_can_be_chosen() -> None:
    def rates(name: str, **options: float) -> float:
        net = create_detector(name, options=options).net
        return max(getattr(module, "drop_prob", 0.0) or 0.0 for module in net.modules())

    assert rates("deit_s") == pytest.approx(0.1)
    assert rates("swin_t") == pytest.approx(0.2)
    assert rates("swin_t", drop_path=0.3) == pytest.approx(0.3)


def test_the_head_of_cnnspot_starts_from_a_normal_distribution() -> None:
    weight = create_detector("cnnspot").net.fc.weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert abs(weight.mean().item()) < 0.002


def test_weight_decay_spares_the_embeddings_that_timm_names() -> None:
    assert {"net.cls_token", "net.pos_embed"} <= create_detector("deit_s").no_decay()
    assert any("relative_position_bias_table" in name for name in create_detector("swin_t").no_decay())


def test_any_timm_model_brings_its_own_input() -> None:
    detector = create_detector("timm:convnext_atto", name="atto")
    assert detector.config.architecture == "timm:convnext_atto"
    assert detector.config.name == "atto"
    assert detector.config.input.interpolation == "bicubic"
    assert create_detector("timm", options={"model": "test_vit"}).config.architecture == "timm:test_vit"


def test_mistakes_are_named_with_the_nearest_choice() -> None:
    with pytest.raises(UsageError, match="Did you mean resnet50"):
        create_detector("resnet5")
    with pytest.raises(UsageError, match="Did you mean .*convnext_tiny"):
        create_detector("timm:convnext_tinny")
    with pytest.raises(UsageError, match="Expected a timm model, got 'hf-hub:a/b'"):
        create_detector("timm:hf-hub:a/b")  # would download and build what a stranger wrote
    with pytest.raises(UsageError, match="Did you mean drop_path"):
        create_detector("swin_t", options={"drop_pat": 0.1})
    with pytest.raises(UsageError, match="Did you mean crop"):
        create_detector("swin_t", input={"cropp": 1})
    with pytest.raises(UsageError, match="Expected input.crop in pixels"):
        create_detector("deit_s", input={"crop": None})
    with pytest.raises(UsageError, match="less than or equal to 4096"):
        create_detector("deit_s", input={"crop": 10**9})


def test_pretrained_weights_replace_the_trunk_and_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = runtime.import_timm()
    build = timm.create_model

    def fake(name: str, *, pretrained: bool, **arguments: object) -> torch.nn.Module:
        model = build(name, pretrained=False, **arguments)
        if pretrained:
            with torch.no_grad():
                model.conv1.weight.fill_(0.5)
        return model

    monkeypatch.setattr(timm, "create_model", fake)
    detector = create_detector("cnnspot", options={"pretrained": True})
    assert (detector.net.conv1.weight == 0.5).all()
    assert detector.net.fc.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert detector.config.options["pretrained"] is True

    def offline(name: str, *, pretrained: bool, **arguments: object) -> torch.nn.Module:
        if pretrained:
            raise OSError("no route to host")
        return build(name, pretrained=False, **arguments)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(SynthscopeError, match=r"no route to host.*options\.pretrained=false"):
        create_detector("resnet50", options={"pretrained": True})


def test_a_detector_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from synthscope.detectors.base import Detector\n"
        "class Brightness(Detector):\n"
        "    def forward(self, images):\n"
        "        return self.normalize(images).mean((1, 2, 3)) * self.config.options.get('gain', 1)\n"
    )
    detector = create_detector(f"{file}:Brightness", options={"gain": 2})
    assert detector.config.name == "Brightness"
    assert detector(torch.full((1, 3, 4, 4), 255.0)).item() > 0
