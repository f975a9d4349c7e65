"""A compact network for 32x32 images: depthwise and 1x1 convolutions, a wide classifier.

Laid out like MobileNet (Howard et al. 2017) with identity shortcuts where shapes allow, and the
hidden layer before the classes of MobileNetV3 (Howard et al. 2019).
"""

from __future__ import annotations

from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.result_files import RESULTS

WEIGHTS = "compact_cifar10.safetensors"  # in the results
STAGES = ((64, 1), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1), (256, 1))
STEM, HEAD, HIDDEN = 32, 384, 640


def conv(n: int, m: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(n, m, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(m),
        nn.ReLU(),
    )


class Separable(nn.Module):
    """Depthwise 3x3, then 1x1; a shortcut where input and output have one shape."""

    def __init__(self, n: int, m: int, stride: int) -> None:
        super().__init__()
        self.depthwise = conv(n, n, 3, stride, groups=n)
        self.pointwise = conv(n, m, 1)
        self.keeps = n == m and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.pointwise(self.depthwise(x))
        return x + y if self.keeps else y


class CompactNetwork(nn.Module):
    """Input ``(batch, 3, 32, 32)``, output ``(batch, 10)`` logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, STEM, 3, stride=2)
        widths = [STEM, *(width for width, _ in STAGES)]
        self.blocks = nn.Sequential(
            *(Separable(n, m, stride) for n, (m, stride) in zip(widths, STAGES))
        )
        self.head = conv(widths[-1], HEAD, 1)
        self.hidden = nn.Linear(HEAD, HIDDEN)
        self.act = nn.ReLU()
        self.classes = nn.Linear(HIDDEN, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.blocks(self.stem(x))).mean((2, 3))
        return self.classes(self.act(self.hidden(x)))


def load_compact() -> CompactNetwork:
    """With the weights that ``train_cifar_network.py`` wrote, in evaluation mode."""
    network = CompactNetwork()
    network.load_state_dict(load_file(RESULTS / WEIGHTS))  # half precision becomes single
    return network.eval()
