"""Photographs through real autoencoders and pipelines of diffusers with random weights, and beside their fakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from typer.testing import CliRunner

from synthscope.annotations.load import load_annotations
from synthscope.annotations.mask_files import read_mask
from synthscope.annotations.masks import image_masks
from synthscope.annotations.validate import validate
from synthscope.cli import app
from synthscope.data.images import read_file, read_rgb
from synthscope.data.jpeg_header import read_compression
from synthscope.data.manifest import load_manifest
from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation.contract import Order, Permission
from synthscope.generation.libraries import import_diffusers
from synthscope.generation.reconstruct import inversion
from synthscope.generation.reconstruct.loading import open_pipeline
from synthscope.generation.spec import open_generator
from tests.data.histories import picture, stored
from tests.generation.tiny import copied, folder

pytest.importorskip("diffusers", reason="generating images needs diffusers")
diffusers = import_diffusers()

BLOCKS = {"block_out_channels": (8, 8, 8), "norm_num_groups": 4, "latent_channels": 4}
KINDS = {"down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of three kinds of autoencoders."""
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    diffusers.AutoencoderKL(**BLOCKS, **KINDS, sample_size=32).save_pretrained(root / "kl")
    diffusers.VQModel(**BLOCKS, **KINDS, num_vq_embeddings=16).save_pretrained(root / "vq")
    eight = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}
    diffusers.AutoencoderTiny(**eight, num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4).save_pretrained(
        root / "tiny"
    )
    return root


@pytest.fixture
def order(tmp_path: Path) -> Order:
    source = tmp_path / "photo.png"
    source.write_bytes(stored(picture(1, 90)[:61]))
    return Order("photo", "{generator}/val/ai/photo", "val", "a cat", seed=7, source=source)


def made(spec: str, *orders: Order) -> list[Any]:
    return list(open_generator(spec, Permission()).generate(orders))


@pytest.mark.parametrize("name", ["kl", "vq", "tiny"])
def test_a_round_trip_has_the_sources_size_and_is_what_the_model_says(models: Path, order: Order, name: str) -> None:
    (answer,) = made(f"vae:{models / name}", order)
    rgb = read_rgb(order.source or "")
    assert answer.rgb.shape == rgb.shape == (61, 90, 3)
    assert np.array_equal(made(f"vae:{models / name}", order)[0].rgb, answer.rgb)
    model = {"kl": diffusers.AutoencoderKL, "vq": diffusers.VQModel, "tiny": diffusers.AutoencoderTiny}[name]
    images = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
    more = (0, 4 - 90 % 4 if name != "tiny" else 6, 0, 3)  # up to a multiple of 4, of 8 for the last one
    with torch.inference_mode():
        loaded = model.from_pretrained(models / name).eval()
        encoded = loaded.encode(torch.nn.functional.pad(images, more, mode="reflect"))
        latent = encoded.latent_dist.mean if name == "kl" else encoded.latents
        expected = (loaded.decode(latent).sample[0, :, :61, :90] + 1) * 127.5
    assert np.abs(answer.rgb - expected.clamp(0, 255).permute(1, 2, 0).numpy()).max() <= 0.51


def test_a_latent_is_its_mode_or_drawn_by_the_seed(models: Path, order: Order) -> None:
    mode, other = (one.rgb for one in made(f"vae:{models / 'kl'}", order, replace(order, seed=8)))
    assert np.array_equal(mode, other)
    drawn = [one.rgb for one in made(f"vae:{models / 'kl'}?latent=sample", order, order, replace(order, seed=8))]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    with pytest.raises(UsageError, match="Expected latent=mode or sample, got 'mean'"):
        made(f"vae:{models / 'kl'}?latent=mean", order)


def test_large_pictures_go_through_in_tiles_where_the_model_knows_some(models: Path, order: Order) -> None:
    big = replace(order, source=(order.source or Path()).parent / "big.png")
    (big.source or Path()).write_bytes(stored(picture(2, 120)))
    whole, tiled = (made(f"vae:{models / 'kl'}{more}", big)[0].rgb for more in ("", "?megapixels=0.01"))
    assert whole.shape == tiled.shape == (120, 120, 3)
    assert not np.array_equal(whole, tiled)
    (refused,) = made(f"vae:{models / 'vq'}?megapixels=0.01", big)
    assert refused.error.startswith("Expected at most 0.01 megapixels of")


def test_bad_sources_are_answers_and_bad_models_are_sentences(models: Path, order: Order, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 nothing")
    answers = made(f"vae:{models / 'kl'}", replace(order, source=broken), order, replace(order, source=tmp_path / "no"))
    assert [answer.error is None for answer in answers] == [False, True, False]
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/config.json").write_text('{"_class_name": "CLIPTextModel"}')
    with pytest.raises(SynthscopeError, match="Expected an autoencoder of diffusers in .*, got 'CLIPTextModel'"):
        made(f"vae:{tmp_path / 'unet'}", order)
    pickled = copied("text", tmp_path / "pickled") / "vae"
    (pickled / "diffusion_pytorch_model.safetensors").rename(pickled / "diffusion_pytorch_model.bin")
    with pytest.raises(SynthscopeError, match="Expected weights .safetensors. of AutoencoderKL"):
        made(f"vae:{pickled}", order)
    with pytest.raises(SynthscopeError, match="got no config.json in it or in its vae"):
        made(f"vae:{tmp_path / 'nowhere'}", order)


@pytest.fixture(scope="module")
def pipeline() -> Any:
    checkpoint = SimpleNamespace(folder=folder() / "text")
    return open_pipeline(checkpoint, "AutoPipelineForText2Image", "cpu")  # type: ignore[arg-type]


@contextmanager
def predicting(pipeline: Any, factor: float) -> Iterator[None]:
    """As much of the noise that the random network predicts."""
    weights = list(pipeline.unet.conv_out.parameters())
    kept = [weight.detach().clone() for weight in weights]
    with torch.inference_mode():
        for weight in weights:
            weight.data *= factor
        yield
        for weight, old in zip(weights, kept, strict=True):
            weight.data.copy_(old)


def test_inversion_and_sampling_return_to_the_latent_the_nearer_the_more_steps(pipeline: Any) -> None:
    own = pipeline.scheduler
    pipeline.scheduler = diffusers.DDIMScheduler(  # of Stable Diffusion
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    errors = []
    with predicting(pipeline, 0.1):
        for steps in (10, 50):
            noise = inversion.along(pipeline, start, "a cat", steps, backwards=True)
            assert (noise - start).abs().mean() > 0.5
            errors.append(float((inversion.along(pipeline, noise, "a cat", steps) - start).abs().mean()))
    pipeline.scheduler = own
    assert errors[1] < 0.7 * errors[0] < 0.03, errors


def test_without_predicted_noise_inversion_is_a_factor(pipeline: Any) -> None:
    """Then every step multiplies by the root of a ratio of cumulated alphas, and all of them by that of the ends."""
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with predicting(pipeline, 0):
        noise = inversion.along(pipeline, start, "", 10, backwards=True)
        back = inversion.along(pipeline, noise, "", 10)
    alphas = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)  # DDPM's betas, which the tiny pipeline has
    last = 9 * 100 + pipeline.scheduler.config.steps_offset
    assert torch.allclose(noise, start * (alphas[last] / alphas[0]).sqrt(), atol=1e-4)
    assert torch.allclose(back, start, atol=1e-3)


def test_an_inverted_source_has_its_size_and_a_pipeline_without_betas_is_refused(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    (answer,) = made(f"inversion:{folder() / 'text'}?steps=2&device=cpu", order)
    assert answer.error is None
    assert answer.rgb.shape == (61, 90, 3)
    flow = SimpleNamespace(scheduler=diffusers.FlowMatchEulerDiscreteScheduler())
    monkeypatch.setattr(inversion, "open_pipeline", lambda *_: flow)
    with pytest.raises(SynthscopeError, match="noise follows betas.*FlowMatchEulerDiscreteScheduler"):
        made(f"inversion:{folder() / 'text'}", order)


@pytest.mark.parametrize("masks", ["rectangle", "ellipse", "strokes"])
def test_outside_of_the_mask_stand_the_sources_own_pixels(order: Order, masks: str) -> None:
    spec = f"inpaint:{folder() / 'text'}?steps=2&masks={masks}&share=0.2&device=cpu"
    (answer,) = made(spec, order)
    rgb = read_rgb(order.source or "")
    assert answer.error is None
    assert np.array_equal(answer.rgb[~answer.mask], rgb[~answer.mask])
    assert (answer.rgb[answer.mask] != rgb[answer.mask]).any(axis=1).mean() > 0.9
    (again,) = made(spec, order)
    assert np.array_equal(again.rgb, answer.rgb)


def test_of_a_large_source_only_what_surrounds_the_mask_goes_through(order: Order, tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(stored(picture(3, 160)))
    large = replace(order, source=tmp_path / "large.png")
    spec = f"inpaint:{folder() / 'text'}?steps=2&masks=rectangle&device=cpu&megapixels=0.015"
    (answer, tight) = (*made(f"{spec}&share=0.1", large), *made(f"{spec}&share=0.6", large))
    rgb = read_rgb(large.source or "")
    assert np.array_equal(answer.rgb[~answer.mask], rgb[~answer.mask])
    assert (answer.rgb[answer.mask] != rgb[answer.mask]).any(axis=1).mean() > 0.9
    assert tight.error.startswith("Expected at most 0.015 megapixels around a mask")


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["data", "generate", *map(str, words)])


def test_the_command_writes_pairs_masks_and_annotations_and_goes_on(tmp_path: Path) -> None:
    photos = tmp_path / "photos/one/val/nature"
    photos.mkdir(parents=True)
    (tmp_path / "photos/one/val/ai").mkdir()
    (tmp_path / "photos/one/val/ai/x.png").write_bytes(stored(picture(9, 64)))
    for i, quality in enumerate((80, 91, 95)):
        (photos / f"photo {i}.JPEG").write_bytes(stored(picture(i, 64), "JPEG", quality=quality))
    (photos / "broken.JPEG").write_bytes((photos / "photo 0.JPEG").read_bytes()[:300])
    models = folder() / "text"
    words = [
        "--reconstruct", f"genimage:{tmp_path / 'photos'}", "-g", f"vae:{models}?name=v&device=cpu", "-g",
        f"inpaint:{models}?name=i&steps=2&share=0.3&device=cpu", "--like-source", "-o", tmp_path / "out",
    ]  # fmt: skip
    result = run(*words)
    assert result.exit_code == 3, result.output
    assert "6 images made, 2 failed" in result.output
    prompts = pl.read_parquet(tmp_path / "out/prompts.parquet")
    assert set(prompts.filter(pl.col("error").is_not_null())["uid"]) == {"broken"}
    good = prompts.filter(pl.col("error").is_null())
    for row in good.iter_rows(named=True):
        real, fake, source = tmp_path / "out" / row["real"], tmp_path / "out" / row["path"], Path(row["source"])
        assert real.read_bytes() == source.read_bytes()
        assert read_compression(fake) == read_compression(source) != (None, None)
        assert read_rgb(fake).shape == read_rgb(source).shape
    manifest = load_manifest(tmp_path / "out/manifest.parquet")
    assert manifest.group_by("group", "subset").agg(pl.col("label").sort())["label"].to_list() == [[0, 1]] * 6

    table = load_annotations(tmp_path / "out/annotations.parquet")
    assert validate(table) == []
    assert set(table["path"]) == set(manifest.filter(subset="i", label=1)["path"])
    for row in table.iter_rows(named=True):
        mask = read_mask(row["mask_path"], rule="nonzero")
        assert np.array_equal(image_masks([row], 64, 64), mask)
        assert 0.2 < mask.mean() < 0.5
        assert row["sha256"] == read_file(row["path"])[1]

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.jpg")}
    (photos / "broken.JPEG").write_bytes(stored(picture(5, 64), "JPEG"))  # mended
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "8 images made, 0 failed" in result.output
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    result = run(*words, "--resave-source")
    assert result.exit_code == 1
    assert "Expected the same resave_source" in str(result.exception or result.output)


def test_options_that_contradict_each_other_are_sentences(tmp_path: Path) -> None:
    for words, said in (
        (("--reconstruct", "m.parquet", "--val", "1"), "Expected classes and prompts, or --captions, or --reconstruct"),
        (("--reconstruct", "m.parquet", "--resave-source"), "Expected --resave-source beside --like-source"),
    ):
        result = run(*words, "-g", "vae:x", "-o", tmp_path / "out")
        assert said in str(result.exception)
