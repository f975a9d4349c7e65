"""LSTMs whose states are projected, for a format that knows of none -> the same by other layers.

ONNX has no operation for them, and torch's exporter writes them as if they were smaller. A layer of
full size whose recurrent weight is the product of the two computes the same states; what is put
out of them is projected after it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.network.copying import copy_of

SUFFIXES = ("", "_reverse")


def unprojected(model: nn.Module) -> nn.Module:
    """A copy with such LSTMs replaced; the model itself where there are none."""
    names = [name for name, part in model.named_modules() if is_projected(part)]
    if not names:
        return model
    if names[0] == "":
        return Unprojected(model)
    model = copy_of(model)
    for name, part in list(model.named_modules(remove_duplicate=False)):
        if is_projected(part):
            model.set_submodule(name, Unprojected(part))
    return model


def is_projected(module: nn.Module) -> bool:
    """Whether torch would write it wrongly."""
    return type(module) is nn.LSTM and module.proj_size > 0


class Unprojected(nn.Module):
    """Called as the LSTM is, in evaluation mode, on tensors. Its projections go by the names that
    they have there."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        lstm: Any = module
        self.batch_first, self.bidirectional = lstm.batch_first, lstm.bidirectional
        self.ends = SUFFIXES[: 2 if lstm.bidirectional else 1]
        self.layers = nn.ModuleList(full_layer(lstm, k) for k in range(lstm.num_layers))
        for name, parameter in lstm.named_parameters():
            if name.startswith("weight_hr"):
                self.register_buffer(name, parameter.detach())
                self.register_buffer(f"back_{name}", torch.linalg.pinv(parameter.detach()))
        self.train(lstm.training)

    def forward(self, x: Tensor, hx: Any = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Outputs and final states of the projected size."""
        ends: list[tuple[Tensor, Tensor]] = []
        for k, layer in enumerate(self.layers):
            x, (h, c) = layer(x, self.start(k, hx))
            x = torch.cat(self.each("", k, x.chunk(len(self.ends), -1)), -1)
            ends.append((torch.stack(self.each("", k, h.unbind())), c))
        return x, (torch.cat([h for h, _ in ends]), torch.cat([c for _, c in ends]))

    def start(self, k: int, hx: Any) -> Any:
        """Initial states of a layer: states of full size that are projected to those given."""
        if hx is None:
            return None
        h, c = (x[k * len(self.ends) : (k + 1) * len(self.ends)] for x in hx)
        return torch.stack(self.each("back_", k, h.unbind())), c

    def each(self, prefix: str, k: int, parts: Any) -> list[Tensor]:
        """A map of each direction's part."""
        names = [f"{prefix}weight_hr_l{k}{end}" for end in self.ends]
        return [F.linear(part, getattr(self, name)) for name, part in zip(names, parts)]


@torch.no_grad()
def full_layer(lstm: Any, k: int) -> nn.Module:
    """One layer without a projection, which computes the same states."""
    first = getattr(lstm, f"weight_ih_l{k}")
    layer = nn.LSTM(
        first.shape[1],
        lstm.hidden_size,
        bias=lstm.bias,
        batch_first=lstm.batch_first,
        bidirectional=lstm.bidirectional,
        device=first.device,
        dtype=first.dtype,
    )
    for name, parameter in layer.named_parameters():
        weight = getattr(lstm, name.replace("_l0", f"_l{k}"))
        if name.startswith("weight_hh"):
            projection = getattr(lstm, name.replace("weight_hh_l0", f"weight_hr_l{k}"))
            weight = (weight.double() @ projection.double()).to(weight)
        parameter.copy_(weight)
    return layer
