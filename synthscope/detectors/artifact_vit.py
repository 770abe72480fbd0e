"""A vision transformer with two heads: is the image AI-generated, and where are its perceptual artifacts?

The models of X-AIGD (Xiao et al., ICLR 2026, 5.1): authenticity alone, artifacts alone, or both on one backbone. The
paper does not name its backbone; here it is any ViT of timm with a class token, or a tiny one to train from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from synthscope import runtime
from synthscope.annotations import taxonomy
from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.checkpoints import read_checkpoint
from synthscope.detectors.downloads import weights_file
from synthscope.detectors.residual import residual
from synthscope.detectors.timm_models import timm_name
from synthscope.detectors.weights import unusable
from synthscope.errors import SynthscopeError, UsageError

CATEGORIES = len(taxonomy.CATEGORIES)  # channel 0 of artifact logits is the background
_HIDDEN = 128
Task = Literal["authenticity", "artifacts", "both"]
MaskForm = Literal["softmax", "sigmoid"]


class ArtifactVitOptions(Config):
    """Backbone, heads, and where trained weights of the backbone come from."""

    task: Task = "both"  # which heads there are
    masks: MaskForm = "softmax"  # one class a pixel, as in the paper, or seven yes-or-no questions a pixel
    backbone: str = "tiny"  # or timm's name of a ViT, best with its tag, such as vit_small_patch14_dinov2.lvd142m
    patch: int = Field(default=16, ge=4, le=32)  # pixels; patch, depth and width are those of the tiny one
    depth: int = Field(default=4, ge=1, le=24)
    width: int = Field(default=128, ge=32, le=1024, multiple_of=32)  # one attention head for every 32
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    residual: bool = False  # show the high-pass residual; see the options of timm backbones
    weights: str | None = None  # of the backbone: FILE, local-dir:FOLDER or hf-hub:OWNER/NAME[@REVISION] (downloads)


class ArtifactVit(Detector):
    """Class token -> one linear layer -> logit; patch tokens -> two convolutions -> artifact logits.

    Without an authenticity head the logit is the log-odds that the most suspicious place is an artifact.
    """

    Options = ArtifactVitOptions
    options: ArtifactVitOptions
    shape_options: ClassVar[tuple[str, ...]] = ("backbone", "patch", "depth", "width", "residual")
    paper = (
        "Xiao et al., Unveiling Perceptual Artifacts: A Fine-Grained Benchmark for Interpretable AI-Generated Image "
        "Detection, ICLR 2026, arXiv 2601.19430"
    )
    licence = "Apache-2.0 (timm); that of the backbone's weights binds the detector too"
    weights = "trained by you: synthscope train --annotations; the backbone's own from options.weights"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.vit = self._backbone()
        width = self.vit.num_features
        self.head = nn.Linear(width, 1) if self.options.task != "artifacts" else None
        self.mask_head = None
        if self.options.task != "authenticity":
            channels = CATEGORIES + (self.options.masks == "softmax")
            self.mask_head = nn.Sequential(
                nn.Conv2d(width, _HIDDEN, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(_HIDDEN, 4 * channels, 1),
                nn.PixelShuffle(2),  # a quarter of a patch is the unit of the masks
            )

    def _backbone(self) -> Any:
        options, side = self.options, self.config.input.side
        if side is None:
            raise UsageError("Expected an input of fixed size for a ViT, got none. Set input.crop, such as 224.")
        arguments: dict[str, Any] = {"img_size": side, "num_classes": 0, "drop_path_rate": options.drop_path}
        timm = runtime.import_timm()
        if options.backbone == "tiny":
            vit = timm.models.VisionTransformer(
                patch_size=options.patch,
                embed_dim=options.width,
                depth=options.depth,
                num_heads=options.width // 32,
                **arguments,
            )
        else:
            vit = timm.create_model(timm_name(options.backbone), pretrained=False, **arguments)
        if not isinstance(vit, timm.models.VisionTransformer) or vit.cls_token is None or vit.global_pool != "token":
            raise UsageError(
                f"Expected a timm ViT that reads its class token in options.backbone, got {options.backbone!r}. Choose "
                f"one such as vit_small_patch14_dinov2.lvd142m."
            )
        if side % (patch := vit.patch_embed.patch_size[0]):
            raise UsageError(f"Expected input.crop in whole patches of {patch} pixels, got {side}. Change input.crop.")
        return vit

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return int(self.vit.patch_embed.patch_size[0])

    def load_pretrained(self) -> None:
        """Fill the backbone from ``options.weights``; position embeddings are resampled to the input's size.

        Raises:
            UsageError: No such file.
            SynthscopeError: A failed download, or a file of another network.
        """
        file = weights_file(str(self.options.weights))
        self.load_backbone(read_checkpoint(file)[0], origin=str(file))

    def load_backbone(self, state: dict[str, Tensor], *, origin: str) -> None:
        """Fill the backbone from weights in timm's names, or in those of DINOv2's and CLIP's authors.

        Raises:
            SynthscopeError: Weights of another network, or numbers that are not finite; names ``origin``.
        """
        from timm.models.vision_transformer import checkpoint_filter_fn

        try:
            state = checkpoint_filter_fn(dict(state), self.vit)
        except (KeyError, RuntimeError, ValueError, AttributeError) as error:
            problem: str | None = str(error).strip().partition("\n")[0] or type(error).__name__
        else:
            state = {key: value for key, value in state.items() if not key.startswith("head.")}  # the old task's
            problem = unusable(state, self.vit.state_dict())
        if problem:
            raise SynthscopeError(
                f"Expected the weights of {self.options.backbone} in {origin}, got {problem}. Choose the file that "
                f"belongs to options.backbone."
            )
        self.vit.load_state_dict(state)

    def no_decay(self) -> set[str]:
        """timm's list: the class token and the position embeddings."""
        spared = self.vit.no_weight_decay()
        return {f"vit.{name}" for name, _ in self.vit.named_parameters() if name in spared}

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        return self._logits_and_grid(images)[0]

    def artifact_logits(self, images: Tensor) -> Tensor:
        """Logits ``(B, 8, h, w)`` of background and the seven categories, in canonical order, at the input's size.

        The class of a pixel is the largest of the eight. In the sigmoid form channels 1..7 are independent log-odds,
        and the background's is the negative of the largest.

        Raises:
            UsageError: The detector has no artifact head.
        """
        if self.mask_head is None:
            raise UsageError(f"Expected a detector of artifacts, got {self.config.name}. Train one with task both.")
        maps = self.logits_and_maps(images)[1]
        assert maps is not None
        return maps

    def logits_and_maps(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """:meth:`forward` and :meth:`artifact_logits` in one pass; None without an artifact head."""
        logits, grid = self._logits_and_grid(images)
        return logits, None if grid is None else self.enlarge(grid, images.shape[-2:])

    def enlarge(self, grid: Tensor, size: Sequence[int]) -> Tensor:
        """Artifact logits ``(B, 8, *size)`` from what ``mask_head`` returns."""
        maps = nn.functional.interpolate(grid, size=tuple(size), mode="bilinear", align_corners=False)
        return torch.cat([-maps.amax(1, keepdim=True), maps], dim=1) if self.options.masks == "sigmoid" else maps

    def _logits_and_grid(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        pixels = self.normalize(images)
        tokens = self.vit.forward_features(residual(pixels) if self.options.residual else pixels)
        grid = None
        if self.mask_head is not None:
            patches = tokens[:, self.vit.num_prefix_tokens :].transpose(1, 2)
            grid = self.mask_head(patches.unflatten(2, self.vit.patch_embed.grid_size))
        if self.head is not None:
            return self.head(self.vit.forward_head(tokens, pre_logits=True))[:, 0], grid
        assert grid is not None
        places = grid.amax(1) if self.options.masks == "sigmoid" else grid[:, 1:].logsumexp(1) - grid[:, 0]
        return places.amax((1, 2)), grid


def category_masks(maps: Tensor, form: MaskForm) -> Tensor:
    """Binary masks ``(B, 7, h, w)`` of the categories from artifact logits ``(B, 8, h, w)``.

    >>> maps = torch.tensor([0.0, 2.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0]).view(1, 8, 1, 1)
    >>> [category_masks(maps, form).flatten().tolist().count(True) for form in ("softmax", "sigmoid")]
    [1, 2]
    """
    if form == "sigmoid":
        return maps[:, 1:] > 0
    return nn.functional.one_hot(maps.argmax(1), CATEGORIES + 1).movedim(-1, 1)[:, 1:].bool()
