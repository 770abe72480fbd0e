"""Imported checkpoints give the scores of plain copies of the published programs; whatever does not fit is refused."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner, Result

from synthscope import runtime
from synthscope.cli import app
from synthscope.data.images import read_rgb
from synthscope.detectors.base import Detector
from synthscope.detectors.checkpoints import read_checkpoint
from synthscope.detectors.clip import ClipProbe
from synthscope.detectors.drct import DrctConvNext
from synthscope.detectors.hub import load_detector, read_config
from synthscope.detectors.published import PUBLISHED, import_checkpoint, names_that_fit, published_table
from synthscope.detectors.published.convert import other_constant
from synthscope.errors import SynthscopeError, UsageError
from tests.reference.published import autogan, backbones, clip, cnndetection, f3net, freqnet, gramnet, ladeda, npr, ssp
from tests.reference.published.plain import Program, randomize, settle, write_images

runtime.tune_allocator()
WIDE, TALL, SMALL = 0, 1, 2  # files of write_images


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_images(tmp_path_factory.mktemp("images"))


def logit(detector: Detector, file: str) -> float:
    with torch.no_grad():
        return float(detector(detector.preprocess(read_rgb(file))[None]))


def same_scores(detector: Detector, program: Program, files: list[str], *, within: float = 2e-4) -> None:
    """Logits within 2e-4, so probabilities within 5e-5; neither saturated nor the same for all images."""
    with torch.no_grad():
        scores = np.array([program(file) for file in files])
    assert (0.005 < scores).all() and (scores < 0.995).all(), scores
    theirs = np.log(scores / (1 - scores))
    assert len(files) == 1 or np.ptp(theirs) > 0.005, theirs
    ours = np.array([logit(detector, file) for file in files])
    np.testing.assert_allclose(ours, theirs, atol=within, rtol=0)


def trained(network: nn.Module, program: Program, file: str, *, head: float = 1.0) -> nn.Module:
    randomize(network, 7, head=head)
    with torch.no_grad():
        settle(network, program, file)
    return network


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], Program], float, list[int]]] = {
    # name: network, program around it, size of the head's weights, images to score
    "cnnspot": (cnndetection.network, cnndetection.program, 0.1, [TALL, SMALL]),
    "freqnet": (freqnet.FreqNet, freqnet.program, 1.0, [TALL]),
    "gramnet": (gramnet.GramNet, gramnet.program, 1.0, [TALL]),
    "ladeda": (lambda: ladeda.LaDeDa9("NPR"), ladeda.program, 1.0, [TALL]),
    "npr": (npr.Npr, npr.program, 0.5, [TALL, SMALL]),
    "spec": (autogan.network, lambda network: autogan.program(network, "fft"), 1.0, [TALL, SMALL]),
    "spec_pixels": (autogan.network, lambda network: autogan.program(network, "image"), 1.0, [TALL, SMALL]),
    "tiny_ladeda_forensynth": (lambda: ladeda.TinyLaDeDa("NPR"), ladeda.program, 1.0, [TALL, SMALL]),
    "tiny_ladeda_wildrf": (lambda: ladeda.TinyLaDeDa("left_diag"), ladeda.program, 1.0, [TALL, SMALL]),
}
CONTAINERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "cnnspot": lambda state: {"model": state, "optimizer": {"state": {}}, "total_steps": 5},
    "gramnet": lambda state: {"netC": state},
    "spec": lambda state: {"epoch": 20, "state_dict": state},
    "tiny_ladeda_wildrf": lambda state: {f"module.{key}": value for key, value in state.items()},
}


@pytest.mark.parametrize("name", CASES)
def test_the_scores_are_those_of_the_published_program(name: str, files: list[str], tmp_path: Path) -> None:
    build, run, head, scored = CASES[name]
    network = build()
    program = run(network)
    trained(network, program, files[WIDE], head=head)
    torch.save(CONTAINERS.get(name, dict)(network.state_dict()), tmp_path / "published.pth")
    folder = import_checkpoint(tmp_path / "published.pth", as_=name, out=tmp_path / "detector")
    same_scores(load_detector(folder), program, [files[i] for i in scored])


@pytest.mark.parametrize("mode", ["raw", "NPR", *ladeda.SOBEL])
def test_every_gradient_of_tiny_ladeda(mode: str, files: list[str], tmp_path: Path) -> None:
    network = ladeda.TinyLaDeDa(mode)
    program = ladeda.program(network)
    save_file(trained(network, program, files[WIDE]).state_dict(), tmp_path / "tiny.safetensors")
    detector = load_detector(
        import_checkpoint(
            tmp_path / "tiny.safetensors",
            as_="tiny_ladeda_wildrf",
            out=tmp_path / "detector",
            options={"preprocessing": mode},
        )
    )
    same_scores(detector, program, files[TALL:])


@pytest.mark.parametrize("name", ["deit_s", "resnet50", "swin_t"])
def test_backbones_of_genimage_with_two_outputs(name: str, files: list[str], tmp_path: Path) -> None:
    network = backbones.network(name)
    program = backbones.program(name, network)
    trained(network, program, files[WIDE], head=0.5)
    state = network.state_dict()
    if name == "swin_t":
        state = backbones.original_swin(state)
        assert len(state) == 190
    scripts = {"deit_s": "model", "resnet50": "state_dict", "swin_t": "model"}
    torch.save({scripts[name]: state, "args": argparse.Namespace(lr=0.1), "epoch": 3}, tmp_path / "published.pth")
    folder = import_checkpoint(tmp_path / "published.pth", as_=name, out=tmp_path / "detector")
    same_scores(load_detector(folder), program, files[TALL:])


def test_f3net_needs_the_index_of_the_ai_output(files: list[str], tmp_path: Path) -> None:
    network = f3net.F3Net()
    randomize(network, 7, head=0.02)
    f3net.calm(network)
    flat, drawn = str(tmp_path / "flat.png"), str(tmp_path / "drawn.png")
    Image.new("RGB", (320, 320), (90, 140, 30)).save(flat)
    pixels = np.array(Image.open(files[WIDE]))
    pixels[:, 150:] = 255  # a photograph beside white paper
    Image.fromarray(pixels).save(drawn)
    program = f3net.program(network, ai_index=1)
    with torch.no_grad():
        settle(network, program, files[TALL])
    assert len(network.state_dict()) == 628
    torch.save(network.state_dict(), tmp_path / "published.pth")
    with pytest.raises(UsageError, match="Give --ai-index"):
        import_checkpoint(tmp_path / "published.pth", as_="f3net", out=tmp_path / "detector")
    folder = import_checkpoint(tmp_path / "published.pth", as_="f3net", out=tmp_path / "detector", ai_index=1)
    same_scores(load_detector(folder), program, [files[WIDE]])
    same_scores(load_detector(folder), program, [flat, drawn], within=1e-3)  # 0.4 with another order of the sums


def test_ssp_scores_its_patch_with_the_opposite_sign(files: list[str], tmp_path: Path) -> None:
    network = ssp.Ssp()
    patches = [np.array(Image.open(file).crop((40, 30, 72, 62))) for file in files]
    trained(network, lambda _: ssp.p_ai(network, patches[WIDE]), "", head=0.1)
    torch.save(network.state_dict(), tmp_path / "published.pth")
    detector = load_detector(import_checkpoint(tmp_path / "published.pth", as_="ssp", out=tmp_path / "detector"))
    net, state = detector.get_submodule("net"), network.state_dict()
    assert other_constant(state, net) is None
    assert other_constant(state | {"srm.kernel": state["srm.kernel"].flip(0)}, net) == "srm.kernel"
    for file, patch in zip(files, patches, strict=True):
        chosen = detector.preprocess(read_rgb(file)).permute(1, 2, 0).numpy()
        assert chosen.shape == (32, 32, 3) and ssp.texture(chosen) <= ssp.texture(patch)
    same_scores(
        detector, lambda file: ssp.p_ai(network, detector.preprocess(read_rgb(file)).permute(1, 2, 0).numpy()), files
    )


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Sides at which two programs' centres differ by a pixel, sides at which they don't, and a small image."""
    return write_images(tmp_path_factory.mktemp("photographs"), [(343, 255), (341, 253), (300, 400), (201, 263)])


@pytest.fixture
def small_clip(monkeypatch: pytest.MonkeyPatch) -> clip.Tower:
    """ViT-L/14 has 304 million parameters; the same tower, 32 wide and 2 deep."""
    monkeypatch.setattr(ClipProbe, "tower", {"width": 32, "depth": 2, "heads": 4, "features": 24})
    tower = clip.Tower(width=32, depth=2, heads=4, patch=14, out=24)
    randomize(tower, 3)
    return tower


def open_ai(tower: nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """A whole CLIP, as in detectors' checkpoints."""
    visual = {f"{prefix}visual.{key}": value for key, value in tower.state_dict().items()}
    return visual | {prefix + key: value for key, value in clip.text_tower(16).items()}


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # but OpenAI's file is what it writes
def test_universal_fake_detect_from_its_head_or_from_a_whole_checkpoint(
    small_clip: clip.Tower, files: list[str], tmp_path: Path
) -> None:
    fc = nn.Linear(24, 1)
    randomize(fc, 5, head=0.3)
    program = clip.universal_fake_detect(small_clip, fc)
    head, backbone, whole, out = (tmp_path / name for name in ("head.pth", "clip.pth", "whole.pth", "detector"))
    torch.save(fc.state_dict(), head)
    torch.save(open_ai(small_clip, ""), backbone)
    torch.save({"model": open_ai(small_clip, "model.") | {f"fc.{k}": v for k, v in fc.state_dict().items()}}, whole)
    with pytest.raises(UsageError, match="Give --backbone: CLIP ViT-L/14"):
        import_checkpoint(head, as_="univfd", out=out)
    same_scores(load_detector(import_checkpoint(head, as_="univfd", out=out, backbone=backbone)), program, files)
    assert str(tmp_path) not in (out / "config.json").read_text()
    same_scores(load_detector(import_checkpoint(whole, as_="univfd", out=out)), program, files)
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "ViT-L-14.pt")
    with pytest.raises(SynthscopeError, match="TorchScript program.*hf-hub:timm/vit_large_patch14_clip_224.openai"):
        import_checkpoint(head, as_="univfd", out=out, backbone=tmp_path / "ViT-L-14.pt")
    with pytest.raises(UsageError, match="is not a head alone"):
        import_checkpoint(whole, as_="univfd", out=out, backbone=backbone)
    state = read_checkpoint(whole)[0] | {"model.visual.foreign": torch.zeros(1)}
    torch.save(state, whole)
    with pytest.raises(SynthscopeError, match=r"got model\.foreign unexpected"):
        import_checkpoint(whole, as_="univfd", out=out)


def test_drct_on_clip(small_clip: clip.Tower, photographs: list[str], tmp_path: Path) -> None:
    embed, fc = nn.Linear(24, 1024), nn.Linear(1024, 2)
    randomize(embed, 4)
    randomize(fc, 5, head=0.2)
    state = open_ai(small_clip, "model.model.")
    state |= {f"model.fc.{k}": v for k, v in embed.state_dict().items()}
    state |= {f"fc.{k}": v for k, v in fc.state_dict().items()}
    torch.save(state, tmp_path / "published.pth")
    folder = import_checkpoint(tmp_path / "published.pth", as_="drct_clip", out=tmp_path / "detector")
    same_scores(load_detector(folder), clip.drct(nn.Sequential(small_clip, embed), fc), photographs)


def test_drct_on_a_small_convnext_with_either_output_as_ai(
    photographs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DrctConvNext, "model", "test_convnext")
    backbone, fc = runtime.import_timm().create_model("test_convnext", num_classes=1024), nn.Linear(1024, 2)
    randomize(backbone, 4)
    randomize(fc, 5, head=0.2)
    state = {f"model.{k}": v for k, v in backbone.state_dict().items()}
    torch.save(state | {f"fc.{k}": v for k, v in fc.state_dict().items()}, tmp_path / "published.pth")
    folder = import_checkpoint(tmp_path / "published.pth", as_="drct_convnext", out=tmp_path / "detector")
    same_scores(load_detector(folder), clip.drct(backbone.eval(), fc), photographs)
    folder = import_checkpoint(tmp_path / "published.pth", as_="drct_convnext", out=tmp_path / "other", ai_index=0)
    head = load_detector(folder).get_submodule("net.fc")
    assert torch.equal(head.weight, fc.weight[:1] - fc.weight[1:]) and torch.equal(head.bias, fc.bias[:1] - fc.bias[1:])
    for index in (2, -1):
        with pytest.raises(UsageError, match="Expected 0 or 1"):
            import_checkpoint(tmp_path / "published.pth", as_="drct_convnext", out=tmp_path / "x", ai_index=index)
    with pytest.raises(UsageError, match="has one output"):
        import_checkpoint(tmp_path / "published.pth", as_="npr", out=tmp_path / "x", ai_index=0)


@pytest.fixture(scope="module")
def tiny() -> dict[str, torch.Tensor]:
    network = ladeda.TinyLaDeDa("NPR")
    randomize(network, 1)
    return network.state_dict()


def refused(content: object, tmp_path: Path, sentence: str, *, as_: str = "tiny_ladeda_wildrf") -> None:
    file = tmp_path / "file.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(SynthscopeError, match=sentence) as caught:
        import_checkpoint(file, as_=as_, out=tmp_path / "out")
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_partial_matches_are_refused_by_name(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    less = {key: value for key, value in tiny.items() if key != "bn1.bias"}
    unknown = "No published detector has these keys"
    refused(less, tmp_path, rf"Expected the 21 keys .* got bn1\.bias missing\. {unknown}")
    mixed = {f"module.{key}" if key.startswith("fc") else key: value for key, value in tiny.items()}
    refused(mixed, tmp_path, r"got fc\.bias and 1 more missing and module\.fc\.bias and 1 more unexpected")
    refused(tiny | {"fc.weight": torch.zeros(1, 9)}, tmp_path, r"shape \(1, 9\) instead of \(1, 8\) for fc.weight")
    refused(tiny | {"fc.bias": torch.tensor([torch.nan])}, tmp_path, r"not finite in fc\.bias\. Download")
    variance = tiny | {"bn1.running_var": -tiny["bn1.running_var"]}
    refused(variance, tmp_path, r"got a negative variance in bn1\.running_var\. Download")


def test_files_of_old_torch_have_no_counters(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    old = {key: value for key, value in tiny.items() if not key.endswith("num_batches_tracked")}
    assert len(old) == len(tiny) - 3
    torch.save(old, tmp_path / "old.pth")
    detector = load_detector(import_checkpoint(tmp_path / "old.pth", as_="tiny_ladeda_wildrf", out=tmp_path / "d"))
    state = detector.get_submodule("net").state_dict()
    assert all(torch.equal(state[key], value) for key, value in old.items())
    assert [int(state[key]) for key in state.keys() - old.keys()] == [0, 0, 0]
    assert "tiny_ladeda_wildrf" in names_that_fit(old)
    refused({key: value for key, value in old.items() if key != "fc.bias"}, tmp_path, r"got fc\.bias missing\.")
    some = old | {"bn1.num_batches_tracked": torch.tensor(3)}
    refused(some, tmp_path, r"num_batches_tracked and 1 more missing\.")


def test_keys_of_another_detector_are_recognised(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    use = "keys of tiny_ladeda_forensynth or tiny_ladeda_wildrf: use --as tiny_ladeda_forensynth"
    refused(tiny, tmp_path, use, as_="npr")
    with torch.device("meta"):
        assert names_that_fit(cnndetection.network().state_dict()) == ["cnnspot"]  # not resnet50, which has two outputs
    assert names_that_fit({"weight": torch.zeros(1, 768), "bias": torch.zeros(1)}) == ["univfd"]


def test_the_folder_says_where_it_comes_from(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(tiny, tmp_path / "WildRF.pth")
    folder = import_checkpoint(
        tmp_path / "WildRF.pth", as_="tiny_ladeda_wildrf", out=tmp_path / "d", name="wild", input={"resize": None}
    )
    config = read_config(folder)
    assert (config.name, config.architecture, config.options["preprocessing"]) == ("wild", "tiny_ladeda", "left_diag")
    assert config.input.resize is None and "Yissum" in str(config.licence)
    card = (folder / "README.md").read_text()
    assert read_checkpoint(tmp_path / "WildRF.pth")[1] in card and "barcavia" in card and "Yissum" in card


def test_the_table_names_source_and_licence_of_every_detector() -> None:
    table = published_table()
    assert [row["name"] for row in table] == list(PUBLISHED) == sorted(PUBLISHED)
    assert all(row["source"].startswith("https://") and row["licence"] for row in table)
    assert {row["AI is"] for row in table} == {
        "a positive logit", "a negative logit", "output 0 of two", "output 1 of two", "one of two outputs",
    }  # fmt: skip


def test_import_on_the_command_line(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["detectors", *map(str, arguments)])

    torch.save(tiny, tmp_path / "tiny.pth")
    options = "--as", "tiny_ladeda_wildrf", "-o", tmp_path / "out", "--set", "preprocessing=raw"
    done = run("import", tmp_path / "tiny.pth", *options, "--set", "input.resize=null")
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "out"), done.output
    config = read_config(tmp_path / "out")
    assert config.options["preprocessing"] == "raw" and config.input.resize is None
    wrong = run("import", tmp_path / "tiny.pth", "--as", "tiny_ladeda", "-o", tmp_path / "x")
    assert isinstance(wrong.exception, UsageError) and "Did you mean tiny_ladeda_wildrf" in str(wrong.exception)
    for override in ("preprocessing", "=raw", "input.resize={"):
        wrong = run("import", tmp_path / "tiny.pth", *options, "--set", override)
        assert isinstance(wrong.exception, UsageError) and override in str(wrong.exception)
    assert "WildRF_Tiny_LaDeDa.pth" in run("list", "--published").stdout
