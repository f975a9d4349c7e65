"""ResNets for 32x32 images, with the weights that CIFAR-10 taught them."""

from __future__ import annotations

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.cifar import folder
from benchmarks.result_files import RESULTS

APART = "resnet20_apart.safetensors"  # in the results: has never seen the ``HELD`` images


class Shortcut(nn.Module):
    """Option A: every second pixel, and zero channels on both sides."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = (
            Shortcut(width - width_in) if width != width_in else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """ResNet-20 for 32x32 images (He et al. 2016, section 4.2)."""

    def __init__(self, blocks: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = (16, 16, 32, 64)
        stages = [
            nn.Sequential(
                *(
                    Block(
                        widths[k] if b == 0 else widths[k + 1],
                        widths[k + 1],
                        2 if b == 0 and k > 0 else 1,
                    )
                    for b in range(blocks)
                )
            )
            for k in range(3)
        ]
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def resnet20() -> ResNet:
    """With the baseline's weights, in evaluation mode."""
    model = ResNet()
    model.load_state_dict(load_file(folder() / "resnet20_cifar10_jpeg.safetensors"), strict=True)
    return model.eval()


def resnet56() -> ResNet:
    """A larger one, trained on the original images, in evaluation mode."""
    model = ResNet(blocks=9)
    model.load_state_dict(load_file(folder() / "resnet56_cifar10.safetensors"), strict=True)
    return model.eval()


def load_apart() -> ResNet:
    """A ResNet-20 that has never seen the ``HELD`` images of ``split_indices``, from
    ``train_cifar_network.py``: what recovers it can be judged on them."""
    model = ResNet()
    model.load_state_dict(load_file(RESULTS / APART))  # half precision becomes single
    return model.eval()
