"""``inversion:PIPELINE``: photographs to the noise that a diffusion model makes them from, and back (DDIM inversion).

Song et al. 2021, "Denoising diffusion implicit models"; used for pairs of real and fake by DIRE (Wang et al. 2023).
The pipeline itself runs both ways at guidance 1, once with the inverse scheduler; what does not come back is the error
of the steps, the prompt's pull and the autoencoder's loss.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthscope.errors import SynthscopeError
from synthscope.generation.checkpoints import find_pipeline
from synthscope.generation.contract import Made, Order, Permission
from synthscope.generation.reconstruct.autoencoder import latents
from synthscope.generation.reconstruct.from_source import FromSource
from synthscope.generation.reconstruct.loading import multiple_of, open_pipeline
from synthscope.generation.reconstruct.padded import padded, to_pixels, to_tensor
from synthscope.generation.spec import number

if TYPE_CHECKING:
    from torch import Tensor


class Inversion(FromSource):
    """Inverts sources and samples them again, with the prompts of the orders, which may be empty.

    Args:
        target: Folder or hub id of a text-to-image pipeline whose noise follows betas: Stable Diffusion 1, 2 or XL.
        permission: Whether it may be downloaded.
        name: Of the generator; default: ``inversion_`` and that of the folder.
        steps: Each way.
        megapixels: Larger pictures are errors.
        device: Of torch.
    """

    def __init__(
        self,
        target: str,
        permission: Permission,
        *,
        name: str = "",
        steps: str = "50",
        megapixels: str = "1.5",
        device: str = "",
    ) -> None:
        super().__init__(name or f"inversion_{Path(target).resolve().name}", megapixels, device)
        self.checkpoint = find_pipeline(target, permission)
        self.steps = int(number(steps, "steps", least=1, most=1000, whole=True))

    def facts(self) -> dict[str, Any]:
        """Columns of the table of prompts."""
        return {
            "model": self.checkpoint.model, "revision": self.checkpoint.revision,
            "scheduler": "DDIM", "steps": self.steps, "guidance": 1.0, "dtype": "fp32",
            "megapixels": self.largest,
        }  # fmt: skip

    def load(self) -> Any:
        """The pipeline. Raises ``SynthscopeError`` for one whose noise does not follow betas."""
        pipeline = open_pipeline(self.checkpoint, "AutoPipelineForText2Image", self.device)
        if "beta_schedule" not in pipeline.scheduler.config:
            raise SynthscopeError(
                f"Expected a pipeline whose noise follows betas, as of Stable Diffusion 1, 2 or XL, got the scheduler "
                f"{type(pipeline.scheduler).__name__} in {self.checkpoint.folder}. Name another pipeline, or "
                "use its autoencoder alone by vae:FOLDER."
            )
        return pipeline

    def from_pixels(self, model: Any, rgb: np.ndarray, sha256: str, order: Order) -> Made:
        """A source, sampled again from its noise."""
        import torch

        if not self.fits(rgb):
            raise self.too_large(order)

        def through(pixels: np.ndarray) -> np.ndarray:
            images = to_tensor(pixels, next(model.vae.parameters()))
            start = scaled(model.vae, latents(model.vae, images))
            noise = along(model, start, order.prompt, self.steps, backwards=True)
            found = along(model, noise, order.prompt, self.steps)
            return to_pixels(model.vae.decode(unscaled(model.vae, found)).sample)

        with torch.inference_mode():
            return Made(rgb=padded(rgb, multiple_of(model), through))


def along(pipeline: Any, start: Tensor, prompt: str, steps: int, *, backwards: bool = False) -> Tensor:
    """Where ``steps`` steps of DDIM without noise lead: from noise to a latent or, ``backwards``, the other way.

    The two have the same time steps; a step back is the exact inverse of one forth as far as the model predicts the
    same noise at both of its ends.

    Args:
        pipeline: Of diffusers.
        start: ``(1, C, h, w)``, scaled as the model sees latents.
        prompt: Guidance is 1, so there is no negative one.
        steps: At most as many as the model was trained on.
        backwards: Towards the noise.

    Returns:
        ``(1, C, h, w)``.
    """
    from diffusers import DDIMInverseScheduler, DDIMScheduler

    kind = DDIMInverseScheduler if backwards else DDIMScheduler
    exact = {"clip_sample": False, "set_alpha_to_one": False, "timestep_spacing": "leading", "thresholding": False}
    taken = inspect.signature(kind.__init__).parameters
    config = {name: value for name, value in {**pipeline.scheduler.config, **exact}.items() if name in taken}
    pipeline.scheduler = kind.from_config(config)
    factor = pipeline.vae_scale_factor
    return pipeline(
        prompt=prompt, latents=start, height=start.shape[2] * factor, width=start.shape[3] * factor,
        num_inference_steps=steps, guidance_scale=1.0, output_type="latent",
    ).images  # fmt: skip


def scaled(vae: Any, found: Tensor) -> Tensor:
    """Latents of an autoencoder as the model beside it sees them."""
    return (found - (vae.config.get("shift_factor") or 0)) * (vae.config.get("scaling_factor") or 1)


def unscaled(vae: Any, found: Tensor) -> Tensor:
    """The inverse of :func:`scaled`."""
    return found / (vae.config.get("scaling_factor") or 1) + (vae.config.get("shift_factor") or 0)
