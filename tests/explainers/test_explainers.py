"""Explainers against hand-written ones, known answers, and each on every kind of network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers import EXPLAINERS
from synthscope.explainers.base import create_explainer
from synthscope.explainers.forward import Taps, forward
from synthscope.explainers.targets import target_layers
from tests.explainers.tiny import Linear, named, pixels, settled, swin, vit

FAST = {
    "occlusion": "occlusion:window=32,stride=32",
    "rise": "rise:masks=8",
    "integrated_gradients": "integrated_gradients:steps=2,max_steps=2",
}
DETECTORS: dict[str, Callable[[], Detector]] = {
    "resnet": lambda: named("timm:test_resnet"),
    "vit": vit,
    "vit_average": lambda: vit(class_token=False, global_pool="avg"),
    "vit_registers": lambda: vit(reg_tokens=2),
    "vit_probe": lambda: named("linear_probe", backbone="test_vit", weights="random"),
    "swin": swin,
    "cnn_small": lambda: named("cnn_small"),
    "f3net": lambda: named("f3net", side=52),
    "ladeda": lambda: named("ladeda", side=40),
    "gramnet": lambda: named("gramnet"),
    "freqnet": lambda: named("freqnet", side=48),
    "npr": lambda: named("npr"),
    "spec": lambda: named("spec"),
    "spectrum_lr": lambda: create_detector("spectrum_lr", input={"crop": 64}).eval(),
}
ATTENTION = {"attn_rollout", "grad_rollout", "chefer"}
CAMS = {"gradcam", "gradcam++", "layercam"}


def suits(explainer: str, detector: str) -> bool:
    if explainer in ATTENTION:
        return detector.startswith("vit")
    if explainer in CAMS:
        return not detector.startswith("spec")
    if explainer == "artifact_map":
        return False  # its detectors have tests of their own
    return explainer != "patch_logits" or detector == "ladeda"


@pytest.mark.parametrize("name", DETECTORS)
def test_every_explainer_works_or_says_why_not(name: str) -> None:
    detector = DETECTORS[name]()
    side = detector.config.input.side or 0
    images = pixels(2, 3, side, side)
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    with torch.no_grad():
        logits = detector(images)
    for method in EXPLAINERS:
        explainer = create_explainer(FAST.get(method, method))
        if not suits(method, name):
            with pytest.raises(UsageError, match="^Expected .*, got .*Use "):
                explainer(detector, images)
            with pytest.raises(UsageError) if method not in FAST and method != "input_x_grad" else torch.no_grad():
                explainer.layer(detector)
            continue
        heatmaps = explainer(detector, images)
        assert heatmaps.shape == (2, side, side) and heatmaps.dtype == torch.float32 and not heatmaps.requires_grad
        assert heatmaps.isfinite().all() and heatmaps.std((1, 2)).max() > 0, method
        assert explainer.signed or heatmaps.min() >= 0
        difference = explainer(detector, images[1:]) - heatmaps[1:]  # rounding decides a maximum or two of noise
        assert difference.norm() < 0.1 * heatmaps.norm(), method
        assert explainer.layer(detector)
    with torch.no_grad():
        torch.testing.assert_close(detector(images), logits, rtol=0, atol=0)  # nothing of a method stays behind
    assert all(torch.equal(value, before[key]) for key, value in detector.state_dict().items())
    assert not any(module._forward_hooks for module in detector.modules() if "LoadState" not in type(module).__name__)
    assert all(parameter.grad is None for parameter in detector.parameters())
    assert torch.is_grad_enabled()


def test_chosen_layers() -> None:
    chosen = {name: target_layers(DETECTORS[name]()) for name in DETECTORS if not name.startswith("spec")}
    assert chosen["resnet"] == ("net.layer4",)
    assert chosen["vit"] == ("net.blocks.5.norm1",)
    assert chosen["swin"] == ("net.norm",)
    assert chosen["cnn_small"] == ("stages",)
    assert chosen["f3net"] == ("net.fad_excep.bn4", "net.lfs_excep.bn4")
    assert chosen["gramnet"] == chosen["ladeda"] == ("net.layer4",)
    assert chosen["npr"] == chosen["freqnet"] == ("net.layer2",)
    assert chosen["vit_probe"] == ("net.model.blocks.5.norm1",)
    assert target_layers(named("timm:test_convnext")) == ("net.stages",)
    assert create_explainer("gradcam").layer(DETECTORS["f3net"]()) == "net.fad_excep.bn4+net.lfs_excep.bn4"


def naive_cam(detector: Detector, images: Tensor, layer: str, method: str, channels_last: bool) -> Tensor:
    """Whole graph, backward(), loops over images and channels."""
    stored: dict[str, Tensor] = {}

    def keep(module: nn.Module, args: object, output: Tensor) -> None:
        output.retain_grad()
        stored["maps"] = output

    handle = detector.get_submodule(layer).register_forward_hook(keep)
    detector(images.float().requires_grad_()).sum().backward()
    handle.remove()
    detector.zero_grad()
    maps, grads = stored["maps"].detach().numpy(), stored["maps"].grad.numpy()  # type: ignore[union-attr]
    if channels_last:
        maps, grads = np.moveaxis(maps, -1, 1), np.moveaxis(grads, -1, 1)
    cams = np.zeros((len(maps), *maps.shape[2:]))
    for b, k in np.ndindex(*maps.shape[:2]):
        a, g = maps[b, k].astype(float), grads[b, k].astype(float)
        if method == "gradcam":
            cams[b] += g.mean() * a
        elif method == "layercam":
            cams[b] += np.maximum(g, 0) * a
        else:
            below = 2 * g**2 + a.sum() * g**3
            alpha = np.divide(g**2, below, out=np.zeros_like(g), where=below != 0)
            cams[b] += (alpha * np.maximum(g, 0)).sum() * a
    kept = torch.tensor(np.maximum(cams, 0))[:, None]
    return nn.functional.interpolate(kept, images.shape[-2:], mode="bilinear")[:, 0].float()


@pytest.mark.parametrize("method", sorted(CAMS))
@pytest.mark.parametrize("name", ["resnet", "cnn_small", "swin"])
def test_cams_equal_a_naive_backward_pass(name: str, method: str) -> None:
    detector = DETECTORS[name]()
    side = detector.config.input.side or 0
    images = pixels(2, 3, side, side)
    expected = naive_cam(detector, images, target_layers(detector)[0], method, channels_last=name == "swin")
    torch.testing.assert_close(create_explainer(method)(detector, images), expected, rtol=1e-4, atol=1e-5)


def test_gradcam_of_a_linear_head_is_the_class_activation_map() -> None:
    detector = DETECTORS["cnn_small"]()
    images = pixels(2, 3, 64, 64)
    maps = forward(detector, images, [Taps(outputs=("stages",))]).outputs["stages"]
    weight = detector.get_submodule("head").weight[0]  # type: ignore[index]
    closed = torch.einsum("c,bchw->bhw", weight, maps) / maps[0, 0].numel()
    large = nn.functional.interpolate(closed.relu()[:, None], (64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(create_explainer("gradcam")(detector, images), large.detach(), rtol=1e-4, atol=1e-6)


def test_vit_gradcam_leaves_prefix_tokens_out() -> None:
    detector = DETECTORS["vit_registers"]()
    images = pixels(2, 3, 64, 64)
    (layer,) = target_layers(detector)
    stored: list[Tensor] = []
    handle = detector.get_submodule(layer).register_forward_hook(lambda m, a, o: stored.append(o) or o.retain_grad())
    detector(images).sum().backward()
    handle.remove()
    tokens, grads = stored[0].detach()[:, 3:], stored[0].grad[:, 3:]  # type: ignore[index]
    cam = (grads.mean(1, keepdim=True) * tokens).sum(2).view(2, 4, 4)
    large = nn.functional.interpolate(cam.relu()[:, None], (64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(create_explainer("gradcam")(detector, images), large, rtol=1e-4, atol=1e-6)


def test_layers_by_name() -> None:
    detector = DETECTORS["resnet"]()
    images = pixels(1, 3, 64, 64)
    early = create_explainer("layercam:layer=net.layer1")
    assert early.layer(detector) == "net.layer1" and str(early) == "layercam:layer=net.layer1"
    one, other = (create_explainer(f"layercam:layer=net.layer{n}")(detector, images) for n in (3, 4))
    both = create_explainer("layercam:layer=net.layer4+net.layer3")(detector, images)
    torch.testing.assert_close(both, one + other)  # gradients of the earlier layer pass through the later one
    in_place = create_explainer("gradcam:layer=net.bn1")(detector, images)  # an activation in place follows
    assert in_place.isfinite().all()
    with pytest.raises(UsageError, match=r"got 'net.layer9'. Did you mean net.layer"):
        create_explainer("gradcam:layer=net.layer9")(detector, images)
    with pytest.raises(UsageError, match="Name another"):
        create_explainer("gradcam:layer=net.fc")(detector, images)


def test_a_layer_behind_the_logit_is_refused() -> None:
    class Aside(Linear):
        def __init__(self) -> None:
            super().__init__()
            self.unused, self.aside = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 2, 3)

        def forward(self, images: Tensor) -> Tensor:
            self.aside(self.normalize(images))
            return super().forward(images)

    for layer in ("unused", "aside"):
        with pytest.raises(UsageError, match=f"got '{layer}', which is not"):
            create_explainer(f"gradcam:layer={layer}")(Aside().eval(), pixels(1, 3, 24, 24))


def test_gradients_of_a_linear_detector_are_its_weights() -> None:
    detector = Linear().eval()
    images = pixels(2, 3, 24, 24)
    expected = (detector.normalize(images) * detector.kernel).sum(1).detach()
    for method in ("input_x_grad", "integrated_gradients:steps=1"):
        torch.testing.assert_close(create_explainer(method)(detector, images), expected, rtol=1e-4, atol=1e-4)
    black = create_explainer("input_x_grad:baseline=black")(detector, images)
    logits, dark = detector(images), detector(torch.zeros(1, 3, 24, 24))
    torch.testing.assert_close(black.sum((1, 2)), (logits - dark).detach(), rtol=1e-4, atol=1e-2)


def square_detector() -> Linear:
    weights = torch.zeros(3, 24, 24)
    weights[:, 8:16, 4:12] = 1
    return Linear(weights=weights).eval()


def test_occlusion_finds_the_square_that_counts() -> None:
    detector = square_detector()
    image = torch.full((1, 3, 24, 24), 255, dtype=torch.uint8)
    heat = create_explainer("occlusion:window=4,stride=4")(detector, image)[0]
    inside = torch.zeros(24, 24, dtype=torch.bool)
    inside[8:16, 4:12] = True
    fall = detector.normalize(image)[0, :, 0, 0].sum() * 16  # a window covers 16 pixels that count
    torch.testing.assert_close(heat, torch.where(inside, fall, 0.0).detach(), rtol=1e-4, atol=1e-3)
    ragged = create_explainer("occlusion:window=7,stride=5")(detector, image)[0]  # last window ends at the border
    assert ragged[inside].min() > 0 and ragged[:1].abs().max() == 0
    whole = create_explainer("occlusion:window=99")(detector, image)[0]
    torch.testing.assert_close(whole, (fall * 4).expand(24, 24).detach(), rtol=1e-4, atol=1e-3)


def test_rise_is_seeded_and_finds_the_square() -> None:
    detector = square_detector()
    detector.kernel.data = (detector.kernel - 1 / 9) / 50  # adds up to zero
    image = torch.full((1, 3, 24, 24), 255, dtype=torch.uint8)
    heat = create_explainer("rise:masks=400")(detector, image)
    assert torch.equal(heat, create_explainer("rise:masks=400")(detector, image))
    assert not torch.equal(heat, create_explainer("rise:masks=400,seed=1")(detector, image))
    assert heat[0, 9:15, 5:11].mean() > heat[0, :, 16:].mean() * 1.1
    steady = Linear(weights=torch.zeros(3, 24, 24)).eval()  # logit 0.5 whatever is shown
    assert create_explainer("rise:masks=400")(steady, image).mean() == pytest.approx(0.6225, rel=0.05)


@pytest.mark.parametrize(("name", "patch", "stride"), [("ladeda", 9, 8), ("tiny_ladeda", 5, 2)])
@pytest.mark.parametrize("side", [33, 64, 70])
def test_patch_logits_lie_where_the_patches_look(name: str, patch: int, stride: int, side: int) -> None:
    detector = named(name, side=side, preprocessing="raw")
    images = pixels(1, 3, side, side)
    with torch.no_grad():
        logits = detector.patch_logits(images)[0]  # type: ignore[operator]
    total, count = torch.zeros(side, side), torch.zeros(side, side)
    for i, j in np.ndindex(*logits.shape):
        place = slice(stride * i, stride * i + patch), slice(stride * j, stride * j + patch)
        total[place] += logits[i, j]
        count[place] += 1
    expected = torch.where(count > 0, total / count.clamp(min=1), 0)
    torch.testing.assert_close(create_explainer("patch_logits")(detector, images)[0], expected, rtol=1e-4, atol=1e-5)


def test_text_of_explainers() -> None:
    assert str(create_explainer("gradcam++")) == "gradcam++"
    assert str(create_explainer("rise: seed=3 ,masks=10")) == "rise:masks=10,seed=3"
    for text, sentence in {
        "gradcm": "Did you mean gradcam",
        "rise:mask=3": "Did you mean masks",
        "rise:masks=0": "Expected a valid 'masks'",
        "rise:masks": "Expected option=value",
        "grad_rollout:variant=mine": "Expected a valid 'variant'",
        "": "Expected the name of an explainer",
    }.items():
        with pytest.raises(UsageError, match=sentence):
            create_explainer(text)


def test_an_explainer_from_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "mine.py"
    file.write_text(
        "from synthscope.explainers.base import Explainer\n"
        "class Brightness(Explainer):\n"
        "    name = 'brightness'\n"
        "    def heatmaps(self, detector, images):\n"
        "        return images.float().mean(1)\n"
    )
    heat = create_explainer(f"{file}:Brightness")(Linear().eval(), pixels(1, 3, 24, 24))
    assert heat.shape == (1, 24, 24)


def test_training_mode_is_refused() -> None:
    with pytest.raises(SynthscopeError, match="evaluation mode"):
        create_explainer("input_x_grad")(settled(named("cnn_small")).train(), pixels(1, 3, 64, 64))


def test_heatmaps_of_another_size_name_their_explainer(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from synthscope.explainers.base import Explainer\n"
        "class Colours(Explainer):\n"
        "    name = 'colours'\n"
        "    def heatmaps(self, detector, images):\n"
        "        return images.float()\n"
    )
    with pytest.raises(SynthscopeError, match=r"Expected heatmaps \(2, 24, 24\) of colours, got \(2, 3, 24, 24\)"):
        create_explainer(f"{file}:Colours")(Linear().eval(), pixels(2, 3, 24, 24))
