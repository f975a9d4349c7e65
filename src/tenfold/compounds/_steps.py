"""One step of a recurrent layer: what its inputs and its last state give -> the next state.

Gates lie in torch's order, along the last axis; biases are added already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

State = tuple[Tensor, Tensor]  # hidden state and cell; one without a cell hands on what it gets
Step = Callable[[Tensor, Tensor, State], State]


def lstm(inputs: Tensor, recurrent: Tensor, state: State) -> State:
    """Input gate, forget gate, cell, output gate (Hochreiter and Schmidhuber 1997)."""
    i, f, g, o = (inputs + recurrent).chunk(4, -1)
    cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def gru(inputs: Tensor, recurrent: Tensor, state: State) -> State:
    """Reset gate, update gate, new state (Cho et al. 2014), reset after the product."""
    (r, z, n), (hr, hz, hn) = inputs.chunk(3, -1), recurrent.chunk(3, -1)
    update = (z + hz).sigmoid()
    new = (n + (r + hr).sigmoid() * hn).tanh()
    return new + update * (state[0] - new), state[1]


def tanh(inputs: Tensor, recurrent: Tensor, state: State) -> State:
    """Elman's network (1990)."""
    return (inputs + recurrent).tanh(), state[1]


def relu(inputs: Tensor, recurrent: Tensor, state: State) -> State:
    """The same, rectified."""
    return torch.relu(inputs + recurrent), state[1]


STEPS: Mapping[str, Step] = {"LSTM": lstm, "GRU": gru, "RNN_TANH": tanh, "RNN_RELU": relu}
