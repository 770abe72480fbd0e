"""Real diffusers pipelines with random weights: from words, classes and images, in any batches; no unsafe files."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'synthscope[generate]'")

from synthscope.cli import main
from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation.classes import imagenet_classes
from synthscope.generation.contract import Order, Permission
from synthscope.generation.plan import addressed, class_orders
from synthscope.generation.prompts import template
from synthscope.generation.saving import png
from synthscope.generation.spec import open_generator
from tests.generation import tiny

ORDERS = [
    addressed(order, "g", 0)
    for order in class_orders(imagenet_classes()[:3], [template("{name}", "blur")], train=1, val=0, seed=0)
]


def opened(name: str, options: str) -> Any:
    return open_generator(f"diffusers:{tiny.folder() / name}?steps=2&device=cpu&{options}", Permission())


@pytest.mark.parametrize("name", ["text", "classes"])
def test_batches_change_no_picture(name: str) -> None:
    together, alone = opened(name, "batch=3"), opened(name, "batch=1")
    pictures = [made.rgb for made in together.generate(ORDERS)]
    assert all(rgb.shape == (64, 64, 3) and rgb.dtype == np.uint8 for rgb in pictures)
    assert min(np.abs(a.astype(int) - b).mean() for a, b in pairwise(pictures)) > 5
    for order, rgb in zip(ORDERS, pictures, strict=True):
        (made,) = alone.generate([order])
        assert np.abs(made.rgb.astype(int) - rgb).max() <= 1
    (other,) = alone.generate([addressed(ORDERS[0], "g", 1)])
    assert np.abs(other.rgb.astype(int) - pictures[0]).mean() > 5, "another seed, another picture"


def test_facts_are_the_pipelines_own() -> None:
    words, classes = opened("text", "guidance=3&size=32&name=a"), opened("classes", "name=b")
    told = words.facts()
    assert told["revision"].startswith("sha256:") and told["revision"] != classes.facts()["revision"]
    assert (told["model"], told["pipeline"], told["scheduler"]) == ("text", "StableDiffusionPipeline", "DDIMScheduler")
    assert (told["steps"], told["guidance"], told["size"], told["dtype"]) == (2, 3.0, "32x32", "fp32")
    assert classes.needs == ("class_index",) and words.needs == ()
    assert classes.facts()["guidance"] == 4.0, "the pipeline's default"
    assert classes.facts()["prompt"] is None, "it sees no words"
    (made,) = words.generate(ORDERS[:1])
    assert made.rgb.shape == (32, 32, 3) and made.record["nsfw"] is None and made.record["watermark"] is None


def test_a_strength_makes_images_from_images(tmp_path: Path) -> None:
    source = np.zeros((40, 100, 3), np.uint8)
    source[:, 50:] = 255
    (tmp_path / "s.png").write_bytes(png(source))
    (tmp_path / "broken.png").write_bytes(b"no image")
    generator = open_generator(f"diffusers:{tiny.folder() / 'text'}?steps=10&strength=0.1&device=cpu", Permission())
    assert generator.needs == ("source",) and generator.facts()["pipeline"] == "StableDiffusionImg2ImgPipeline"
    order = Order("a", "g/val/ai/a", "val", "x", seed=3, source=tmp_path / "s.png")
    bad = Order("b", "g/val/ai/b", "val", "x", seed=3, source=tmp_path / "broken.png")
    first, second, third = generator.generate([order, bad, Order(**{**vars(order), "uid": "c"})])
    assert second.rgb is None and "broken.png" in str(second.error)
    assert np.array_equal(first.rgb, third.rgb)  # type: ignore[arg-type]
    assert first.rgb is not None and first.rgb.shape == (64, 64, 3)


def test_a_safety_checker_is_a_column() -> None:
    generator = opened("text", "name=a")
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 16, "projection_dim": 16,
    }  # fmt: skip
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=16))
    pipeline = generator._pipeline()
    pipeline.safety_checker = checker
    pipeline.feature_extractor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    for least_similarity, hidden in ((2.0, False), (-2.0, True)):
        checker.concept_embeds_weights.data.fill_(least_similarity)
        checker.special_care_embeds_weights.data.fill_(2.0)
        (made,) = generator.generate(ORDERS[:1])
        assert made.record["nsfw"] is hidden
        assert made.error == ("hidden by the safety checker" if hidden else None)


def test_stable_diffusion_xl_marks_images_only_if_asked(tmp_path: Path) -> None:
    imwatermark = pytest.importorskip("imwatermark", reason="invisible-watermark is not installed")
    from synthscope.generation.libraries import import_diffusers

    tiny.xl_pipeline(tmp_path / "xl")
    spec = f"diffusers:{tmp_path / 'xl'}?steps=1&size=256&device=cpu"
    (plain,) = open_generator(spec, Permission()).generate(ORDERS[:1])
    (marked,) = open_generator(f"{spec}&watermark=on", Permission()).generate(ORDERS[:1])
    assert plain.record["watermark"] is None and marked.record["watermark"] == "dwtDct"
    bits = import_diffusers().pipelines.stable_diffusion_xl.watermark.WATERMARK_BITS
    reader = imwatermark.WatermarkDecoder("bits", len(bits))
    assert marked.rgb is not None and plain.rgb is not None
    right = [np.mean(np.array(reader.decode(made[..., ::-1], "dwtDct")) == bits) for made in (marked.rgb, plain.rgb)]
    assert right[0] > 0.9 > right[1]
    small = f"diffusers:{tmp_path / 'xl'}?steps=1&size=64&device=cpu&watermark=on"
    assert open_generator(small, Permission()).generate(ORDERS[:1])[0].record["watermark"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("step=2", "options of the generator diffusers .*'step'. Did you mean steps"),
        ("steps=0", "steps as a whole number from 1 to 10000, got '0'"),
        ("dtype=int8", "dtype=fp32 or fp16 or bf16, got 'int8'"),
        ("size=64x", "size=512 or size=768x512"),
        ("name=train", "name of a generator, .*'train'"),
        ("name=../x", "name of a generator"),
        ("watermark=on", "options that StableDiffusionPipeline has a use for, got watermark"),
    ],
)
def test_wrong_options_are_told(options: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        open_generator(f"diffusers:{tiny.folder() / 'text'}?{options}", Permission())


def test_options_without_a_use_and_devices_that_are_not_there_are_told() -> None:
    with pytest.raises(UsageError, match="DiTPipeline has a use for, got size"):
        open_generator(f"diffusers:{tiny.folder() / 'classes'}?size=32", Permission())
    with pytest.raises(UsageError, match="device of this machine, got device=warp:7"):
        open_generator(f"diffusers:{tiny.folder() / 'text'}?device=warp:7", Permission()).facts()
    with pytest.raises(SynthscopeError, match="Expected images of text, got: .*divisible by 8.* Change its options"):
        opened("text", "size=30").generate(ORDERS[:1])


class Bomb:
    def __reduce__(self) -> Any:
        return print, ("code of a pickle has run",)


@pytest.mark.parametrize("wrong", ["no weights", "pickle", "code", "no index", "no folder", "cut"])
def test_a_pipeline_that_is_none_is_one_sentence(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tiny.copied("text", tmp_path / "p")
    weights = place / "unet" / "diffusion_pytorch_model.safetensors"
    sentence = {
        "no weights": "a .safetensors file in .*unet, got no weights",
        "pickle": "a .safetensors file in .*unet, got only diffusion_pytorch_model.bin, which could run code",
        "code": r"pipeline of diffusers itself in .*, got code of its own \(pipeline.py\)",
        "no index": "diffusers pipeline in .*, got no model_index.json",
        "no folder": "part of a pipeline in .*vae, got no folder",
        "cut": "pipeline that diffusers .* can load in .*, got: ",
    }[wrong]
    if wrong in ("no weights", "pickle"):
        weights.unlink()
    if wrong == "pickle":
        weights.with_suffix(".bin").write_bytes(pickle.dumps(Bomb()))
    if wrong == "code":
        (place / "pipeline.py").write_text("print('code of the folder has run')\n")
    if wrong == "no index":
        (place / "model_index.json").unlink()
    if wrong == "no folder":
        shutil.rmtree(place / "vae")
    if wrong == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(SynthscopeError, match=sentence):
        open_generator(f"diffusers:{place}?device=cpu", Permission()).generate(ORDERS[:1])
    assert "has run" not in capsys.readouterr().out


def test_a_class_that_diffusers_does_not_have_is_named(tmp_path: Path) -> None:
    place = tiny.copied("text", tmp_path / "p")
    parts = json.loads((place / "model_index.json").read_text())
    (place / "model_index.json").write_text(json.dumps(parts | {"_class_name": "logging"}))
    with pytest.raises(SynthscopeError, match="pipeline that diffusers .* has in .*, got logging"):
        open_generator(f"diffusers:{place}", Permission())


def test_hub_ids_come_from_the_cache_and_from_the_network_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub
    from huggingface_hub import constants

    from synthscope.generation.libraries import import_diffusers

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    asked: list[str] = []
    told = huggingface_hub.ModelInfo(
        id="me/tiny", sha="c" * 40, cardData={"license": "cc0-1.0"},
        siblings=[{"rfilename": "unet/a.safetensors", "size": 2_000_000_000}],
    )  # fmt: skip

    def info(target: str, **options: Any) -> Any:
        asked.append(target)
        return told

    def download(target: str, **options: Any) -> None:
        assert "licence cc0-1.0, up to 2.0 GB" in capsys.readouterr().err, "told before"
        assert options["use_safetensors"] is True
        model = tmp_path / "models--me--tiny"
        tiny.copied("text", model / "snapshots" / ("c" * 40))
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text("c" * 40)

    monkeypatch.setattr(huggingface_hub, "model_info", info)
    monkeypatch.setattr(import_diffusers().DiffusionPipeline, "download", download)
    with pytest.raises(SynthscopeError, match="folder me/tiny or that model in the cache.*Add --download"):
        open_generator("diffusers:me/tiny", Permission())
    assert not asked
    for permission in (Permission(download=True), Permission()):
        generator = open_generator("diffusers:me/tiny?device=cpu&steps=1", permission)
        assert generator.facts()["model"] == "me/tiny" and generator.facts()["revision"] == "c" * 40
    assert asked == ["me/tiny"]
    assert generator.generate(ORDERS[:1])[0].rgb is not None


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["synthscope", "data", "generate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_one_command_makes_a_benchmark_of_two_generators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "classes.txt").write_text("n01440764\nn01443537\n")
    asked = [
        "-o", str(tmp_path / "out"), "-g", f"diffusers:{tiny.folder() / 'text'}?steps=1&name=words",
        "-g", f"diffusers:{tiny.folder() / 'classes'}?steps=1", "--classes", str(tmp_path / "classes.txt"),
        "--train", "2", "--val", "1", "--template", "a {name}", "--template", "the {name}", "--negative", "blur",
    ]  # fmt: skip
    assert run(monkeypatch, *asked, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["generator", "train", "val", "classes", "images", "s/image", "hours", "GB", "cost"]
    assert lines[1].split()[:5] == ["words", "4", "2", "2", "6"] and not (tmp_path / "out").exists()
    assert run(monkeypatch, *asked) == 0
    assert "12 images made, 0 failed, 0 to come" in capsys.readouterr().out
    prompts = pl.read_parquet(tmp_path / "out" / "prompts.parquet")
    words, train = prompts.filter(generator="words"), prompts.filter(generator="words", split="train")
    assert set(train["prompt"]) == {"a tench", "the tench", "a goldfish", "the goldfish"}
    assert set(words["negative_prompt"]) == {"blur"} and prompts.filter(generator="classes")["prompt"].null_count() == 6
    assert run(monkeypatch, *asked, "--captions", "x.csv") == 2
    assert "--captions, or --reconstruct" in capsys.readouterr().err
