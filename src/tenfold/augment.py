"""More from the same images: mirrored and shifted, which the original can judge as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 8  # a shift goes as far as this part of the size


def is_image(inputs: Any) -> bool:
    """Whether inputs are a batch ``(n, channels, height, width)``."""
    return isinstance(inputs, Tensor) and inputs.ndim == 4 and inputs.is_floating_point()


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
    height, width = inputs.shape[2:]
    down, along = height // REACH, width // REACH
    wide = F.pad(inputs, (along, along, down, down), mode="reflect")
    top, left = (int(torch.randint(0, 2 * most + 1, ())) for most in (down, along))
    return wide[:, :, top : top + height, left : left + width]
