"""F3Net: frequency-aware decomposition of the image (FAD) and local frequency statistics (LFS), an Xception each.

Qian et al., Thinking in Frequency, ECCV 2020, arXiv 2007.09355. The authors published no code; GenImage ships a
re-implementation (Leminhbinh0209/F3Net after yyk-wew/F3Net), whose key names are used here. Where it departs from the
paper, ``heads: published`` does what it does.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope.config import Config, validate
from synthscope.detectors.base import Detector, DetectorConfig, InputConfig
from synthscope.detectors.published.files import read_checkpoint
from synthscope.detectors.xception import MixBlock, Xception, timm_weights
from synthscope.errors import UsageError

Heads = Literal["paper", "published"]
WINDOW, STRIDE, PADDING, BANDS = 10, 2, 4, 6  # of LFS
FLOOR = {"paper": 1e-3, "published": 1e-15}  # grey levels; below the first one stands only rounding


def dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II: ``D @ x @ D.T`` is the spectrum of a square ``x``; float32 ``(size, size)``.

    >>> d = dct_matrix(8)
    >>> torch.allclose(d @ d.T, torch.eye(8), atol=1e-6)
    True
    """
    k = np.arange(size)
    matrix = np.sqrt(2 / size) * np.cos(np.pi * k[:, None] * (k + 0.5) / size)
    matrix[0] = np.sqrt(1 / size)
    return torch.tensor(matrix, dtype=torch.float32)


def band(size: int, start: float, end: float) -> Tensor:
    """1 where ``start < i + j <= end`` in a ``(size, size)`` spectrum, else 0; float32. ``start=-1`` lets the DC in.

    >>> band(3, 0, 1).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    diagonal = np.add.outer(np.arange(size), np.arange(size))
    return torch.tensor((start < diagonal) & (diagonal <= end), dtype=torch.float32)


def fad_bands(size: int, heads: Heads) -> list[tuple[int, int]]:
    """Bounds on ``i + j``, as in :func:`band`, of the low, middle, high and whole band of a spectrum of side ``size``.

    ``paper``: the first 1/16 of the coefficients, those up to 1/8, the other 7/8 (section 3.1), cut at the diagonals
    that come nearest; at 299: 6.2, 6.3 and 87.5 %. ``published``: 1/16 and 1/8 of the *side*, which hold 0.2, 0.6 and
    49.7 %; the last corner and the DC are in none.

    >>> fad_bands(299, "paper"), fad_bands(299, "published")
    ([(-1, 104), (104, 148), (148, 598), (-1, 598)], [(0, 18), (18, 37), (37, 299), (0, 598)])
    """
    if heads == "published":
        low, middle = size // 16, size // 8
        return [(0, low), (low, middle), (middle, size), (0, 2 * size)]
    diagonal = np.add.outer(np.arange(size), np.arange(size))
    counts = np.bincount(diagonal.ravel()).cumsum()  # coefficients up to each diagonal
    low, middle = (int(np.abs(parts * counts - size**2).argmin()) for parts in (16, 8))
    return [(-1, low), (low, middle), (middle, 2 * size), (-1, 2 * size)]


class Mask(nn.Module):
    """A band's base mask plus ``2 sigmoid(learnable) - 1``, which lets a little of any coefficient in or out."""

    def __init__(self, size: int, start: float, end: float, *, mean: bool = False) -> None:
        super().__init__()
        self.base: Tensor
        self.register_buffer("base", band(size, start, end))
        self.learnable = nn.Parameter(torch.empty(size, size).normal_(0, 0.1))
        if mean:
            self.register_buffer("ft_num", self.base.sum())  # coefficients in the band

    def forward(self) -> Tensor:
        """The mask ``(size, size)``."""
        return self.base + 2 * self.learnable.sigmoid() - 1


class FadHead(nn.Module):
    """Band-passed copies of the image, back in the pixel domain (section 3.1)."""

    _DCT_all: Tensor

    def __init__(self, side: int, heads: Heads) -> None:
        super().__init__()
        self.register_buffer("_DCT_all", dct_matrix(side))
        self.register_buffer("_DCT_all_T", dct_matrix(side).T.contiguous())  # only for the published file's sake
        self.filters = nn.ModuleList(Mask(side, start, end) for start, end in fad_bands(side, heads))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, side, side)`` to ``(B, 12, side, side)``: the low band's R, G, B first, the whole one's last."""
        return band_passed(images, self._DCT_all, torch.stack([mask() for mask in self.filters]))


class LfsHead(nn.Module):
    """Logarithmic mean amplitudes in six bands of the DCT of overlapping 10 x 10 windows (section 3.2).

    ``paper``: filter, sum, logarithm. ``published``: the logarithm of every coefficient, then filter and sum; the DC is
    in no band, and grey levels end at 245.
    """

    _DCT_patch: Tensor

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("_DCT_patch", dct_matrix(WINDOW))
        self.register_buffer("_DCT_patch_T", dct_matrix(WINDOW).T.contiguous())
        bounds = [WINDOW * 2.0 / BANDS * number for number in range(BANDS + 1)]
        if heads == "paper":
            bounds[0] = -1
        self.filters = nn.ModuleList(Mask(WINDOW, start, end, mean=True) for start, end in pairwise(bounds))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, side, side)`` in [-1, 1] to ``(B, 6, side // 2, side // 2)``."""
        masks = torch.stack([mask() / mask.ft_num for mask in self.filters])
        return window_statistics(images, self._DCT_patch, masks, self.heads)


def band_passed(images: Tensor, dct: Tensor, masks: Tensor) -> Tensor:
    """``images`` ``(B, C, n, n)`` once a mask of their DCT: ``(B, M * C, n, n)``, in float32 under autocast too."""
    with torch.autocast(images.device.type, enabled=False):
        spectrum = dct @ images.float() @ dct.mT
        return (dct.mT @ (spectrum[:, None] * masks[:, None]) @ dct).flatten(1, 2)


def window_statistics(images: Tensor, dct: Tensor, masks: Tensor, heads: Heads) -> Tensor:
    """Amplitudes of windows, summed with the weights of ``masks`` ``(M, 10, 10)``: ``(B, M, h, w)``.

    Rows are transformed before columns for all windows at once: twice a small matrix product. One product with the 100
    basis images would be the same up to rounding, which in flat windows is all that the published logarithm sees.
    """
    with torch.autocast(images.device.type, enabled=False):
        red, green, blue = images.float().unbind(1)
        grey = (0.299 * red + 0.587 * green + 0.114 * blue + 1) * (122.5 if heads == "published" else 127.5)
        windows = functional.unfold(grey[:, None], WINDOW, stride=STRIDE, padding=PADDING)  # (B, 100, windows)
        rows = (dct @ windows.unflatten(1, (WINDOW, -1)).flatten(2)).unflatten(2, (WINDOW, -1))
        amplitudes = (dct @ rows).abs().flatten(1, 2)
        if heads == "published":
            statistics = masks.flatten(1) @ (amplitudes + FLOOR[heads]).log10()
        else:
            statistics = (masks.abs().flatten(1) @ amplitudes + FLOOR[heads]).log10()
        return statistics.unflatten(2, (images.shape[2] // 2, images.shape[3] // 2))


class Network(nn.Module):
    """The published network with one output: its 628 keys."""

    def __init__(self, side: int, heads: Heads) -> None:
        super().__init__()
        self.fad_head = FadHead(side, heads)
        self.lfs_head = LfsHead(heads)
        self.fad_excep = Xception(12, stride=2)
        self.lfs_excep = Xception(BANDS, stride=1)
        self.mix_block7 = MixBlock(728)
        self.mix_block12 = MixBlock(1024)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(4096, 1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, side, side)`` in [-1, 1] to ``(B, 1)``."""
        fad = self.fad_excep.stem(self.fad_head(images))
        lfs = self.lfs_excep.stem(self.lfs_head(images))
        for mix, first, last in ((self.mix_block7, 1, 7), (self.mix_block12, 8, 12)):
            fad, lfs = mix(self.fad_excep.blocks(fad, first, last), self.lfs_excep.blocks(lfs, first, last))
        maps = self.fad_excep.tail(fad), self.lfs_excep.tail(lfs)
        features = torch.cat([functional.relu(stream).mean((2, 3)) for stream in maps], dim=1)
        return self.fc(self.dropout(features))


class F3Net(Detector):
    """Both streams with cross-attention, on square images resized without keeping the aspect.

    Any side from 10 pixels works where the streams' maps are equally large: not 7, 8 or 9 above a multiple of 16.
    """

    class Options(Config):
        """Meaning of the frequency heads, and what the Xceptions start from."""

        heads: Heads = "paper"  # published = as the re-implementation that GenImage ships; for its checkpoints
        pretrained: bool | str = False  # ImageNet weights of both Xceptions: timm's, or a file such as xception-….pth

    default_input = InputConfig(
        resize=299,
        resize_mode="square",
        interpolation="pillow_bicubic",  # Image.resize without a filter, as in the re-implementation
        crop=None,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    paper = "Qian et al., Thinking in Frequency: Face Forgery Detection by Mining Frequency-aware Clues, ECCV 2020"
    licence = "Apache-2.0 (this code); the published re-implementations state none"
    weights = "none published; trained by you: synthscope train; options.pretrained starts from ImageNet's Xception"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.options = validate(self.Options, config.options, "options")
        self.net = Network(_checked(config.input.side), self.options.heads)

    def load_pretrained(self) -> None:
        """ImageNet weights for both Xceptions; masks, cross-attention and head keep their initial values.

        Raises:
            UsageError: No such file.
            SynthscopeError: A file of something else, or timm's weights cannot be downloaded.
        """
        source = self.options.pretrained
        state = read_checkpoint(source)[0] if isinstance(source, str) else timm_weights()
        for stream in (self.net.fad_excep, self.net.lfs_excep):
            stream.load_imagenet(state, origin=source if isinstance(source, str) else "timm")

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI. Raises ``UsageError`` for images of another size than the transform's."""
        side = self.config.input.side
        if images.shape[-2:] != (side, side):
            height, width = images.shape[-2:]
            raise UsageError(f"Expected images of {side} x {side} pixels, got {width} x {height}. Preprocess them.")
        return self.net(self.normalize(images))[:, 0]

    def normalize(self, images: Tensor) -> Tensor:
        """As the base class does, but to [0, 1] first: the published logarithm of flat windows sees the rounding."""
        return (images.to(self.mean.dtype) / 255 - self.mean / 255) / (self.std / 255)


def map_sides(side: int) -> tuple[int, int]:
    """Side of the FAD and of the LFS stream's map where they are mixed first; halved again until the second time.

    >>> map_sides(299), map_sides(224), map_sides(200)
    ((19, 19), (14, 14), (13, 12))
    """
    fad, lfs = (side - 1) // 2 - 2, side // 2 - 4  # after the two convolutions of the stem, neither of them padded
    return -(-fad // 8), -(-lfs // 8)  # three poolings that round up


def _checked(side: int | None) -> int:
    """``side`` if the streams align. Raises ``UsageError`` naming the next one that works."""
    if side is None:
        raise UsageError("Expected an input of fixed size for f3net, got none. Set input.crop, such as 299.")
    fits = next(n for n in range(max(side, 10), side + 11) if len(set(map_sides(n))) == 1)
    if side != fits:
        sentence = f"Expected a side at which both streams of f3net have maps of one size, got {side} pixels."
        raise UsageError(f"{sentence} Set input.crop={fits}.")
    return side
