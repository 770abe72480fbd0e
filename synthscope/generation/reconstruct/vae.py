"""``vae:FOLDER``: photographs through an autoencoder and back, which is what a latent generator does to every picture.

As in "Aligned datasets improve detection of latent diffusion-generated images" (Rajan et al. 2025): real and fake
differ in the decoder alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthscope.errors import UsageError
from synthscope.generation.contract import Made, Order, Permission
from synthscope.generation.reconstruct.autoencoder import factor_of, find_autoencoder, load_autoencoder, round_trip
from synthscope.generation.reconstruct.from_source import FromSource
from synthscope.generation.running import device_of

LATENTS = ("mode", "sample")


class Autoencoder(FromSource):
    """Encodes and decodes sources.

    Args:
        target: Folder or hub id of an autoencoder, or of a pipeline that has one.
        permission: Whether it may be downloaded.
        name: Of the generator; default: ``vae_`` and that of the folder.
        latent: ``mode``, or ``sample``, drawn by the order's seed.
        megapixels: Larger pictures go through in tiles, or not at all where the autoencoder knows none.
        device: Of torch.
    """

    def __init__(
        self,
        target: str,
        permission: Permission,
        *,
        name: str = "",
        latent: str = "mode",
        megapixels: str = "4",
        device: str = "",
    ) -> None:
        if latent not in LATENTS:
            raise UsageError(f"Expected latent={' or '.join(LATENTS)}, got {latent!r}. Correct it.")
        self.checkpoint, self.sampled = find_autoencoder(target, permission), latent == "sample"
        super().__init__(name or f"vae_{Path(target).resolve().name}", megapixels, device)

    def facts(self) -> dict[str, Any]:
        """Columns of the table of prompts."""
        return {
            "model": self.checkpoint.model, "revision": self.checkpoint.revision, "dtype": "fp32",
            "latent": LATENTS[self.sampled], "megapixels": self.largest,
        }  # fmt: skip

    def load(self) -> tuple[Any, int]:
        """The autoencoder and the factor of its latent."""
        model = load_autoencoder(self.checkpoint.folder).to(device_of(self.device))
        return model, factor_of(model)

    def from_pixels(self, model: tuple[Any, int], rgb: np.ndarray, sha256: str, order: Order) -> Made:
        """A source, decoded from its latent."""
        import torch

        autoencoder, factor = model
        tiles = not self.fits(rgb)
        if tiles and not hasattr(autoencoder, "use_tiling"):
            raise self.too_large(order)
        drawn = torch.Generator("cpu").manual_seed(order.seed) if self.sampled else None
        return Made(rgb=round_trip(autoencoder, rgb, factor, tiles=tiles, generator=drawn))
