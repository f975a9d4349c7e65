"""A stack of recurrent layers, opened: linear layers for what reads its inputs, readers for what
reads its states, and steps without weights between them.

Of an LSTM, whatever reads the state of a layer is one map: its own recurrent weight, and the next
layer's input weight or, of the last layer, the outputs. A factor that all of them share is what a
stock LSTM calls its projection.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from tenfold.compounds._base import Opened
from tenfold.compounds._close import close, orthonormal, split_links
from tenfold.compounds._sequences import Layout, picked
from tenfold.compounds._split import Parts, split
from tenfold.compounds._stack import Setup
from tenfold.compounds._steps import STEPS, State

Start = tuple[Tensor | None, Tensor | None]


class OpenedRecurrent(Opened):
    """Called as the stock class is.

    ``inputs`` holds the linear layers on the inputs of layers, of an LSTM only that of the first;
    ``readers`` one reader a layer; ``projections`` those of an LSTM that has them already.
    """

    def __init__(self, module: nn.RNNBase) -> None:
        super().__init__()
        self.setup = Setup.of(module)
        parts: Parts = split(module)
        self.inputs, self.readers = nn.ModuleList(parts.inputs), nn.ModuleList(parts.readers)
        self.projections = nn.ModuleList(parts.projections)
        for name, bias in parts.biases.items():
            self.register_parameter(name, bias)
        self.passes = tuple(reader.passes for reader in parts.readers)
        self.sizes = (self.setup.state, self.setup.hidden)  # of the states of a direction

    def forward(self, x: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """Outputs, and the final state or states."""
        setup, ends = self.setup, []
        layout = Layout.of(x, setup.batch_first)
        data = x.data if isinstance(x, PackedSequence) else x
        gates = layout.rows(self.inputs[0](data))
        for k in range(setup.layers):
            rows, end = self.run(k, self.apart(gates), self.start(k, hx, layout), layout)
            ends.append(end)
            if not self.passes[k]:  # the next layer's gates, which both directions add to
                gates = rows.sum(1) + self.bias("input", k + 1)
                continue
            data = self.drop(k, layout.data((rows / self.passes[k]).flatten(1)))
            if k + 1 < setup.layers:
                gates = layout.rows(self.inputs[k + 1](data))
        states = [layout.states(torch.cat(parts)) for parts in zip(*ends)]
        final = tuple(states) if setup.mode == "LSTM" else states[0]
        return layout.sequences(data), final

    def apart(self, x: Tensor) -> Tensor:
        """``(n, directions * channels)`` as ``(n, directions, channels)``."""
        return x.unflatten(-1, (self.setup.directions, -1))

    def run(self, k: int, gates: Tensor, start: Start, layout: Layout) -> tuple[Tensor, State]:
        """One layer on what its inputs give, ``(rows, directions, gates)``: what its readers say
        beside its own gates, ``(rows, directions, ...)``, and the final states ``(directions,
        batch, channels)``."""
        width, step = gates.shape[-1], STEPS[self.setup.mode]
        none = torch.zeros_like(gates[: layout.sizes[0]])
        own = none if start[0] is None else self.read_initial(k, start[0])[..., :width]
        h, c = (none[..., :size] if x is None else x for x, size in zip(start, self.sizes))
        bias = self.apart(self.bias("state", k)) if self.setup.bias else 0
        said, ends = [], []
        for index, part in enumerate(self.turned(gates, layout).split(layout.sizes)):
            n = len(part)
            h, c = step(part, own[:n] + bias, (h[:n], c[:n]))
            h = self.projected(k, h)
            rows = self.read(k, h, first=not index)
            own, rest = rows[..., :width], rows[..., width:]
            if self.training and self.setup.dropout and not self.passes[k]:
                rest = self.read(k, self.drop(k, h), first=not index)[..., width:]
            said.append(rest)
            left = layout.sizes[index + 1] if index + 1 < len(layout.sizes) else 0
            end = rest / self.passes[k] if self.passes[k] else h
            ends.append((end[left:], c[left:]))
        h, c = (torch.cat(parts[::-1]).transpose(0, 1) for parts in zip(*ends))
        return self.turned(torch.cat(said), layout), (self.brought_back(k, h), c)

    def brought_back(self, k: int, h: Tensor) -> Tensor:
        """Final states ``(directions, batch, channels)`` as a projection would leave them, of a
        layer whose reader is factored and does not pass them on."""
        reader: Any = self.readers[k].forward  # or of what is tried in its place
        chain = split_links(reader.__self__, self.setup.directions)
        if self.passes[k] or len(chain) == 1:
            return h
        kept = [orthonormal(v, a)[0] for v, a in zip(*chain)]
        return torch.stack([x @ v.T @ v for x, v in zip(h, kept)])

    def bias(self, what: str, k: int) -> Any:
        """What is added to what the inputs of a layer, or its states, give."""
        name = f"{what}_bias_{k}"
        return getattr(self, name) if self.setup.bias else 0

    def turned(self, rows: Tensor, layout: Layout) -> Tensor:
        """The second direction's rows from the end of each sequence to its start, or back."""
        if self.setup.directions == 1:
            return rows
        return torch.stack([rows[:, 0], picked(rows[:, 1], layout.backwards)], 1)

    def start(self, k: int, hx: Any, layout: Layout) -> Start:
        """The initial states of one layer, ``(batch, directions, channels)``."""
        if hx is None:
            return None, None
        own = slice(k * self.setup.directions, (k + 1) * self.setup.directions)
        both = (hx, None) if isinstance(hx, Tensor) else hx
        h, c = (None if x is None else layout.sorted_states(x)[own].transpose(0, 1) for x in both)
        return h, c

    def projected(self, k: int, h: Tensor) -> Tensor:
        """The state as it goes on."""
        if not self.projections:
            return h
        return self.apart(self.projections[k](h.flatten(1).T.unsqueeze(0))[0].T)

    def read(self, k: int, h: Tensor, first: bool) -> Tensor:
        """What the reader of a layer says of states ``(n, directions, channels)``."""
        x = h.flatten(1).T
        return self.apart((self.readers[k](x) if first else self.readers[k](x.unsqueeze(0))[0]).T)

    def read_initial(self, k: int, h: Tensor) -> Tensor:
        """The same of initial states, in a shape that tells."""
        x = h.flatten(1).T
        return self.apart(self.readers[k](torch.stack([x, torch.zeros_like(x)]))[0].T)

    def drop(self, k: int, x: Tensor) -> Tensor:
        """Between layers, in training."""
        between = k < self.setup.layers - 1
        return F.dropout(x, self.setup.dropout, self.training) if between else x

    def finished(self) -> nn.Module:
        """Stock recurrent layers, with what is factored in and between them."""
        return close(self.setup, self).train(self.training)
