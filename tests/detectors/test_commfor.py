"""Community Forensics in both sizes against a plain transformer; its files, and the way from the hub."""

from __future__ import annotations

import math
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from synthscope import runtime
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.detectors.published import import_checkpoint
from synthscope.errors import SynthscopeError
from synthscope.explainers.base import create_explainer
from tests.detectors import today
from tests.reference.published import vit

TINY = {"size": "tiny"}


def shapes(side: int, *, width: int = 384) -> vit.Shapes:
    ends = {"cls_token": (1, 1, width), "head.weight": (1, width), "head.bias": (1,)}
    return vit.tower_shapes(width, 12, 4 * width, 16, (side // 16) ** 2 + 1) | ends


def state(side: int) -> dict[str, Tensor]:
    return vit.random_weights(shapes(side, width=192))


@pytest.mark.parametrize(("name", "resize", "side"), [("commfor_384", 440, 384), ("commfor_224", 256, 224)])
def test_logits_are_those_of_the_published_program(name: str, resize: int, side: int, tmp_path: Path) -> None:
    weights = state(side)
    content = {"model": {f"_orig_mod.vit.{key}": value for key, value in weights.items()}, "itr": 3, "scaler": {}}
    if side == 384:  # the trainer's other file, of the network in DistributedDataParallel
        content = {f"module.{key}": value for key, value in content["model"].items()}
    detector = today.imported(content, name, tmp_path, options=TINY)
    files = today.image_files(tmp_path)[: 3 if side == 224 else 1]
    today.same_logits(detector, vit.commfor(weights, 3, resize, side), files)
    if side == 224:
        images = today.noise(2, 3, side, side)
        for explainer in ("gradcam", "chefer"):
            assert create_explainer(explainer)(detector, images).std() > 0


@pytest.mark.parametrize(("name", "side", "elements"), [("384", 384, 21_811_969), ("224", 224, 21_666_049)])
def test_keys_are_those_of_the_published_files(name: str, side: int, elements: int) -> None:
    wanted = {f"vit.{key}": shape for key, shape in shapes(side).items()}
    assert len(wanted) == 152 and sum(map(math.prod, wanted.values())) == elements
    assert today.layout(f"commfor_{name}") == wanted


def test_from_the_hub_after_its_licence_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {f"vit.{key}": value for key, value in state(224).items()}
    save_file(weights, tmp_path / "model.safetensors")

    def fetch(repository: str, name: str, revision: str | None) -> str:
        assert (repository, name, revision) == ("OwensLab/commfor-model-224", "model.safetensors", "6076")
        assert "licence of the weights: MIT" in capsys.readouterr().err
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    source = "hf-hub:OwensLab/commfor-model-224@6076"
    folder = import_checkpoint(source, as_="commfor_224", out=tmp_path / "out", options=TINY)
    assert torch.equal(load_detector(folder).state_dict()["net.vit.norm.bias"], weights["vit.norm.bias"])

    def fail(*arguments: object, **more: object) -> str:
        raise OSError("no network.")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(SynthscopeError, match=r"^Expected model\.safetensors of the Hugging Face repository .*, got"):
        import_checkpoint(source, as_="commfor_224", out=tmp_path / "x", options=TINY)


def test_other_files_are_refused(tmp_path: Path) -> None:
    today.refused({f"vit.{key}": value for key, value in state(224).items()}, "commfor_384", tmp_path, options=TINY)


@pytest.mark.parametrize("side", [384, 224])
def test_it_starts_from_imagenet_but_for_the_head(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = runtime.import_timm()
    create = timm.create_model

    def painted(name: str, *, pretrained: bool = False, **options: object) -> torch.nn.Module:
        model = create(name, pretrained=False, **options)
        if pretrained:
            assert name == f"vit_tiny_patch16_{side}.augreg_in21k_ft_in1k"
            torch.nn.init.constant_(model.pos_embed, 3)
        return model

    monkeypatch.setattr(timm, "create_model", painted)
    detector = create_detector("commfor", options={**TINY, "pretrained": True}, input={"crop": side})
    assert (detector.net["vit"].pos_embed == 3).all()


def test_the_residual_is_an_option_that_the_network_sees() -> None:
    """Of an image of one colour nothing is left; steps of two grey levels are eight times as strong."""
    input = {"resize": None, "crop": 32, "mean": (0, 0, 0), "std": (1, 1, 1)}
    plain, other = (
        create_detector("commfor", options={**TINY, "residual": seen}, input=input, seed=3).eval()
        for seen in (False, True)
    )
    for detector in (plain, other):
        detector.net["vit"].head.weight.data.normal_(generator=torch.Generator().manual_seed(1))  # type: ignore[operator]
    grey, white = (torch.full((1, 3, 32, 32), level, dtype=torch.uint8) for level in (90, 200))
    lines = grey.clone()
    lines[..., ::2] += 2  # 2/255 against the neighbours' mean: a third of it where one of three columns is light
    shown = torch.empty(1, 3, 32, 32)
    shown[..., ::2], shown[..., 1::2] = 8 * 2 / 255 * 2 / 3, -8 * 2 / 255 * 2 / 3
    shown[..., 0], shown[..., -1] = 8 * 2 / 255 / 2, -8 * 2 / 255 / 2  # two columns there
    with torch.no_grad():
        assert not torch.allclose(plain(grey), plain(white))
        torch.testing.assert_close(other(grey), other(white), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(other(lines), plain(shown * 255), rtol=1e-4, atol=1e-5)
