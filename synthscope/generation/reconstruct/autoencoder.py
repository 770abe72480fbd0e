"""Any autoencoder of diffusers: a folder with its weights, pixels to latents, and back."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthscope.errors import SynthscopeError
from synthscope.generation.checkpoints import Checkpoint, digest
from synthscope.generation.contract import Permission
from synthscope.generation.libraries import import_diffusers, offline
from synthscope.generation.reconstruct.padded import padded, to_pixels, to_tensor
from synthscope.generation.running import MODEL_ERRORS
from synthscope.runtime.files import read_json, reason

if TYPE_CHECKING:
    from torch import Tensor

_PLACES = ("", "vae", "vqvae", "movq")  # of an autoencoder's folder in the one that was named: a pipeline has it inside
_WEIGHTS = "diffusion_pytorch_model*.safetensors"
_PROBE = 64  # pixels


def find_autoencoder(target: str, permission: Permission) -> Checkpoint:
    """An autoencoder of a folder or of a hub id, or the one in a pipeline there.

    Nothing is downloaded unless ``permission`` says so.

    Raises:
        SynthscopeError: None there.
    """
    root = Path(target).expanduser()
    if not root.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", target, re.ASCII):
        root = _from_hub(target, permission)
    for place in _PLACES:
        if (root / place / "config.json").is_file():
            folder = root / place
            return Checkpoint(folder, Path(target).name, f"sha256:{digest(folder)}")
    raise SynthscopeError(
        f"Expected the folder of an autoencoder or of a pipeline of diffusers at {root}, got no config.json in it or "
        f"in its {', '.join(_PLACES[1:])}. Check the path."
    )


def _from_hub(target: str, permission: Permission) -> Path:
    import huggingface_hub

    wanted = [f"{place}/{name}".lstrip("/") for place in _PLACES for name in ("config.json", _WEIGHTS)]
    try:
        with nullcontext() if permission.download else offline():
            return Path(
                huggingface_hub.snapshot_download(
                    target, allow_patterns=wanted, local_files_only=not permission.download
                )
            )
    except Exception as error:  # the hub's client raises those of several libraries
        raise SynthscopeError(
            f"Expected a folder {target} or that model in the cache of huggingface_hub, got: {reason(error)}. Add "
            "--download, or correct the path."
        ) from error


def load_autoencoder(folder: Path) -> Any:
    """The model of a folder that ``save_pretrained`` wrote, from safetensors, without a network, in float32.

    Raises:
        SynthscopeError: No such model of pictures, or no weights.
    """
    diffusers = import_diffusers()
    kind = read_json(folder / "config.json", dict).get("_class_name")
    model: Any = getattr(diffusers, kind, None) if isinstance(kind, str) else None
    known = isinstance(model, type) and issubclass(model, diffusers.ModelMixin) and hasattr(model, "encode")
    if not known:
        raise SynthscopeError(
            f"Expected an autoencoder of diffusers in {folder}, got {kind!r}. Name a folder whose config.json says "
            "AutoencoderKL, AutoencoderTiny, VQModel or another one."
        )
    try:
        with offline():
            loaded = model.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except Exception as error:  # of three libraries
        raise SynthscopeError(
            f"Expected weights (safetensors) of {kind} in {folder}, got: {reason(error)}. Download the folder again, "
            "or save it by save_pretrained."
        ) from error
    return loaded.eval()


def factor_of(model: Any) -> int:
    """How many pixels one place of the latent stands for, across and down.

    Raises:
        SynthscopeError: Not an autoencoder of RGB pictures.
    """
    import torch

    try:
        with torch.inference_mode():
            probe = to_tensor(np.zeros((_PROBE, _PROBE, 3), np.uint8), next(model.parameters()))
            return _PROBE // int(latents(model, probe).shape[-1])
    except (*MODEL_ERRORS, IndexError) as error:
        raise SynthscopeError(
            f"Expected an autoencoder of RGB pictures, got {type(model).__name__}, which says: {reason(error)}. "
            "Name another one; those of videos and of sound are not read."
        ) from error


def latents(model: Any, images: Tensor, generator: Any = None) -> Tensor:
    """``(B, 3, H, W)`` in -1..1 -> ``(B, C, h, w)``: the mode of the latent, or a sample where a generator is given."""
    encoded = model.encode(images)
    if hasattr(encoded, "latent_dist"):
        return encoded.latent_dist.mode() if generator is None else encoded.latent_dist.sample(generator)
    return encoded.latents if hasattr(encoded, "latents") else encoded.latent


def round_trip(model: Any, rgb: np.ndarray, factor: int, *, tiles: bool, generator: Any = None) -> np.ndarray:
    """Encode and decode a picture at its own size.

    Args:
        model: Of :func:`load_autoencoder`.
        rgb: uint8 ``(H, W, 3)``; mirrored at its border up to a multiple of ``factor``.
        factor: Of :func:`factor_of`.
        tiles: Whether in tiles that overlap, as diffusers does it; the result differs a little.
        generator: Of torch; the latent is drawn by it. None = its mode.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    import torch

    if hasattr(model, "use_tiling"):
        model.use_tiling = tiles

    def through(pixels: np.ndarray) -> np.ndarray:
        images = to_tensor(pixels, next(model.parameters()))
        return to_pixels(model.decode(latents(model, images, generator)).sample)

    with torch.inference_mode():
        return padded(rgb, factor, through)
