"""nn.LSTMCell, nn.GRUCell and nn.RNNCell: two linear layers and gates."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tenfold.compounds._base import COMPOUNDS, Compound, Opened, linear_of
from tenfold.compounds._steps import STEPS


class OpenedCell(Opened):
    """Called as the stock cell is: ``input`` reads the input, ``state`` the state before."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.input = linear_of(cell.weight_ih, cell.bias_ih if cell.bias else None)
        self.state = linear_of(cell.weight_hh, cell.bias_hh if cell.bias else None)
        self.hidden, self.mode = cell.hidden_size, mode_of(cell)

    def forward(self, x: Tensor, hx: Any = None) -> Any:
        """The next state, of an LSTM with its cell."""
        zeros = x.new_zeros(*x.shape[:-1], self.hidden)
        pair = (zeros, zeros) if hx is None else (hx, zeros) if isinstance(hx, Tensor) else hx
        h, c = STEPS[self.mode](self.input(x), self.state(pair[0]), (pair[0], pair[1]))
        return (h, c) if self.mode == "LSTM" else h


class Cell(Compound):
    """One step of a recurrent network, whose two weights are factored apart."""

    def serves(self, module: nn.Module) -> bool:
        """The stock classes."""
        return type(module) in (nn.LSTMCell, nn.GRUCell, nn.RNNCell)

    def refuses(self, module: nn.Module) -> str | None:
        """Also weights that somebody computes anew in each pass."""
        if not {"weight_ih", "weight_hh"} <= set(module._parameters):
            return "its weights are computed in each pass"
        return super().refuses(module)

    def open(self, module: nn.Module) -> OpenedCell:
        """Two linear layers."""
        return OpenedCell(module)


def mode_of(cell: nn.Module) -> str:
    """What torch calls a recurrent network of such cells."""
    if isinstance(cell, nn.RNNCell):
        return f"RNN_{cell.nonlinearity.upper()}"
    return type(cell).__name__.removesuffix("Cell")


COMPOUNDS.add("cells", Cell())
