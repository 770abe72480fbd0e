"""Two diffusion pipelines with random weights, small enough for any machine: real code and files, meaningless pictures.

``python -m synthscope.generation.tiny FOLDER`` writes ``FOLDER/text``, a latent diffusion model with a text encoder, as
Stable Diffusion, and ``FOLDER/classes``, a diffusion transformer of ImageNet's classes; of 64 x 64 pixels both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from synthscope.generation.libraries import import_diffusers

LATENT = 16  # pixels of a latent image; the decoder makes four of each


def vae() -> Any:
    """An autoencoder of 3 -> 4 channels that makes images four times smaller."""
    blocks = 3
    return import_diffusers().AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * blocks, up_block_types=["UpDecoderBlock2D"] * blocks,
        block_out_channels=[8, 16, 16], norm_num_groups=4, latent_channels=4, sample_size=4 * LATENT,
    )  # fmt: skip


def tokenizer(folder: Path) -> Any:
    """A CLIPTokenizer of one token a character, of the printable ones of ASCII."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def text_pipeline(folder: Path, seed: int = 0) -> Path:
    """Write a StableDiffusionPipeline to ``folder``."""
    diffusers = import_diffusers()
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    words = tokenizer(folder / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    unet = diffusers.UNet2DConditionModel(
        sample_size=LATENT, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        norm_num_groups=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), cross_attention_dim=16,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=2,
    )  # fmt: skip
    diffusers.StableDiffusionPipeline(
        vae=vae(), text_encoder=CLIPTextModel(text), tokenizer=words, unet=unet,
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def class_pipeline(folder: Path, seed: int = 1) -> Path:
    """Write a DiTPipeline to ``folder``."""
    diffusers = import_diffusers()
    torch.manual_seed(seed)
    transformer = diffusers.DiTTransformer2DModel(
        sample_size=LATENT, in_channels=4, out_channels=4, patch_size=2, num_layers=1, num_attention_heads=2,
        attention_head_dim=8, num_embeds_ada_norm=1000,
    )  # fmt: skip
    pipeline = diffusers.DiTPipeline(transformer=transformer, vae=vae(), scheduler=diffusers.DDIMScheduler())
    pipeline.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    print(text_pipeline(Path(sys.argv[1]) / "text"))
    print(class_pipeline(Path(sys.argv[1]) / "classes"))
