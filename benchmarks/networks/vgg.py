"""VGG-16 with BatchNorm for 32x32 images, in plain torch: 14.7 million parameters.

Its weights are not kept in the repository;
``python -m benchmarks.claims.train_cifar_network --network vgg16`` makes them.
"""

from __future__ import annotations

import sys

from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.result_files import RESULTS

WEIGHTS = "vgg16_cifar10.safetensors"  # in the results
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # convolutions, channels


class Vgg16(nn.Module):
    """Thirteen 3x3 convolutions and one linear layer, as it is used for CIFAR (Simonyan and
    Zisserman 2015, table 1, D). Input ``(batch, 3, 32, 32)``, output ``(batch, 10)`` logits."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for count, wider in STAGES:
            for _ in range(count):
                layers += [
                    nn.Conv2d(width, wider, 3, padding=1, bias=False),
                    nn.BatchNorm2d(wider),
                    nn.ReLU(inplace=True),
                ]
                width = wider
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classes = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.features(x).flatten(1))


def load_vgg16() -> Vgg16:
    """Trained, in evaluation mode; says how to train it where that was not done."""
    if not (RESULTS / WEIGHTS).exists():
        sys.exit(
            "VGG-16 must be trained first, but found no weights of it; run"
            " python -m benchmarks.claims.train_cifar_network --network vgg16 --epochs 8"
        )
    network = Vgg16()
    network.load_state_dict(load_file(RESULTS / WEIGHTS))  # half precision becomes single
    return network.eval()
