"""Several explainers of one forward pass: what each says alone, how often the detector runs, and its logits."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError
from synthscope.explainers import EXPLAINERS
from synthscope.explainers.base import Explainer, create_explainer, enlarged, together
from synthscope.explainers.forward import INPUT, Taps, forward
from synthscope.explainers.occlusion import PIXELS, at_once
from synthscope.explainers.targets import target_layers
from tests.explainers.test_artifact_map import artifact_vit
from tests.explainers.test_explainers import DETECTORS, FAST, suits
from tests.explainers.tiny import Linear, named, pixels, vit


def run_counts(detector: nn.Module) -> Counter[int]:
    """Sizes of the batches that go through a detector from now on, and how often."""
    sizes: Counter[int] = Counter()
    detector.register_forward_pre_hook(lambda module, args: sizes.update([len(args[0])]))
    return sizes


@pytest.mark.parametrize("name", ["cnn_small", "npr", "spectrum_lr", "swin", "vit", "vit_probe"])
def test_together_they_say_what_each_says_alone(name: str) -> None:
    detector = DETECTORS[name]()
    side = detector.config.input.side or 0
    images = pixels(2, 3, side, side)
    explainers = [create_explainer(FAST.get(method, method)) for method in EXPLAINERS if suits(method, name)]
    explained = together(detector, images, explainers)
    with torch.no_grad():
        torch.testing.assert_close(explained.logits, detector(images).float(), rtol=1e-5, atol=1e-5)
    for explainer, maps in zip(explainers, explained.maps, strict=True):
        expected = explainer(detector, images)
        found = enlarged(maps, images.shape[-2:])
        assert (found - expected).norm() <= 1e-3 * expected.norm(), str(explainer)  # Grad-CAM++ divides by small sums
    assert not any(module._forward_hooks for module in detector.modules() if "LoadState" not in type(module).__name__)


def test_all_that_read_a_pass_share_it() -> None:
    for detector, methods in (
        (named("timm:test_resnet"), ["gradcam", "gradcam++", "layercam:layer=net.layer3", "input_x_grad"]),
        (vit(), ["attn_rollout", "grad_rollout", "chefer", "gradcam", "input_x_grad"]),
        (named("ladeda", side=40), ["patch_logits", "gradcam"]),
        (artifact_vit(), ["artifact_map", "attn_rollout", "gradcam"]),
    ):
        side = detector.config.input.side or 0
        target_layers(detector)  # found by a pass of its own, once
        sizes = run_counts(detector)
        together(detector, pixels(3, 3, side, side), [create_explainer(text) for text in methods])
        assert sizes == {3: 1}, methods


def test_gradients_of_several_layers_are_those_of_the_whole_graph() -> None:
    detector = named("timm:test_resnet")
    images = pixels(2, 3, 64, 64)
    names = ("net.layer4", INPUT, "net.layer2")
    seen = forward(detector, images, [Taps(gradients=names[:1]), Taps(outputs=("net.layer3",), gradients=names)])
    stored: dict[str, Tensor] = {INPUT: images.float().requires_grad_()}
    for name in ("net.layer2", "net.layer3", "net.layer4"):
        detector.get_submodule(name).register_forward_hook(lambda m, a, o, name=name: stored.update({name: o}))
    logits = detector(stored[INPUT])
    expected = torch.autograd.grad(logits.sum(), [stored[name] for name in names])
    for name, gradient in zip(names, expected, strict=True):
        torch.testing.assert_close(seen.gradients[name], gradient, rtol=1e-4, atol=1e-7)
    assert seen.gradients.keys() == set(names)
    torch.testing.assert_close(seen.outputs["net.layer3"], stored["net.layer3"].detach())
    assert not any(tensor.requires_grad for tensor in (seen.logits, *seen.outputs.values(), *seen.gradients.values()))


def test_only_what_follows_the_first_gradient_is_in_the_graph() -> None:
    detector = named("timm:test_resnet")
    modes: dict[str, bool] = {}
    for name in ("net.layer2", "net.layer3", "net.layer4"):
        detector.get_submodule(name).register_forward_pre_hook(
            lambda m, a, name=name: modes.update({name: torch.is_grad_enabled()})
        )
    forward(detector, pixels(1, 3, 64, 64), [Taps(gradients=("net.layer3",), outputs=("net.layer2",))])
    assert modes == {"net.layer2": False, "net.layer3": False, "net.layer4": True}


def test_occlusion_and_rise_fill_their_batches() -> None:
    images = pixels(4, 3, 24, 24)
    assert at_once(images) * images[:, 0].numel() <= PIXELS < (at_once(images) + 1) * images[:, 0].numel()
    assert at_once(pixels(9, 3, 224, 224)) == 1
    count = at_once(images)
    detector = Linear().eval()
    sizes = run_counts(detector)
    create_explainer(f"rise:masks={count + 3}")(detector, images)
    assert sizes == {4 * count: 1, 4 * 3: 1}
    sizes.clear()
    create_explainer("occlusion:window=4,stride=4")(detector, images)  # 36 squares, and the images as they are
    assert sizes == {4: 1, 4 * 36: 1}


def test_occlusion_in_parts_equals_one_square_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants share their memory: what one square has covered must be there again for the next."""
    detector, images = named("cnn_small"), pixels(2, 3, 64, 64)
    heat, covered = torch.zeros(2, 64, 64), torch.zeros(64, 64)
    with torch.no_grad():
        for top in (0, 10, 20, 30, 40, 44):
            for left in (0, 10, 20, 30, 40, 44):
                variant = images.float().clone()
                variant[:, :, top : top + 20, left : left + 20] = detector.mean
                heat[:, top : top + 20, left : left + 20] += (detector(images) - detector(variant))[:, None, None]
                covered[top : top + 20, left : left + 20] += 1
    monkeypatch.setattr("synthscope.explainers.occlusion.PIXELS", 5 * images[:, 0].numel())
    found = create_explainer("occlusion:window=20,stride=10")(detector, images)
    torch.testing.assert_close(found, heat / covered, rtol=1e-4, atol=1e-5)


class Bare(Explainer):
    """Only what a plug-in must have."""

    name = "bare"

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        return images.float().mean(1)


def test_an_explainer_that_reads_no_pass_is_left_to_itself() -> None:
    detector, images = Linear().eval(), pixels(2, 3, 24, 24)
    sizes = run_counts(detector)
    Bare()(detector, images)
    assert not sizes
    explained = together(detector, images, [Bare(), create_explainer("input_x_grad")])
    assert sizes == {2: 1}
    torch.testing.assert_close(explained.maps[0][0], images.float().mean(1))


def test_detectors_without_one_logit_an_image_are_told() -> None:
    class Two(Linear):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images)[:, None].expand(-1, 2)

    with pytest.raises(SynthscopeError, match=r"Expected logits of shape \(2,\) from detector 'linear', got \(2, 2\)"):
        together(Two().eval(), pixels(2, 3, 24, 24), [Bare()])
