"""F3Net: two Xceptions, one on band-passed copies of the image, one on local frequency statistics, mixed twice.

Qian et al., Thinking in Frequency, ECCV 2020, arXiv 2007.09355. The authors published no code; GenImage ships a
re-implementation (Leminhbinh0209/F3Net after yyk-wew/F3Net), whose key names are used here. Where it departs from the
paper, ``heads: published`` does what it does.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.checkpoints import read_checkpoint
from synthscope.detectors.cross_attention import MixBlock
from synthscope.detectors.frequency_heads import BANDS, FadHead, Heads, LfsHead
from synthscope.detectors.input import InputConfig
from synthscope.detectors.xception import Xception, timm_weights
from synthscope.errors import UsageError


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

    options: Options
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
