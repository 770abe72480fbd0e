"""Xception against timm's, and its ImageNet weights in other shapes of input."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from synthscope import runtime
from synthscope.detectors.xception import Block, Xception, timm_weights
from synthscope.errors import SynthscopeError


def unsettle(module: nn.Module, seed: int = 0) -> None:
    """Batch norms with statistics and scales of their own, so that forgetting one shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d):
                assert norm.running_mean is not None and norm.running_var is not None
                norm.running_mean.normal_(0, 0.2, generator=generator)
                norm.running_var.uniform_(0.5, 1.5, generator=generator)
                norm.weight.uniform_(0.5, 1.5, generator=generator)
                norm.bias.normal_(0, 0.2, generator=generator)


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    torch.manual_seed(0)
    model = runtime.import_timm().create_model("legacy_xception").eval()
    unsettle(model)
    return model


def xception(reference: nn.Module, channels: int = 3, stride: int = 2) -> Xception:
    net = Xception(channels, stride=stride).eval()
    net.load_imagenet(reference.state_dict(), origin="timm")
    return net


@pytest.mark.parametrize("side", [48, 71])
def test_features_are_those_of_timm(reference: nn.Module, side: int) -> None:
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = xception(reference)(images).relu()
        torch.testing.assert_close(features, reference.forward_features(images), rtol=1e-4, atol=1e-5)
    assert features.std() > 0.01


def test_keys_and_shapes_are_those_of_timm_without_the_classifier(reference: nn.Module) -> None:
    ours = {key: value.shape for key, value in Xception().state_dict().items()}
    theirs = {key: value.shape for key, value in reference.state_dict().items() if not key.startswith("fc.")}
    assert ours == theirs
    assert len(ours) == 274


def test_more_channels_respond_to_copies_of_an_image_as_the_pretrained_ones(reference: nn.Module) -> None:
    images = torch.randn(1, 3, 9, 9, generator=torch.Generator().manual_seed(2))
    wanted = nn.functional.conv2d(images, reference.conv1.weight, stride=2)
    four = xception(reference, 12)
    torch.testing.assert_close(four.conv1(images.repeat(1, 4, 1, 1)), wanted)
    torch.testing.assert_close(four.conv1.weight[:, 3:6], reference.conv1.weight / 4)
    two = xception(reference, 6, stride=1)
    torch.testing.assert_close(two.conv1(images.repeat(1, 2, 1, 1))[..., ::2, ::2], wanted)


def test_old_files_store_matrices_and_no_counts(reference: nn.Module) -> None:
    state = {
        key.replace("fc.", "last_linear."): value.squeeze() if "pointwise" in key else value
        for key, value in reference.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    net = Xception()
    net.load_imagenet(state, origin="old.pth")
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, reference.state_dict()[key])


def test_foreign_weights_are_refused_by_name() -> None:
    state = Xception().state_dict()
    with pytest.raises(SynthscopeError, match=r"Xception in some\.pth, got block3\.skip\.weight missing"):
        Xception().load_imagenet({k: v for k, v in state.items() if k != "block3.skip.weight"}, origin="some.pth")
    with pytest.raises(SynthscopeError, match="got extra unexpected"):
        Xception().load_imagenet({**state, "extra": torch.zeros(1)}, origin="some.pth")
    with pytest.raises(SynthscopeError, match=r"conv1\.weight.* missing"):
        Xception(12).load_imagenet({"fc.weight": torch.zeros(1)}, origin="some.pth")


def test_no_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, *, pretrained: bool) -> nn.Module:
        assert (name, pretrained) == ("legacy_xception", True)
        raise OSError("no route to host")

    monkeypatch.setattr(runtime.import_timm(), "create_model", offline)
    with pytest.raises(SynthscopeError, match=r"no route to host.*options\.pretrained=false"):
        timm_weights()


@pytest.mark.parametrize("options", [{"stride": 2}, {"stride": 2, "widen_last": True}, {"leading_relu": True}])
def test_a_block_leaves_its_input_alone(options: dict[str, int]) -> None:
    width = 8 if options.get("stride") else 4
    maps = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(3))
    before = maps.clone()
    out = Block(4, width, 3, **options)(maps)
    assert torch.equal(maps, before)
    assert out.shape == ((2, 8, 4, 4) if width == 8 else (2, 4, 7, 7))
