"""Xception against timm's, its ImageNet weights in other shapes of input, the cross-attention against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthscope import runtime
from synthscope.detectors.xception import Block, MixBlock, Xception, timm_weights
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
    with pytest.raises(SynthscopeError, match=r"Xception in some\.pth, got 1 \(block3\.skip\.weight\) missing"):
        Xception().load_imagenet({k: v for k, v in state.items() if k != "block3.skip.weight"}, origin="some.pth")
    with pytest.raises(SynthscopeError, match=r"1 \(extra\) unexpected"):
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


def loops(block: MixBlock, fad: Tensor, lfs: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The specification's cross-attention, one channel at a time, in float64."""
    state = {key: value.double().numpy() for key, value in block.state_dict().items()}
    f, l = fad.double().numpy(), lfs.double().numpy()  # noqa: E741

    def one_by_one(name: str, maps: np.ndarray) -> np.ndarray:
        mixed = np.einsum("oc,bcij->boij", state[f"{name}.weight"][:, :, 0, 0], maps)
        return mixed + state[f"{name}.bias"][:, None, None]

    def norm(name: str, values: np.ndarray, channel: int) -> np.ndarray:
        w, b, m, v = (state[f"{name}.{key}"][channel] for key in ("weight", "bias", "running_mean", "running_var"))
        return (values - m) / np.sqrt(v + 1e-5) * w + b

    projected = {name: one_by_one(name, f if "FAD" in name else l) for name in NAMES}
    gate = {key: 2 / (1 + np.exp(-state[f"{key}_gamma"][0])) - 1 for key in ("FAD", "LFS")}
    outputs = np.empty_like(f), np.empty_like(l)
    for image in range(f.shape[0]):
        for c in range(f.shape[1]):
            query = np.concatenate([projected["FAD_query"][image, c], projected["LFS_query"][image, c]], axis=1)
            key = np.concatenate([projected["FAD_key"][image, c].T, projected["LFS_key"][image, c].T], axis=0)
            weights = np.exp(query @ key)
            attention = weights / weights.sum(1, keepdims=True)
            from_lfs = l[image, c] * attention * gate["LFS"] * state["FAD_conv.weight"][c, 0, 0, 0]
            from_fad = f[image, c] * attention * gate["FAD"] * state["LFS_conv.weight"][c, 0, 0, 0]
            outputs[0][image, c] = f[image, c] + norm("FAD_bn", from_lfs + state["FAD_conv.bias"][c], c)
            outputs[1][image, c] = l[image, c] + norm("LFS_bn", from_fad + state["LFS_conv.bias"][c], c)
    return outputs


NAMES = "FAD_query", "FAD_key", "LFS_query", "LFS_key"


def test_cross_attention_is_that_of_the_specification() -> None:
    torch.manual_seed(4)
    block = MixBlock(5).eval()
    unsettle(block)
    nn.init.constant_(block.FAD_gamma, 0.7)
    nn.init.constant_(block.LFS_gamma, -1.3)
    nn.init.normal_(block.FAD_conv.bias)
    nn.init.normal_(block.LFS_conv.bias)
    fad, lfs = torch.randn(2, 2, 5, 4, 4)
    with torch.no_grad():
        ours = block(fad, lfs)
    for stream, wanted in zip(ours, loops(block, fad, lfs), strict=True):
        np.testing.assert_allclose(stream.numpy(), wanted, atol=1e-5)
        assert np.abs(wanted - (fad, lfs)[stream is ours[1]].numpy()).max() > 0.1


@pytest.mark.parametrize("training", [True, False])
def test_cross_attention_starts_as_the_identity_and_can_leave_it(training: bool) -> None:
    torch.manual_seed(5)
    block = MixBlock(6).train(training)
    fad, lfs = torch.randn(2, 3, 6, 4, 4)
    out = block(fad, lfs)
    assert torch.equal(out[0], fad) and torch.equal(out[1], lfs)
    (out[0] * lfs).sum().backward()
    assert block.LFS_gamma.grad is not None and block.LFS_gamma.grad.abs() > 1e-6
