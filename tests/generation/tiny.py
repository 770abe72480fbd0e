"""The tiny pipelines of ``synthscope.generation.tiny``, written once a process; and a generator without any model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from synthscope.generation.contract import Made, Order


@lru_cache(maxsize=1)
def folder() -> Path:
    """Holds ``text`` and ``classes``; tests copy what they change."""
    from synthscope.generation.tiny import class_pipeline, text_pipeline

    place = Path(tempfile.mkdtemp())
    text_pipeline(place / "text")
    class_pipeline(place / "classes")
    return place


def copied(name: str, to: Path) -> Path:
    return Path(shutil.copytree(folder() / name, to))


class Noise:
    """Noise by the seed; ``answer`` may be replaced."""

    needs: tuple[str, ...] = ()

    def __init__(self, name: str = "noise", batch: int = 2, **facts: Any) -> None:
        self.name, self.batch, self._facts = name, batch, facts
        self.asked: list[list[Order]] = []

    def facts(self) -> dict[str, Any]:
        return {"model": self.name, **self._facts}

    def generate(self, orders: Sequence[Order]) -> list[Made]:
        self.asked.append(list(orders))
        return [self.answer(order) for order in orders]

    def answer(self, order: Order) -> Made:
        return Made(np.random.default_rng(order.seed).integers(0, 256, (16, 16, 3), np.uint8))

    def close(self) -> None:
        self.asked.append([])


def xl_pipeline(place: Path) -> Path:
    """Write a StableDiffusionXLPipeline to ``place``."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from synthscope.generation.libraries import import_diffusers
    from synthscope.generation.tiny import tokenizer, vae

    diffusers = import_diffusers()
    torch.manual_seed(0)
    words = tokenizer(place / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=0, eos_token_id=1, pad_token_id=1, projection_dim=16,
    )  # fmt: skip
    unet = diffusers.UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        norm_num_groups=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), cross_attention_dim=32,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=2, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 16,
    )  # fmt: skip
    diffusers.StableDiffusionXLPipeline(
        vae=vae(), text_encoder=CLIPTextModel(text), text_encoder_2=CLIPTextModelWithProjection(text), unet=unet,
        tokenizer=words, tokenizer_2=words, scheduler=diffusers.EulerDiscreteScheduler(), add_watermarker=False,
    ).save_pretrained(place)  # fmt: skip
    return place
