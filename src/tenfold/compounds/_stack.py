"""What is handed over for an opened recurrent network: stock layers of one layer each, and the
linear layers between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from tenfold.compounds._sequences import Layout, on_data, picked

SUFFIXES = ("", "_reverse")  # of the names of a direction's weights


class RecurrentStack(nn.Module):
    """Called as ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` are, with outputs and states of the sizes
    of the original.

    ``fronts`` holds, by the number of a layer, the first factors of its ``weight_ih``. A narrow
    layer projects its state inside (``proj_size``); ``expand`` brings the last one's outputs back,
    a layer a direction.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        fronts: Mapping[str, nn.Module],
        expand: Sequence[nn.Module],
        narrow: Sequence[bool],
        dropout: float,
    ) -> None:
        super().__init__()
        self.layers, self.fronts = nn.ModuleList(layers), nn.ModuleDict(fronts)
        self.expand, self.narrow, self.dropout = nn.ModuleList(expand), tuple(narrow), dropout

    def forward(self, x: Any, hx: Any = None) -> tuple[Any, Any]:
        """Outputs, and the final state or states."""
        ends: list[Any] = []
        for k, layer in enumerate(self.layers):
            if k and self.dropout:
                x = on_data(self.drop, x)
            if str(k) in self.fronts:
                x = on_data(self.fronts[str(k)], x)
            x, end = layer(x, self.start(k, hx))
            ends.append(self.widened(k, end))
        if self.expand:
            x = on_data(self.expanded, x)
            ends[-1] = (self.last_of(x), ends[-1][1])
        if isinstance(ends[0], tuple):
            return x, tuple(torch.cat(parts) for parts in zip(*ends))
        return x, torch.cat(ends)

    def drop(self, x: Tensor) -> Tensor:
        """Between layers, in training."""
        return F.dropout(x, self.dropout, self.training)

    def start(self, k: int, hx: Any) -> Any:
        """The initial state of a layer, projected where the layer is narrow."""
        layer: Any = self.layers[k]
        if hx is None:
            return None
        own = slice(k * directions(layer), (k + 1) * directions(layer))
        if isinstance(hx, Tensor):
            return hx[own]
        h, c = hx[0][own], hx[1][own]
        return (each(h, projections(layer)) if self.narrow[k] else h), c

    def widened(self, k: int, end: Any) -> Any:
        """The final state in its own size: the rows of a projection are orthonormal, so that its
        transpose undoes it. That of the last layer is taken from the outputs."""
        layer: Any = self.layers[k]
        if not self.narrow[k] or k == len(self.layers) - 1:
            return end
        return each(end[0], [weight.T for weight in projections(layer)]), end[1]

    def expanded(self, x: Tensor) -> Tensor:
        """Outputs of all directions in their own size."""
        parts = zip(self.expand, x.chunk(len(self.expand), -1))
        return torch.cat([layer(part) for layer, part in parts], -1)

    def last_of(self, x: Tensor | PackedSequence) -> Tensor:
        """Final states ``(directions, batch, hidden)`` out of the outputs."""
        last: Any = self.layers[-1]
        if isinstance(x, PackedSequence):
            layout = Layout.of(x, False)
            places = (layout.last, list(range(layout.sizes[0])))
            rows = zip(x.data.chunk(directions(last), -1), places)
            return layout.states(torch.stack([picked(part, some) for part, some in rows]))
        steps = x.movedim(1, 0) if last.batch_first and x.ndim == 3 else x
        ends = (steps[-1], steps[0])  # backwards, the first step is the last
        parts = [end.chunk(directions(last), -1) for end in ends[: directions(last)]]
        return torch.stack([part[k] for k, part in enumerate(parts)])


def directions(layer: Any) -> int:
    """Two for a layer that also runs backwards."""
    return 2 if layer.bidirectional else 1


def projections(layer: Any) -> list[Tensor]:
    """The projection of each direction, ``(projected, hidden)``."""
    return [getattr(layer, f"weight_hr_l0{end}") for end in SUFFIXES[: directions(layer)]]


def each(states: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """A map of each direction's states ``(directions, batch, channels)``, or without a batch."""
    return torch.stack([F.linear(part, weight) for part, weight in zip(states, weights)])


@dataclass(frozen=True)
class Setup:
    """How a stock recurrent network was made."""

    stock: type[Any]
    mode: str  # as torch calls it
    inputs: int
    hidden: int
    layers: int
    bias: bool
    batch_first: bool
    dropout: float
    directions: int
    projected: int  # 0 for a state that is not projected

    @classmethod
    def of(cls, module: nn.RNNBase) -> Setup:
        """That of a network."""
        return cls(
            type(module),
            module.mode,
            module.input_size,
            module.hidden_size,
            module.num_layers,
            module.bias,
            module.batch_first,
            module.dropout,
            2 if module.bidirectional else 1,
            module.proj_size,
        )

    @property
    def gates(self) -> int:
        """Rows of the recurrent weight of one direction."""
        return {"LSTM": 4, "GRU": 3}.get(self.mode, 1) * self.hidden

    @property
    def state(self) -> int:
        """Size of the state of one direction."""
        return self.projected or self.hidden

    def make(self, weights: Mapping[str, Tensor], inputs: int, projected: int) -> nn.Module:
        """The stock network of as many layers as there are weights for."""
        first = next(iter(weights.values()))
        own: dict[str, Any] = {"proj_size": projected} if projected else {}
        if self.mode.startswith("RNN"):
            own["nonlinearity"] = self.mode.removeprefix("RNN_").lower()
        made: Any = self.stock(
            inputs,
            self.hidden,
            num_layers=sum(name.startswith("weight_hh") for name in weights) // self.directions,
            bias=self.bias,
            batch_first=self.batch_first,
            bidirectional=self.directions == 2,
            device="meta",  # nothing is drawn
            dtype=first.dtype,
            **own,
        ).to_empty(device=first.device)
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                parameter.copy_(weights[name])
                parameter.requires_grad_(weights[name].requires_grad)
        return made  # type: ignore[no-any-return]
