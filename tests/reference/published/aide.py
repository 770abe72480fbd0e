"""Plain copy of the AIDE program: loops over patches, filters from tables, ConvNeXt read off its keys."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dctn
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import transforms
from torchvision.models.resnet import Bottleneck, ResNet

from tests.reference.published.plain import IMAGENET, Logit, rgb

CLIP = transforms.Normalize([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def bank() -> np.ndarray:
    """(30, 5, 5) in the order of the published file; rows grow downwards, columns to the right."""
    steps = {"NW": (-1, -1), "N": (-1, 0), "NE": (-1, 1), "W": (0, -1), "E": (0, 1), "SW": (1, -1), "S": (1, 0)}
    steps["SE"] = (1, 1)
    kernels = []

    def add(*cells: tuple[int, int, float]) -> None:
        kernel = np.zeros((5, 5))
        for row, column, value in cells:
            kernel[row + 2, column + 2] += value
        kernels.append(kernel)

    for name in ["NW", "N", "NE", "W", "E", "SW", "S", "SE"]:
        add((0, 0, -1), (*steps[name], 1))
    for one, other in (("NW", "SE"), ("N", "S"), ("NE", "SW"), ("W", "E")):
        add((0, 0, -1), (*steps[one], 0.5), (*steps[other], 0.5))
    for name in ["NW", "N", "NE", "E", "SE", "S", "SW", "W"]:
        y, x = steps[name]
        add((2 * y, 2 * x, -1 / 3), (y, x, 1), (0, 0, -1), (-y, -x, 1 / 3))
    upper3 = np.pad([[-1, 2, -1], [2, -4, 2], [0, 0, 0]], 1) / 4
    upper5 = (
        np.array([[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]) / 12
    )
    for upper in (upper3, upper5):
        kernels += [upper, upper.T[:, ::-1], upper[::-1], upper.T]  # upper, right, lower, left
    kernels.append(np.pad([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], 1) / 4)
    kernels.append(np.vstack([upper5[:3], upper5[1::-1]]))
    return np.array(kernels)


DIAGONALS = np.add.outer(np.arange(32), np.arange(32))
BANDS = [(DIAGONALS >= 64 * b / 6) & (DIAGONALS <= 64 * (b + 1) / 6) for b in range(6)]


def score(patch: np.ndarray) -> float:
    """Of (3, 32, 32) values in 0..1."""
    total = 0.0
    for colour in patch:
        spectrum = np.log(1 + np.abs(dctn(colour.astype(np.float64), norm="ortho")))
        for b in range(6):
            total += 2**b * spectrum[BANDS[b]].mean()
    return total


def patches(image: np.ndarray) -> list[np.ndarray]:
    """Lowest, highest, second lowest, second highest of (3, h, w)."""
    _, height, width = image.shape
    windows = [
        image[:, top : top + 32, left : left + 32]
        for top in range(0, height - 31, 16)
        for left in range(0, width - 31, 16)
    ]
    ordered = sorted(windows, key=score)
    second = min(1, len(ordered) - 1)
    return [ordered[0], ordered[-1], ordered[second], ordered[-1 - second]]


class ConvNext(nn.Module):
    """Names of the file; widths and depths are free."""

    def __init__(self, dims: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, dims[0], 4, 4), nn.LayerNorm(dims[0], eps=1e-5))
        self.stages = nn.ModuleList()
        for number, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
            stage = nn.Module()
            if number:
                before = dims[number - 1]
                stage.downsample = nn.Sequential(nn.LayerNorm(before, eps=1e-5), nn.Conv2d(before, dim, 2, 2))
            stage.blocks = nn.ModuleList()
            for _ in range(depth):
                block = nn.Module()
                block.gamma = nn.Parameter(torch.zeros(dim))
                block.conv_dw = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
                block.norm = nn.LayerNorm(dim, eps=1e-5)
                block.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 4 * dim), "fc2": nn.Linear(4 * dim, dim)})
                stage.blocks.append(block)
            self.stages.append(stage)
        self.head = nn.ModuleDict({"norm": nn.LayerNorm(dims[-1], eps=1e-5)})

    def forward(self, x: Tensor) -> Tensor:
        def norm(layer: nn.Module, x: Tensor) -> Tensor:
            return layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

        x = norm(self.stem[1], self.stem[0](x))
        for number, stage in enumerate(self.stages):
            if number:
                x = stage.downsample[1](norm(stage.downsample[0], x))
            for block in stage.blocks:
                y = norm(block.norm, block.conv_dw(x)).permute(0, 2, 3, 1)
                y = block.mlp["fc2"](F.gelu(block.mlp["fc1"](y))) * block.gamma
                x = x + y.permute(0, 3, 1, 2)
        return norm(self.head["norm"], x).mean((2, 3))  # the norm at every position, then the mean


def noise_trunk(layers: list[int]) -> ResNet:
    trunk = ResNet(Bottleneck, layers)
    trunk.conv1 = nn.Conv2d(30, 64, 7, 2, 3, bias=False)
    return trunk


class Aide(nn.Module):
    def __init__(self, layers: list[int], dims: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.hpf = nn.Module()
        self.hpf.hpf = nn.Conv2d(3, 30, 5, padding=2, bias=False)
        self.hpf.hpf.weight = nn.Parameter(
            torch.from_numpy(bank()).float()[:, None].repeat(1, 3, 1, 1), requires_grad=False
        )
        self.model_min, self.model_max = noise_trunk(layers), noise_trunk(layers)
        self.openclip_convnext_xxl = ConvNext(dims, depths)
        self.convnext_proj = nn.Sequential(nn.Linear(dims[-1], 256))
        self.fc = nn.ModuleDict({"fc1": nn.Linear(2304, 1024), "fc2": nn.Linear(1024, 2)})

    def forward(self, views: Tensor) -> Tensor:
        """(B, 5, 3, 256, 256), ImageNet norm, to two logits."""
        trunks = self.model_min, self.model_max, self.model_min, self.model_max
        vectors = []
        for trunk, view in zip(trunks, views.unbind(1)[:4], strict=True):
            x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(self.hpf.hpf(view)))))
            x = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(x))))
            vectors.append(x.mean((2, 3)))
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET.mean, IMAGENET.std))
        clip_mean, clip_std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP.mean, CLIP.std))
        whole = views[:, 4] * (std / clip_std) + (mean - clip_mean) / clip_std
        semantic = self.convnext_proj(self.openclip_convnext_xxl(whole))
        x = torch.cat([semantic, sum(vectors) / 4], 1)
        return self.fc["fc2"](F.gelu(self.fc["fc1"](x)))


def program(network: Aide) -> Logit:
    """Index 1 is AI. Resizes are those of tensors in the pinned torchvision: without antialias."""

    def logit(file: str) -> float:
        image = transforms.functional.to_tensor(rgb(file))
        chosen = [torch.from_numpy(np.ascontiguousarray(patch)) for patch in patches(image.numpy())]
        views = [
            IMAGENET(F.interpolate(view[None], (256, 256), mode="bilinear", align_corners=False)[0])
            for view in (*chosen, image)
        ]
        real, fake = network(torch.stack(views)[None])[0]
        return float(fake - real)

    return logit
