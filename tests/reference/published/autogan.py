"""Plain copy of AutoGAN's classifier: ResNet-34 on the clipped log spectrum of a 224-pixel crop; output 0 is AI."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import nn
from torchvision import models

from tests.reference.published.plain import Program, softmax


def network() -> nn.Module:
    return models.resnet34(weights=None, num_classes=2)


def spectrum(pixels: np.ndarray) -> np.ndarray:
    """(224, 224, 3) bytes to (3, 224, 224) in -1..1: each channel stretched between its own percentiles."""
    channels = []
    for c in range(3):
        log = np.log(np.abs(np.fft.fft2(pixels[:, :, c] / 255)) + 1e-3)
        low, high = np.percentile(log, 5), np.percentile(log, 95)
        channels.append(np.clip(2 * ((log - low) / (high - low) - 0.5), -1, 1))
    return np.stack(channels)


def program(network: nn.Module, feature: str) -> Program:
    def score(path: str) -> float:
        image = cv2.imread(path)
        if image.shape[:2] != (256, 256):
            image = cv2.resize(image, (256, 256))
        image = image[16:240, 16:240]
        x = spectrum(image) if feature == "fft" else (image.transpose(2, 0, 1) / 255 - 0.5) * 2
        return softmax(network(torch.from_numpy(x).float()[None]), 0)

    return score
