"""Who may teach beside the original: networks trained further, alone or several of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.networks import cifar, resnet
from research.recovery.folders import RESULTS


@dataclass(frozen=True)
class Start:
    """A network to train further, and how many training images it is not to see."""

    load: Callable[[], nn.Module]
    held: int = 0


STARTS = {
    "resnet20": Start(resnet.resnet20),
    "resnet20_apart": Start(resnet.load_apart, cifar.HELD),
    "resnet56": Start(resnet.resnet56),
    "resnet56_apart": Start(resnet.resnet56, cifar.HELD),
}


class Committee(nn.Module):
    """The mean of several networks' answers."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        """``(batch, classes)``."""
        return torch.stack([member(images) for member in self.members]).mean(0)


def weights_of(name: str, seed: int) -> Path:
    """Where ``train_further`` writes them."""
    return RESULTS / f"{name}_further_{seed}.safetensors"


def load_further(name: str, seed: int) -> nn.Module:
    """In evaluation mode."""
    model = STARTS[name].load()
    model.load_state_dict(load_file(weights_of(name, seed)))
    return model.eval()


def jobs_in(spec: str) -> list[tuple[str, int]]:
    """Networks and seeds of ``resnet20:0/resnet20:1``."""
    pairs = (entry.split(":") for entry in spec.split("/") if entry)
    return [(name, int(seed)) for name, seed in pairs]


def teacher_of(spec: str, original: nn.Module) -> nn.Module:
    """The original, or those trained further that are named in its place."""
    members = [load_further(name, seed) for name, seed in jobs_in(spec)]
    if len(members) < 2:
        return members[0] if members else original
    return Committee(members).eval()


def teacher_told(spec: str) -> str:
    """In words; the original goes without saying."""
    names = [name for name, _ in jobs_in(spec)]
    return " ".join(f"by {names.count(name)} {name} further" for name in dict.fromkeys(names))
