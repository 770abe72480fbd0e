"""UniversalFakeDetect: sizes, the logit from CLIP written out in plain torch, and what may fill the tower."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from synthscope.detectors import DETECTORS
from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.clip import from_openai_clip
from synthscope.detectors.hub import create_detector, load_detector, save_detector
from synthscope.detectors.univfd import UnivFd
from synthscope.errors import SynthscopeError, UsageError
from synthscope.training.config import Optimizer
from synthscope.training.state import build_optimizer
from tests.detectors.openai_clip import SIDE, STATE, TEXT, TINY, openai_embedding, openai_state


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnivFd, "tower", TINY)


IMAGES = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 3, SIDE, SIDE), dtype=np.uint8))


def univfd(weights: str, *, seed: int = 0) -> UnivFd:
    detector = create_detector("univfd", options={"weights": weights}, input={"crop": SIDE}, seed=seed)
    detector.load_pretrained()
    assert isinstance(detector, UnivFd)
    return detector.eval()


def on_meta(name: str) -> torch.nn.Module:
    config = DetectorConfig(name=name, architecture=name, input=DETECTORS[name].default_input)
    with torch.device("meta"):
        return DETECTORS[name](config)


def test_the_tower_is_clips_to_the_last_parameter() -> None:
    detector = on_meta("univfd")
    tower = {key: tuple(value.shape) for key, value in detector.net["model"].state_dict().items()}
    with torch.device("meta"):
        empty = {key: torch.empty(0) for key in openai_state(width=2, depth=24, heads=1, features=2)}
    assert from_openai_clip(empty | {"visual.proj": torch.empty(2, 2)}).keys() == tower.keys()
    assert len(tower) == 2 + 1 + 1 + 4 + 24 * 12
    assert tower["cls_token"] == (1, 1, 1024) and tower["pos_embed"] == (1, 257, 1024)
    assert tower["patch_embed.proj.weight"] == (1024, 3, 14, 14) and tower["head.weight"] == (768, 1024)
    assert tower["blocks.23.attn.qkv.weight"] == (3072, 1024) and tower["blocks.0.mlp.fc1.weight"] == (4096, 1024)
    count = sum(math.prod(shape) for shape in tower.values())
    assert count == 303_966_208 and count - math.prod(tower["head.weight"]) == 303_179_776
    head = {key: tuple(value.shape) for key, value in detector.net["fc"].state_dict().items()}
    assert head == {"weight": (1, 768), "bias": (1,)}
    assert sum(p.numel() for p in detector.parameters() if p.requires_grad) == 769
    assert {module.eps for module in detector.net["model"].modules() if isinstance(module, torch.nn.LayerNorm)} == {
        1e-5
    }


def test_the_logit_is_linear_in_the_plain_embedding_of_the_normalised_image(tiny: None, tmp_path: Path) -> None:
    save_file(STATE | TEXT, tmp_path / "clip.safetensors")
    detector = univfd(str(tmp_path / "clip.safetensors"))
    with torch.no_grad():
        torch.nn.init.normal_(detector.net["fc"].weight)
        mean = np.array([0.48145466, 0.4578275, 0.40821073]).reshape(3, 1, 1)
        std = np.array([0.26862954, 0.26130258, 0.27577711]).reshape(3, 1, 1)
        inputs = torch.from_numpy((IMAGES.numpy() / 255 - mean) / std)
        head = {key: value.double() for key, value in detector.net["fc"].state_dict().items()}
        expected = openai_embedding(STATE, inputs, depth=2, heads=4) @ head["weight"][0] + head["bias"]
        torch.testing.assert_close(detector(IMAGES).double(), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.cat([detector(x[None]) for x in IMAGES]), detector(IMAGES), rtol=0, atol=1e-5)


@pytest.mark.parametrize("half", [False, True])
def test_openais_and_timms_files_fill_the_same_tower(tiny: None, tmp_path: Path, half: bool) -> None:
    """Half precision as in OpenAI's file; timm's file has a zero bias on the projection."""
    state = {key: value.half() if half else value for key, value in STATE.items()}
    torch.save(state | TEXT, tmp_path / "clip.pt")
    timms = from_openai_clip(state)
    save_file(timms | {"head.bias": torch.zeros(TINY["features"])}, tmp_path / "timm.safetensors")
    with torch.no_grad():
        logits = [univfd(str(tmp_path / name))(IMAGES) for name in ("clip.pt", "timm.safetensors")]
    assert torch.equal(*logits) and logits[0].dtype == torch.float32
    save_file(timms | {"head.bias": torch.ones(TINY["features"])}, tmp_path / "timm.safetensors")
    with pytest.raises(SynthscopeError, match=r"exactly the weights of vit_large.*head\.bias"):
        univfd(str(tmp_path / "timm.safetensors"))


def test_a_tower_of_another_size_is_refused(tiny: None, tmp_path: Path) -> None:
    save_file(openai_state(**TINY, side=56), tmp_path / "larger.safetensors")
    with pytest.raises(SynthscopeError, match=r"\(1, 17, 32\) instead of \(1, 10, 32\) for pos_embed.*input\.crop"):
        univfd(str(tmp_path / "larger.safetensors"))
    with pytest.raises(UsageError, match=r"Expected input\.crop in pixels for CLIP"):
        create_detector("univfd", input={"crop": None})


def test_no_weights_no_verdict_and_random_ones_only_on_purpose(tiny: None) -> None:
    with pytest.raises(SynthscopeError, match=r"got none.*hf-hub:timm/vit_large_patch14_clip_224\.openai"):
        create_detector("univfd", input={"crop": SIDE})(IMAGES)
    assert torch.equal(univfd("random", seed=1)(IMAGES), univfd("random", seed=1)(IMAGES))
    assert not torch.equal(univfd("random", seed=1)(IMAGES), univfd("random", seed=2)(IMAGES))


def test_a_published_head_and_tower_loaded_by_hand_make_a_whole_detector(tiny: None, tmp_path: Path) -> None:
    detector = create_detector("univfd", input={"crop": SIDE})
    head = {"fc.weight": torch.randn(1, 12), "fc.bias": torch.randn(1)}
    detector.net.load_state_dict({f"model.{key}": value for key, value in from_openai_clip(STATE).items()} | head)
    save_detector(detector, tmp_path / "saved")
    loaded = load_detector(tmp_path / "saved")
    with torch.no_grad():
        assert torch.equal(loaded(IMAGES), detector.eval()(IMAGES))


def test_gradients_reach_the_input_and_the_head_alone(tiny: None) -> None:
    detector = univfd("random").train()
    images = IMAGES.float().requires_grad_()
    detector(images).sum().backward()
    assert torch.isfinite(images.grad).all() and images.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in detector.backbone.parameters())
    assert sum(len(group["params"]) for group in build_optimizer(Optimizer(), detector).param_groups) == 2
    assert detector.net["fc"].weight.std() < 0.05


def test_images_are_cropped_at_native_size_and_padded_with_zeros() -> None:
    detector = on_meta("univfd")
    rng = np.random.default_rng(3)
    large = rng.integers(1, 256, (300, 260, 3), dtype=np.uint8)
    np.testing.assert_array_equal(detector.preprocess(large).numpy(), large[38:262, 18:242].transpose(2, 0, 1))
    small = rng.integers(1, 256, (100, 230, 3), dtype=np.uint8)
    padded = detector.preprocess(small).numpy()
    np.testing.assert_array_equal(padded[:, 62:162], small[:, 3:227].transpose(2, 0, 1))
    assert not padded[:, :62].any() and not padded[:, 162:].any()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_openais_archive_itself_is_refused_with_the_way_out(tiny: None, tmp_path: Path) -> None:
    """``ViT-L-14.pt`` as downloaded is a TorchScript program, which would run code."""
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 1), torch.zeros(1, 2)), tmp_path / "ViT-L-14.pt")
    with pytest.raises(SynthscopeError, match=r"got a TorchScript program.*state_dict\(\)"):
        univfd(str(tmp_path / "ViT-L-14.pt"))
