"""Many batches from few inputs: the original knows what to say to a mixture of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tenfold.data.augment import varied
from tenfold.errors import bad_value

BATCH, STEPS = 64, 100


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
