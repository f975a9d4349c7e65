"""nn.LSTM, nn.GRU and nn.RNN, of any number of layers, in one direction or both."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.compounds._base import COMPOUNDS, Compound
from tenfold.compounds._recurrent import OpenedRecurrent


class Recurrent(Compound):
    """The input weights of a GRU and an RNN are opened; of an LSTM the recurrent ones too."""

    def serves(self, module: nn.Module) -> bool:
        """The stock classes: a subclass may compute anything."""
        return type(module) in (nn.LSTM, nn.GRU, nn.RNN)

    def refuses(self, module: nn.Module) -> str | None:
        """Also weights that somebody computes anew in each pass."""
        names: Any = module._flat_weights_names
        if not set(names) <= set(module._parameters):
            return "its weights are computed in each pass"
        return super().refuses(module)

    def open(self, module: nn.Module) -> OpenedRecurrent:
        """Layers that read inputs and states, and steps between them."""
        return OpenedRecurrent(module)  # type: ignore[arg-type]


COMPOUNDS.add("recurrent", Recurrent())
