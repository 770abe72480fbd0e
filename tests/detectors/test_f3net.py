"""F3Net: keys of the published file, sizes, gradients, options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from synthscope import runtime
from synthscope.config import load_recipe
from synthscope.detectors.f3net import F3Net, map_sides
from synthscope.detectors.hub import create_detector
from synthscope.errors import UsageError
from synthscope.training.config import TrainConfig
from synthscope.training.state import build_optimizer

NORM = "weight", "bias", "running_mean", "running_var"


def detector(side: int = 32, *, heads: str = "paper") -> F3Net:
    input = {"resize": None, "resize_mode": "short", "crop": side}
    made = create_detector("f3net", options={"heads": heads}, input=input)
    assert isinstance(made, F3Net)
    return made.eval()


def settled(model: F3Net, images: Tensor) -> F3Net:
    """With the batch norms' statistics of ``images``, so that logits differ between them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    return model.eval()


def pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


# keys, shapes and counts of the published file


def batch_norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{key}": (channels,) for key in NORM} | {f"{name}.num_batches_tracked": ()}


def separable(name: str, channels: int, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.conv1.weight": (channels, 1, 3, 3), f"{name}.pointwise.weight": (width, channels, 1, 1)}


def xception_keys(channels: int) -> dict[str, tuple[int, ...]]:
    """Positions inside ``rep`` and widths as the published file has them."""
    keys: dict[str, tuple[int, ...]] = {"conv1.weight": (32, channels, 3, 3), "conv2.weight": (64, 32, 3, 3)}
    keys |= batch_norm("bn1", 32) | batch_norm("bn2", 64) | batch_norm("bn3", 1536) | batch_norm("bn4", 2048)
    keys |= separable("conv3", 1024, 1536) | separable("conv4", 1536, 2048)
    rows = {
        1: ((0, 64, 128), (3, 128, 128)),
        2: ((1, 128, 256), (4, 256, 256)),
        3: ((1, 256, 728), (4, 728, 728)),
        **dict.fromkeys(range(4, 12), ((1, 728, 728), (4, 728, 728), (7, 728, 728))),
        12: ((1, 728, 728), (4, 728, 1024)),
    }
    for number, row in rows.items():
        for position, before, after in row:
            keys |= separable(f"block{number}.rep.{position}", before, after)
            keys |= batch_norm(f"block{number}.rep.{position + 1}", after)
        if number in (1, 2, 3, 12):
            keys[f"block{number}.skip.weight"] = (row[-1][2], row[0][1], 1, 1)
            keys |= batch_norm(f"block{number}.skipbn", row[-1][2])
    return keys


def published_keys() -> dict[str, tuple[int, ...]]:
    keys: dict[str, tuple[int, ...]] = {"fc.weight": (1, 4096), "fc.bias": (1,)}
    keys |= {f"fad_head.{name}": (299, 299) for name in ("_DCT_all", "_DCT_all_T")}
    keys |= {f"fad_head.filters.{i}.{name}": (299, 299) for i in range(4) for name in ("base", "learnable")}
    keys |= {f"lfs_head.{name}": (10, 10) for name in ("_DCT_patch", "_DCT_patch_T")}
    keys |= {f"lfs_head.filters.{i}.{name}": (10, 10) for i in range(6) for name in ("base", "learnable")}
    keys |= {f"lfs_head.filters.{i}.ft_num": () for i in range(6)}
    for stream, channels in (("fad_excep", 12), ("lfs_excep", 6)):
        keys |= {f"{stream}.{key}": shape for key, shape in xception_keys(channels).items()}
    for name, c in (("mix_block7", 728), ("mix_block12", 1024)):
        for stream in ("FAD", "LFS"):
            keys[f"{name}.{stream}_gamma"] = (1,)
            for conv, shape in (("query", (c, c, 1, 1)), ("key", (c, c, 1, 1)), ("conv", (c, 1, 1, 1))):
                keys |= {f"{name}.{stream}_{conv}.weight": shape, f"{name}.{stream}_{conv}.bias": (c,)}
            keys |= batch_norm(f"{name}.{stream}_bn", c)
    return keys


def test_keys_shapes_and_counts_are_those_of_the_published_file() -> None:
    with torch.device("meta"):
        net = create_detector("f3net").net
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    assert shapes == published_keys()
    assert len(shapes) == 628
    trainable = sum(parameter.numel() for parameter in net.parameters())
    assert trainable == 48_319_026 - 4097  # one output less
    names = "_DCT_all", "_DCT_all_T", "_DCT_patch", "_DCT_patch_T", "base", "ft_num"  # frozen parameters there
    frozen = sum(value.numel() for key, value in net.state_dict().items() if key.endswith(names))
    assert trainable + frozen == 48_856_238 - 4097


def test_an_untrained_detector_is_the_same_for_the_same_seed() -> None:
    first, second = detector().state_dict(), detector().state_dict()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert first["net.fad_head.filters.0.learnable"].std().item() == pytest.approx(0.1, rel=0.1)


# the heads in the network


@pytest.mark.parametrize("heads", ["paper", "published"])
def test_heads_stay_in_float32_under_autocast(heads: str) -> None:
    net = detector(heads=heads).net
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        under = net.fad_head(images), net.lfs_head(images)
    with torch.no_grad():
        for value, plain in zip(under, (net.fad_head(images), net.lfs_head(images)), strict=True):
            torch.testing.assert_close(value, plain, rtol=0, atol=0)


# sizes


@pytest.mark.parametrize("side", [10, 96, 112, 128, 200, 224, 256, 299, 336])
def test_both_streams_have_the_computed_maps(side: int) -> None:
    with torch.device("meta"):
        net = detector(96).net
        fad = net.fad_excep.blocks(net.fad_excep.stem(torch.empty(1, 12, side, side)), 1, 7)
        lfs = net.lfs_excep.blocks(net.lfs_excep.stem(torch.empty(1, 6, side // 2, side // 2)), 1, 7)
    assert (fad.shape[-1], lfs.shape[-1]) == map_sides(side)


@given(side=st.integers(10, 4096))
def test_streams_align_at_all_but_three_of_sixteen_sides(side: int) -> None:
    assert (len(set(map_sides(side))) == 1) == (side % 16 not in (7, 8, 9))


@pytest.mark.parametrize(("side", "fits"), [(200, 202), (87, 90), (233, 234), (4, 10)])
def test_a_side_that_does_not_fit_is_refused_with_the_next_one(side: int, fits: int) -> None:
    with pytest.raises(UsageError, match=rf"got {side} pixels. Set input\.crop={fits}\."):
        detector(side)
    assert len(set(map_sides(fits))) == 1


def test_the_smallest_side_gives_a_logit() -> None:
    with torch.no_grad():
        assert torch.isfinite(detector(10)(pixels(2, 3, 10, 10))).all()


def test_an_input_of_another_size_is_refused() -> None:
    with pytest.raises(UsageError, match="Expected an input of fixed size"):
        create_detector("f3net", input={"resize_mode": "short"})
    with pytest.raises(UsageError, match="32 x 32 pixels, got 40 x 36"):
        detector(32)(torch.zeros(1, 3, 36, 40))


def test_images_are_squeezed_to_299_as_pillow_does() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    with torch.device("meta"):
        default = create_detector("f3net")
    wanted = np.asarray(Image.fromarray(rgb).resize((299, 299)))
    assert np.array_equal(default.preprocess(rgb).permute(1, 2, 0).numpy(), wanted)
    assert (default.config.input.mean, default.config.input.std) == ((0.5,) * 3, (0.5,) * 3)


# the detector


def test_values_are_those_of_the_published_transform_to_the_last_bit() -> None:
    values = torch.arange(256, dtype=torch.uint8).expand(1, 3, 16, 256)
    published = values.float() / 255 * 2 - 1
    assert torch.equal(detector().normalize(values), published)


@pytest.mark.parametrize("heads", ["paper", "published"])
def test_one_logit_an_image_whatever_the_batch(heads: str) -> None:
    contrast = torch.linspace(0.2, 1, 8)[:, None, None, None]  # noise alone has the same statistics everywhere
    images = (pixels(8, 3, 42, 42) * contrast).to(torch.uint8)
    model = settled(detector(42, heads=heads), images)
    images = images[:3]
    with torch.no_grad():
        logits = model(images)
        assert logits.shape == (3,) and logits.dtype == torch.float32
        for number in range(3):
            torch.testing.assert_close(model(images[number : number + 1])[0], logits[number], rtol=0, atol=1e-5)
        torch.testing.assert_close(model(images.float()), logits, rtol=0, atol=0)
    assert logits.std() > 0.01


@pytest.mark.parametrize("heads", ["paper", "published"])
def test_the_gradient_reaches_the_input_and_all_parameters(heads: str) -> None:
    model = detector(32, heads=heads).train()
    images = pixels(2, 3, 32, 32, seed=1).float()
    images[1, :, :16] = 0.0  # black, where the logarithm has nothing to hold on to
    images.requires_grad_()
    model(images).sum().backward()
    assert images.grad is not None and torch.isfinite(images.grad).all()
    assert (images.grad[0] != 0).any()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_options_change_logits_and_typos_are_named() -> None:
    images = pixels(2, 3, 32, 32)
    paper, published = settled(detector(), images), detector(heads="published")
    learned = {k: v for k, v in paper.state_dict().items() if not k.endswith(("base", "ft_num"))}
    published.load_state_dict(published.state_dict() | learned)
    with torch.no_grad():
        assert (published(images) - paper(images)).abs().max() > 0.01
    with pytest.raises(UsageError, match="'heads'"):
        create_detector("f3net", options={"heads": "code"})


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_both_xceptions_start_from_the_weights_of_a_file(kind: str, tmp_path: Path) -> None:
    state = {
        key: value.contiguous()
        for key, value in runtime.import_timm().create_model("legacy_xception").state_dict().items()
    }
    file = tmp_path / f"xception.{kind}"
    save_file(state, file) if kind == "safetensors" else torch.save(state, file)
    input = {"resize": 32, "crop": None}
    net = create_detector("f3net", options={"pretrained": str(file)}, input=input).net
    for stream, copies in ((net.fad_excep, 4), (net.lfs_excep, 2)):
        torch.testing.assert_close(stream.conv1.weight, state["conv1.weight"].repeat(1, copies, 1, 1) / copies)
        torch.testing.assert_close(stream.block7.rep[4].pointwise.weight, state["block7.rep.4.pointwise.weight"])
    with pytest.raises(UsageError, match=r"got .*none\.pth, which does not exist"):
        create_detector("f3net", options={"pretrained": str(tmp_path / "none.pth")}, input=input)


def test_three_steps_of_the_cpu_recipe_lower_the_loss() -> None:
    config = load_recipe(TrainConfig, "cpu_f3net", package="synthscope.training")
    model = detector(32).train()
    optimizer = build_optimizer(config.optimizer, model)
    labels = torch.arange(8) % 2
    images = pixels(8, 3, 32, 32).float()
    smooth = nn.functional.avg_pool2d(images, 3, 1, 1)
    images = torch.where(labels[:, None, None, None] == 1, smooth, images)
    losses = []
    for _ in range(3):
        loss = config.loss(model(images)[None], labels.float())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
