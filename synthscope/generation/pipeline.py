"""One diffusers pipeline at work. Every image has noise of its own, so that batches change no picture."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from synthscope.data.images import read_rgb
from synthscope.errors import SynthscopeError, UnreadableImageError, UsageError
from synthscope.generation.checkpoints import Checkpoint, check_pipeline
from synthscope.generation.contract import Made, Order
from synthscope.generation.kinds import marks, needs, takes, value_of
from synthscope.generation.libraries import import_diffusers, offline
from synthscope.generation.running import MODEL_ERRORS, device_of, failure
from synthscope.runtime.files import reason

DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
SMALLEST_MARKED = 256  # pixels of a row: diffusers marks no smaller image
MARK = "dwtDct"  # method of imwatermark, which diffusers uses


@dataclass(frozen=True)
class Settings:
    """What a pipeline is to do."""

    name: str
    batch: int
    checkpoint: Checkpoint
    kind: Any  # class of diffusers
    call: dict[str, Any]  # arguments of every call
    device: str = ""
    dtype: str = ""
    variant: str = ""
    watermark: bool = False


class Pipeline:
    """A pipeline that is loaded when it is first asked for images."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.name, self.batch = settings, settings.name, settings.batch
        self._takes = takes(settings.kind)
        self.needs = needs(self._takes)
        self._loaded: Any = None

    @cached_property
    def device(self) -> Any:
        """Where it runs. Raises ``UsageError`` for one that is not there."""
        return device_of(self.settings.device)

    @property
    def dtype(self) -> str:
        """A key of ``DTYPES``."""
        return self.settings.dtype or ("fp16" if self.device.type == "cuda" else "fp32")

    def facts(self) -> dict[str, Any]:
        """See :class:`~synthscope.generation.contract.Generator`."""
        checkpoint, call = self.settings.checkpoint, self.settings.call
        scheduler = check_pipeline(checkpoint.folder).get("scheduler") or [None, None]
        return {
            "model": checkpoint.model, "revision": checkpoint.revision, "pipeline": self.settings.kind.__name__,
            "scheduler": scheduler[1], "steps": value_of(self._takes, call, "num_inference_steps"),
            "guidance": value_of(self._takes, call, "guidance_scale"),
            "strength": value_of(self._takes, call, "strength"), "dtype": self.dtype,
            "size": f"{call['width']}x{call['height']}" if "width" in call else None,
            "watermark_asked": self.settings.watermark,
            **{key: None for key in ("prompt", "negative_prompt") if key not in self._takes},  # it never sees them
        }  # fmt: skip

    def generate(self, orders: Sequence[Order]) -> list[Made]:
        """See :class:`~synthscope.generation.contract.Generator`; an order whose source cannot be read has an error."""
        import torch

        pipeline = self._pipeline()
        given, broken = self._sources(orders) if "source" in self.needs else ({}, {})
        good = [order for order in orders if order.uid not in broken]
        if not good:
            return [Made(error=broken[order.uid]) for order in orders]
        arguments = self._arguments(good, given)
        arguments["generator"] = [torch.Generator("cpu").manual_seed(order.seed) for order in good]
        try:
            with torch.inference_mode(), offline(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(good[0].seed)  # for the few schedulers that draw numbers of their own
                answer = pipeline(**arguments)
        except MODEL_ERRORS as error:
            problem = failure(error, self.name)
            if isinstance(problem, MemoryError):
                _free()
            raise problem from error
        flags = getattr(answer, "nsfw_content_detected", None) or [None] * len(good)
        made = {
            order.uid: self._made(image, flag) for order, image, flag in zip(good, answer.images, flags, strict=True)
        }
        return [made.get(order.uid) or Made(error=broken[order.uid]) for order in orders]

    def close(self) -> None:
        """Forget the weights."""
        self._loaded = None
        _free()

    def _pipeline(self) -> Any:
        if self._loaded is None:
            import torch

            diffusers, settings = import_diffusers(), self.settings
            options: dict[str, Any] = {"variant": settings.variant} if settings.variant else {}
            if marks(settings.kind):  # else it depends on what is installed
                options["add_watermarker"] = settings.watermark
            try:
                with offline(), warnings.catch_warnings():
                    warnings.simplefilter("ignore", FutureWarning)  # older versions know no other name of the dtype
                    loaded = settings.kind.from_pretrained(
                        settings.checkpoint.folder, use_safetensors=True, local_files_only=True,
                        torch_dtype=getattr(torch, DTYPES[self.dtype]), **options,
                    )  # fmt: skip
                    self._loaded = loaded.to(self.device)
            except Exception as error:  # of three libraries
                raise SynthscopeError(
                    f"Expected a pipeline that diffusers {diffusers.__version__} can load in "
                    f"{settings.checkpoint.folder}, got: {reason(error)}. Save or download it again."
                ) from error
            self._loaded.set_progress_bar_config(disable=True)
        return self._loaded

    def _arguments(self, orders: Sequence[Order], given: dict[str, np.ndarray]) -> dict[str, Any]:
        from PIL import Image

        call = {key: value for key, value in self.settings.call.items() if key in self._takes}
        if "prompt" in self._takes:
            call["prompt"] = [order.prompt for order in orders]
        if "negative_prompt" in self._takes and any(order.negative_prompt for order in orders):
            call["negative_prompt"] = [order.negative_prompt for order in orders]
        if "class_labels" in self._takes:
            call["class_labels"] = [order.class_index for order in orders]
        if "source" in self.needs:
            call["image"] = [Image.fromarray(given[order.uid]) for order in orders]
        return call | {"output_type": "pil"}

    def _sources(self, orders: Sequence[Order]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Sources that can be read, as large as images are to be, and what is wrong with the others, by uid."""
        given, broken = {}, {}
        for order in orders:
            try:
                assert order.source is not None
                given[order.uid] = fitted(read_rgb(order.source), *self._size())
            except UnreadableImageError as error:
                broken[order.uid] = str(error)
        return given, broken

    def _size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        call, pipeline = self.settings.call, self._pipeline()
        if "width" in call:
            return call["width"], call["height"]
        network = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
        latent = getattr(getattr(network, "config", None), "sample_size", None)
        if not isinstance(latent, int):
            raise UsageError(f"Expected size= for {self.name}, which has none of its own, got none. Add it.")
        return (latent * pipeline.vae_scale_factor,) * 2

    def _made(self, image: Any, nsfw: bool | None) -> Made:
        rgb = np.asarray(image.convert("RGB"))
        marked = getattr(self._loaded, "watermark", None) is not None and rgb.shape[1] >= SMALLEST_MARKED
        record = {"nsfw": nsfw, "watermark": MARK if marked else None, "diffusers": import_diffusers().__version__}
        return Made(rgb, record, error="hidden by the safety checker" if nsfw and not rgb.any() else None)


def fitted(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """The largest part of that aspect in the middle, resized by Lanczos filtering: uint8 ``(height, width, 3)``."""
    from PIL import Image, ImageOps

    image = ImageOps.fit(Image.fromarray(rgb), (width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
