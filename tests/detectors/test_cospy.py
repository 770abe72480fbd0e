"""Both CO-SPY detectors against plain copies of the published programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.detectors.published import import_checkpoint
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers.base import create_explainer
from tests.detectors import today
from tests.reference.published import clip, cospy, vit
from tests.reference.published.plain import Logit, randomize, settle

SIGLIP = cospy.siglip_shapes(64, 2, int(64 * 3.7362))
VAE = cospy.vae_shapes((32, 32, 32, 32))


class Case:
    """A published folder, its backbone, and the program on the same weights."""

    def __init__(self, folder: Path, *, progan: bool) -> None:
        self.name, self.folder, self.progan = "cospy_progan" if progan else "cospy", folder, progan
        self.options = {"tower": "tiny"} if progan else {"size": "tiny"}
        self.trunk = cospy.Trunk(unused=progan)
        randomize(self.trunk, 3)
        self.heads = [nn.Linear(32 if progan else 64, 1), nn.Linear(512, 1), nn.Linear(2, 1)]
        for number, head in enumerate(self.heads):
            randomize(head, number, head=0.3)
        self.vae = vit.random_weights(VAE)
        folder.mkdir()
        self.backbone = folder / "backbone.pth"
        if progan:
            tower = clip.Tower(width=64, depth=3, heads=4, patch=14, out=32)
            randomize(tower, 4)
            torch.save(tower.state_dict(), self.backbone)
            self.program: Logit = cospy.progan(tower, self.trunk, self.heads)
        else:
            siglip = vit.random_weights(SIGLIP)
            theirs = {f"visual.trunk.{key}": value for key, value in siglip.items()}
            torch.save(theirs | {"text.ln_final.bias": torch.zeros(2), "logit_bias": torch.zeros(())}, self.backbone)
            self.program = cospy.sd14(siglip, self.vae, self.trunk, self.heads)
        with torch.no_grad():
            settle(self.trunk, self.program, today.image_files(folder)[0])
        self.write(self.artifact())

    def artifact(self) -> dict[str, Tensor]:
        state = {f"artifact_encoder.{key}": value for key, value in self.trunk.state_dict().items()}
        if not self.progan:
            state |= {f"artifact_encoder.vae.{key}": value for key, value in self.vae.items()}
        return state | {f"fc.{key}": value for key, value in self.heads[1].state_dict().items()}

    def write(self, artifact: Mapping[str, Tensor]) -> None:
        for name, head in (("semantic", self.heads[0]), ("fusion", self.heads[2])):
            torch.save({f"fc.{key}": value for key, value in head.state_dict().items()}, self.file(name))
        torch.save(artifact, self.file("artifact"))

    def file(self, name: str) -> Path:
        return self.folder / f"{name}_weights.pth"

    def imported(self) -> Detector:
        out = self.folder / "out"
        return load_detector(
            import_checkpoint(self.folder, as_=self.name, out=out, backbone=self.backbone, options=self.options)
        )


@pytest.fixture(scope="module", params=[False, True], ids=["sd-v1_4", "progan"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("cospy") / "weights", progan=request.param)


def test_logits_are_those_of_the_published_program(case: Case, tmp_path: Path) -> None:
    detector = case.imported()
    today.same_logits(detector, case.program, today.image_files(tmp_path))
    side = detector.config.input.side or 0
    images = today.noise(2, 3, side, side)
    explainer = create_explainer("gradcam")
    assert explainer.layer(detector).endswith(".norm1+net.artifact.artifact_encoder.layer2")
    assert explainer(detector, images[:1]).std() > 0


def test_an_autoencoder_may_lie_beside_the_files(case: Case) -> None:
    if case.progan:
        pytest.skip("progan has no autoencoder")
    with torch.no_grad():
        images = today.noise(1, 3, 384, 384)
        logit = case.imported()(images)
        trunk = {key: value for key, value in case.artifact().items() if ".vae." not in key}
        assert len(trunk) == 146
        case.write(trunk)
        with pytest.raises(SynthscopeError, match=r"artifact\.artifact_encoder\.vae\..* missing"):
            case.imported()
        old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        vae = {key: value.contiguous() for key, value in case.vae.items()}
        for new, before in old.items():
            vae = {key.replace(f"attentions.0.{new}.", f"attentions.0.{before}."): v for key, v in vae.items()}
        save_file(vae, case.folder / "diffusion_pytorch_model.safetensors")
        torch.testing.assert_close(case.imported()(images), logit)
    case.write(case.artifact())


def test_keys_are_those_of_the_published_files() -> None:
    trunk = {k: tuple(v.shape) for k, v in cospy.Trunk(unused=False).state_dict().items()}
    vae = cospy.vae_shapes()
    assert len(vae) == 248 and sum(map(math.prod, vae.values())) == 83_653_863
    assert len(trunk) + len(vae) + 2 == 394
    siglip = cospy.siglip_shapes()
    assert len(siglip) == 342 and sum(map(math.prod, siglip.values())) == 428_225_600
    encoder = "artifact.artifact_encoder."
    wanted = {encoder + key: shape for key, shape in trunk.items()}
    heads = {"semantic.fc": 1152, "artifact.fc": 512, "fusion.fc": 2}
    wanted |= {f"{name}.weight": (1, width) for name, width in heads.items()} | {f"{name}.bias": (1,) for name in heads}
    sd14 = wanted | {f"{encoder}vae.{k}": s for k, s in vae.items()}
    assert today.layout("cospy") == sd14 | {f"semantic.model.{k}": s for k, s in siglip.items()}
    progan = wanted | {"semantic.fc.weight": (1, 768), f"{encoder}fc1.weight": (1, 512), f"{encoder}fc1.bias": (1,)}
    layout = {k: s for k, s in today.layout("cospy_progan").items() if not k.startswith("semantic.model.")}
    assert layout == progan and sum(key.startswith("artifact.") for key in progan) == 148


def test_other_files_are_refused(case: Case, tmp_path: Path) -> None:
    arguments = {"as_": case.name, "out": tmp_path / "out", "options": case.options}
    with pytest.raises(UsageError, match="Give --backbone: "):
        import_checkpoint(case.folder, **arguments)
    with pytest.raises(SynthscopeError, match="Expected exactly the weights of vit_"):
        import_checkpoint(case.folder, backbone=case.file("fusion"), **arguments)
    with pytest.raises(UsageError, match=r"got .*semantic_weights\.pth without semantic_weights\.pth\. Unpack"):
        import_checkpoint(case.file("semantic"), backbone=case.backbone, **arguments)
    for change in ({"fc.bias": None}, {"foreign": torch.zeros(1)}):
        state = {key: value for key, value in (case.artifact() | change).items() if value is not None}
        case.write(state)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("synthscope.detectors.published.names_that_fit", lambda state: [])
            with pytest.raises(SynthscopeError, match=r"artifact\.(fc\.bias missing|foreign unexpected)"):
                import_checkpoint(case.folder, backbone=case.backbone, **arguments)
    case.write(case.artifact())
    assert not (tmp_path / "out").exists()


def test_it_gives_no_verdict_without_its_backbone() -> None:
    with pytest.raises(SynthscopeError, match=r"trained weights of the backbone vit_so400m_patch14_siglip_384\.webli"):
        create_detector("cospy", options={"size": "tiny"})(torch.zeros(1, 3, 384, 384))
