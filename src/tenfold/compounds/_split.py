"""A stock recurrent network -> its weights, as the layers that an opened one is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tenfold.compounds._base import linear_of, parameter_of
from tenfold.compounds._stack import SUFFIXES, Setup
from tenfold.layers.state import StateReader

NO_PROJECTION = (
    "its state goes through gates at full size: no stock {} projects it, as an LSTM does"
)
PROJECTED = "it is projected already (proj_size), which is a factorisation"


@dataclass(frozen=True)
class Parts:
    """New layers and parameters, a list each with one a layer of the network."""

    inputs: list[nn.Linear]
    readers: list[StateReader]
    projections: list[StateReader]
    biases: dict[str, nn.Parameter]  # by name; those of inputs lie in their layers, where there are


def split(module: nn.RNNBase) -> Parts:
    """Everything that a network holds; of an LSTM the input weights of all layers but the first
    go to the readers of the layer below."""
    setup = Setup.of(module)
    joint = setup.mode == "LSTM" and not setup.projected
    layers = range(setup.layers)
    own = layers[: 1 if joint else setup.layers]  # the layers with an input layer of their own
    kinds = {"input_bias": ("bias_ih", layers[len(own) :]), "state_bias": ("bias_hh", layers)}
    biases = {
        f"{name}_{k}": parameter_of(joined(module, torchs, k))
        for name, (torchs, some) in kinds.items()
        for k in some
        if setup.bias
    }
    return Parts(
        [input_layer(module, setup, k) for k in own],
        [reader(module, setup, k) if joint else left_reader(module, setup, k) for k in layers],
        [projection(module, setup, k) for k in layers if setup.projected],
        biases,
    )


def input_layer(module: nn.RNNBase, setup: Setup, k: int) -> nn.Linear:
    """What reads the inputs of a layer, for both directions."""
    bias = joined(module, "bias_ih", k) if setup.bias else None
    return linear_of(joined(module, "weight_ih", k), bias)


def reader(module: nn.RNNBase, setup: Setup, k: int) -> StateReader:
    """All that reads the states of a layer of an LSTM."""
    own = each_direction(module, "weight_hh", k)
    if k == setup.layers - 1:
        return state_reader(own, passes=typical(own))
    nexts = [w.chunk(setup.directions, 1) for w in each_direction(module, "weight_ih", k + 1)]
    rows = [torch.cat([w, *parts]) for w, parts in zip(own, zip(*nexts))]
    return state_reader(rows, keeps=True)


def left_reader(module: nn.RNNBase, setup: Setup, k: int) -> StateReader:
    """A recurrent weight that stays as it is, before the state itself."""
    left = PROJECTED if setup.projected else NO_PROJECTION.format(setup.stock.__name__)
    return state_reader(each_direction(module, "weight_hh", k), passes=1.0, left=left)


def projection(module: nn.RNNBase, setup: Setup, k: int) -> StateReader:
    """The projection that an LSTM has, which stays as it is."""
    return state_reader(each_direction(module, "weight_hr", k), left=PROJECTED)


def state_reader(
    rows: Sequence[Tensor], passes: float = 0.0, keeps: bool = False, left: str | None = None
) -> StateReader:
    """A reader with these rows a direction."""
    return StateReader(torch.cat(list(rows)).unsqueeze(2), len(rows), passes, keeps, left)


def typical(own: Sequence[Tensor]) -> float:
    """The number that the state is passed on at: what reads the outputs is not known, and counts
    as much as the layer's own weight does. A power of two, so that nothing is rounded."""
    sizes = [float(w.detach().float().norm()) / math.sqrt(w.shape[1]) for w in own]
    mean = math.sqrt(sum(size * size for size in sizes) / len(sizes))
    return 2.0 ** round(math.log2(mean)) if 1e-6 < mean < 1e6 else 1.0


def each_direction(module: nn.RNNBase, name: str, k: int) -> list[Tensor]:
    """A weight or bias of a layer, a tensor a direction."""
    directions = 2 if module.bidirectional else 1
    return [getattr(module, f"{name}_l{k}{end}") for end in SUFFIXES[:directions]]


def joined(module: nn.RNNBase, name: str, k: int) -> Tensor:
    """The same, one direction after the other."""
    return torch.cat(each_direction(module, name, k))
