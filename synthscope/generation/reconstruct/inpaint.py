"""``inpaint:PIPELINE``: photographs of which a part is generated, with the exact mask of that part.

Outside the mask stand the source's own pixels, bit for bit, until a container compresses them. What a latent model does
to the rest of a picture (see ``vae``) never gets there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthscope.errors import SynthscopeError
from synthscope.generation.checkpoints import find_pipeline
from synthscope.generation.contract import Made, Order, Permission
from synthscope.generation.reconstruct.from_source import FromSource
from synthscope.generation.reconstruct.loading import multiple_of, open_pipeline
from synthscope.generation.reconstruct.masks import SHARE, Mask, masks_from
from synthscope.generation.reconstruct.padded import padded
from synthscope.generation.spec import number

MASKS = "masks"  # folder of a run
CONTEXT = 0.25  # of the mask's box, on every side of it, where a picture is too large to go through whole


class Inpaint(FromSource):
    """Generates inside of a mask.

    Args:
        target: Folder or hub id of an inpainting pipeline, or of a text-to-image one, whose latents are then blended.
        permission: Whether it may be downloaded.
        name: Of the generator; default: ``inpaint_`` and that of the folder.
        masks: See ``masks.masks_from``; drawn ones are the same for every generator.
        share: Of the image that drawn masks cover, from least to most.
        mask_seed: Of drawn masks.
        steps: Of the scheduler.
        guidance: By the prompt.
        strength: 1 = nothing of the source is left inside.
        megapixels: Of larger pictures only the mask's surroundings go through.
        device: Of torch.
    """

    def __init__(
        self,
        target: str,
        permission: Permission,
        *,
        name: str = "",
        masks: str = "random",
        share: str = SHARE,
        mask_seed: str = "0",
        steps: str = "30",
        guidance: str = "7.5",
        strength: str = "1",
        megapixels: str = "1.5",
        device: str = "",
    ) -> None:
        super().__init__(name or f"inpaint_{Path(target).resolve().name}", megapixels, device)
        self.checkpoint, self.masks = find_pipeline(target, permission), masks
        self.share = share
        self.mask_seed = int(number(mask_seed, "mask_seed", least=0, most=2**31, whole=True))
        self.mask_of = masks_from(masks, share, self.mask_seed)
        self.steps = int(number(steps, "steps", least=1, most=1000, whole=True))
        self.guidance = number(guidance, "guidance", least=0, most=100)
        self.strength = number(strength, "strength", least=0.01, most=1)

    def facts(self) -> dict[str, Any]:
        """Columns of the table of prompts."""
        return {
            "model": self.checkpoint.model, "revision": self.checkpoint.revision,
            "steps": self.steps, "guidance": self.guidance, "strength": self.strength,
            "dtype": "fp32", "masks": self.masks, "share": self.share, "mask_seed": self.mask_seed,
            "megapixels": self.largest,
        }  # fmt: skip

    def load(self) -> Any:
        """The pipeline."""
        return open_pipeline(self.checkpoint, "AutoPipelineForInpainting", self.device)

    def from_pixels(self, model: Any, rgb: np.ndarray, sha256: str, order: Order) -> Made:
        """A source with another inside of its mask."""
        mask = self.mask_of(str(order.source), sha256, order.uid, (rgb.shape[0], rgb.shape[1]))
        here = window(mask, self.largest * 1e6)
        made = rgb.copy()
        call = {"num_inference_steps": self.steps, "guidance_scale": self.guidance, "strength": self.strength}
        made[here], nsfw = inpainted(model, rgb[here], mask[here], order, call)
        if nsfw and not made[here].any():
            return Made(error="hidden by the safety checker")
        made[~mask] = rgb[~mask]
        return Made(rgb=made, mask=mask, record={"mask": f"{MASKS}/{self.name}/{order.uid}.png", "nsfw": nsfw})


def inpainted(
    pipeline: Any, rgb: np.ndarray, mask: Mask, order: Order, call: dict[str, Any]
) -> tuple[np.ndarray, bool | None]:
    """What a pipeline makes of uint8 ``(H, W, 3)`` pixels and a bool ``(H, W)`` mask, and what its checker says of it.

    Returns:
        uint8 ``(H, W, 3)``, also changed outside of the mask; and the flag, None where nothing is checked.
    """
    import torch
    from PIL import Image

    flags: list[bool | None] = []
    negative = {"negative_prompt": order.negative_prompt} if order.negative_prompt else {}

    def through(both: np.ndarray) -> np.ndarray:
        answer = pipeline(
            prompt=order.prompt, image=Image.fromarray(both[..., :3]), mask_image=Image.fromarray(both[..., 3]),
            height=both.shape[0], width=both.shape[1], generator=torch.Generator("cpu").manual_seed(order.seed),
            output_type="np", **negative, **call,
        )  # fmt: skip
        flags.extend(getattr(answer, "nsfw_content_detected", None) or [None])
        return np.rint(answer.images[0] * 255).astype(np.uint8)

    layers = np.dstack([rgb, mask.astype(np.uint8) * 255])
    return padded(layers, multiple_of(pipeline), through), flags[0]


def window(mask: Mask, largest: float) -> tuple[slice, slice]:
    """What of a picture goes through a model: all of it, or as much as surrounds its mask.

    Args:
        mask: bool ``(H, W)``.
        largest: In pixels.

    Raises:
        SynthscopeError: Even that is larger.

    >>> window(np.eye(100, dtype=bool)[:, :50], 5000)
    (slice(0, 100, None), slice(0, 50, None))
    >>> mask = np.zeros((100, 100), bool)
    >>> mask[40:60, 90:] = True
    >>> window(mask, 5000)
    (slice(35, 65, None), slice(88, 100, None))
    """
    if mask.size <= largest:
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    slices = []
    for axis in (1, 0):
        inside = np.flatnonzero(mask.any(axis))
        first, last = int(inside[0]), int(inside[-1]) + 1
        more = round((last - first) * CONTEXT)
        slices.append(slice(max(0, first - more), min(mask.shape[1 - axis], last + more)))
    rows, columns = slices
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if height * width > largest:
        raise SynthscopeError(
            f"Expected at most {largest / 1e6:g} megapixels around a mask, got {width} x {height} pixels. Draw smaller "
            "masks, scale the source, or raise megapixels=."
        )
    return rows, columns
