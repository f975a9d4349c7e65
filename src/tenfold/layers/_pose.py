"""A chain that passes for the layer in whose place it stands.

Some networks ask a layer for its class, its sizes or the type of its weight. They get an answer
from a chain that is an instance of the class too. Its weight has the right shape, type and device
and holds NaN, so that no network computes with it unnoticed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

OWN = ("training", "weight", "bias", "shape")


class Posing(nn.Sequential):
    """A ``Sequential`` with the plain attributes and the class of a layer; ``pose`` makes one."""

    shape: torch.Size

    def __init__(self, links: list[nn.Module], layer: nn.Module, shape: torch.Size) -> None:
        nn.Module.__init__(self)  # those of the classes between would make weights
        for index, link in enumerate(links):
            self.add_module(str(index), link)
        for name, value in vars(layer).items():
            if not name.startswith("_") and name not in OWN:
                setattr(self, name, value)
        self.shape = shape

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """NaN of the layer's shape, which takes no memory."""
        one: Any = next(self.parameters())
        return one.detach().new_full((), torch.nan).expand(self.shape)

    @property
    def bias(self) -> Tensor | None:  # type: ignore[override]
        """That of the last link."""
        last: Any = self[-1]
        return last.bias  # type: ignore[no-any-return]


class PosingLinear(Posing, nn.Linear):  # type: ignore[override, misc]
    """For ``nn.Linear``."""


class PosingConv1d(Posing, nn.Conv1d):  # type: ignore[override, misc]
    """For ``nn.Conv1d``."""


class PosingConv2d(Posing, nn.Conv2d):  # type: ignore[override, misc]
    """For ``nn.Conv2d``."""


class PosingConv3d(Posing, nn.Conv3d):  # type: ignore[override, misc]
    """For ``nn.Conv3d``."""


class PosingEmbedding(Posing, nn.Embedding):  # type: ignore[override, misc]
    """For ``nn.Embedding``."""


POSES: dict[type[nn.Module], type[Posing]] = {
    nn.Linear: PosingLinear,
    nn.Conv1d: PosingConv1d,
    nn.Conv2d: PosingConv2d,
    nn.Conv3d: PosingConv3d,
    nn.Embedding: PosingEmbedding,
}


def pose(chain: nn.Module, layer: nn.Module) -> nn.Module | None:
    """The links of a chain as one that passes for a layer, or for its stock class where it is of a
    class of its own; None where the layer has no weight to show."""
    weight: Any = getattr(layer, "weight", None)
    if not isinstance(weight, Tensor):
        return None
    made = next((posing for stock, posing in POSES.items() if isinstance(layer, stock)), Posing)
    links = list(chain) if type(chain) is nn.Sequential else [chain]
    return made(links, layer, weight.shape).train(chain.training)
