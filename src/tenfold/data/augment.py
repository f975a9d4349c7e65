"""More from the same inputs, which the original can judge as well: images mirrored and shifted, and
many batches of mixtures of few inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.errors import bad_value
from tenfold.network.inputs import mapped

REACH = 8  # a shift goes as far as this part of the size
NEAR = 16  # and of views that all count as the image itself, as far as this
SIDES = ((0, 0), (-1, -1), (1, 1), (-1, 1), (1, -1))  # down and along, where views are moved to
VIEWS = 2 * len(SIDES)
BATCH, STEPS = 64, 100  # of an epoch of blends


def is_image(inputs: Any) -> bool:
    """Whether inputs are a batch ``(n, channels, height, width)``."""
    return isinstance(inputs, Tensor) and inputs.ndim == 4 and inputs.is_floating_point()


def is_volume(inputs: Any) -> bool:
    """Whether inputs are a batch ``(n, channels, depth, height, width)``."""
    return isinstance(inputs, Tensor) and inputs.ndim == 5 and inputs.is_floating_point()


def mirrored(batches: Sequence[Any]) -> list[Any]:
    """The batches, and those of images once more from left to right."""
    return [*batches, *(batch.flip(3) for batch in batches if is_image(batch))]


def varied(inputs: Tensor) -> Tensor:
    """Images mirrored or not, each by chance, and all shifted alike with their edges reflected;
    inputs of other kinds as they are. Drawn from torch's random state."""
    if not is_image(inputs):
        return inputs
    across = (torch.rand(len(inputs)) < 0.5).view(-1, 1, 1, 1).to(inputs.device)
    inputs = torch.where(across, inputs.flip(3), inputs)
    most = [size // REACH for size in inputs.shape[2:]]
    return moved(inputs, *(m - int(torch.randint(0, 2 * m + 1, ())) for m in most))


def moved(images: Tensor, down: int, along: int) -> Tensor:
    """All images moved by as many pixels, their edges reflected into what is left free."""
    height, width = images.shape[2:]
    wide = F.pad(images, (abs(along), abs(along), abs(down), abs(down)), mode="reflect")
    top, left = abs(down) - down, abs(along) - along
    return wide[:, :, top : top + height, left : left + width]


def view(inputs: Any, index: int) -> Any:
    """One of ``VIEWS`` views of the images among the inputs: as they are, mirrored, then pairs of
    these moved a little to one side after another."""
    return mapped(lambda x: seen(x, index) if is_image(x) else x, inputs)


def seen(images: Tensor, index: int) -> Tensor:
    """The images as that view has them."""
    down, along = (side * (n // NEAR) for side, n in zip(SIDES[index // 2], images.shape[2:]))
    return moved(images.flip(3) if index % 2 else images, down, along)


@dataclass(frozen=True)
class Blends:
    """Batches of inputs drawn from a tensor of them, images mirrored and shifted by chance, about
    half blended with another one (Beyer et al. 2022, section 3); ``steps`` batches make an epoch,
    however few inputs there are."""

    inputs: Tensor
    batch: int = BATCH
    steps: int = STEPS

    def __post_init__(self) -> None:
        if self.inputs.ndim < 2 or not len(self.inputs) or not self.inputs.is_floating_point():
            kind = f"{self.inputs.dtype} of shape {tuple(self.inputs.shape)}"
            raise bad_value(
                "Data in one tensor must be real inputs along its first mode",
                kind,
                "pass images as (n, channels, height, width), or batches",
            )

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        size = min(self.batch, len(self.inputs))
        for _ in range(self.steps):
            rows = torch.randperm(len(self.inputs))[:size]
            yield blend(varied(self.inputs[rows.to(self.inputs.device)]))


def blend(inputs: Tensor) -> Tensor:
    """Each input as it is, or in a random mixture with its counterpart from the other end."""
    share = torch.rand(len(inputs), *[1] * (inputs.ndim - 1))
    share = torch.where(torch.rand_like(share) < 0.5, torch.ones(()), share)
    share = share.to(inputs.device, inputs.dtype)
    return share * inputs + (1 - share) * inputs.flip(0)
