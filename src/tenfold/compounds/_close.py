"""An opened recurrent network, factored or not -> stock recurrent layers that compute the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.compounds._base import linear_of
from tenfold.compounds._stack import SUFFIXES, RecurrentStack, Setup
from tenfold.errors import PlanError
from tenfold.layers import links_of


@dataclass(frozen=True)
class Read:
    """What reads the states of one layer, a tensor a direction: its ``rows``, and the projection
    before them where there is one."""

    rows: tuple[Tensor, ...]
    projection: tuple[Tensor, ...] | None


def close(setup: Setup, opened: Any) -> nn.Module:
    """The network as it was where nothing is factored, else a stack of layers."""
    inputs = [links_of(layer) for layer in opened.inputs]
    reads = [read(opened.readers[k], setup, k) for k in range(setup.layers)]
    layers = [weights_of(setup, opened, inputs, reads, k) for k in range(setup.layers)]
    narrow = [one.projection is not None for one in reads]
    if not any(narrow) and all(len(links) == 1 for links in inputs):
        whole = {f"{n}_l{k}{end}": w for k, own in enumerate(layers) for (n, end), w in own.items()}
        made: Any = setup.make(whole, setup.inputs, setup.projected)
        made.dropout = setup.dropout  # torch warns of one that is not between layers
        return made  # type: ignore[no-any-return]
    single = [made_of(setup, own) for own in layers]
    fronts = {str(k): front(links) for k, links in enumerate(inputs) if len(links) > 1}
    dropout = setup.dropout if setup.layers > 1 else 0.0
    return RecurrentStack(single, fronts, expansion(setup, opened, reads[-1]), narrow, dropout)


def read(reader: nn.Module, setup: Setup, k: int) -> Read:
    """The rows of a reader, and its projection. Below the last layer the rows of a projection are
    made orthonormal, so that its transpose brings a state back."""
    links = split_links(reader, setup.directions)
    if len(links) == 1:
        return Read(links[0], None)
    projection, rows = links
    if len(projection[0]) >= setup.hidden:
        raise PlanError(
            f"The rank of an LSTM's state must be below its {setup.hidden} channels, but found "
            f"{len(projection[0])}; choose a smaller one, or 'dense'."
        )
    if k == setup.layers - 1:
        return Read(rows, projection)
    pairs = [orthonormal(v, a) for v, a in zip(projection, rows)]
    return Read(tuple(a for _, a in pairs), tuple(v for v, _ in pairs))


def split_links(reader: nn.Module, directions: int) -> list[tuple[Tensor, ...]]:
    """The weights of a reader or of the links in its place, a matrix a direction."""
    return [tuple(link.weight.squeeze(2).chunk(directions)) for link in links_of(reader)]


@torch.no_grad()
def orthonormal(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The same product with orthonormal rows in the first factor."""
    q, r = torch.linalg.qr(first.detach().double().T)
    pair = q.T.to(first), (second.detach().double() @ r.T).to(second)
    learns = first.requires_grad
    return pair[0].contiguous().requires_grad_(learns), pair[1].requires_grad_(learns)


def weights_of(
    setup: Setup, opened: Any, inputs: Sequence[Sequence[Any]], reads: Sequence[Read], k: int
) -> dict[tuple[str, str], Tensor]:
    """The parameters of one layer, by torch's name for them and the ending of the direction."""
    own, ends = reads[k], SUFFIXES[: setup.directions]
    parts_of: dict[str, Sequence[Tensor]] = {
        "weight_hh": [rows[: setup.gates] for rows in own.rows]
    }
    if k < len(inputs):
        last = inputs[k][-1]
        parts_of["weight_ih"] = last.weight.chunk(setup.directions)
        bias = last.bias
    else:
        parts_of["weight_ih"] = from_below(setup, reads[k - 1])
        bias = opened.bias("input", k)
    if own.projection is not None:
        parts_of["weight_hr"] = own.projection
    elif setup.projected:
        parts_of["weight_hr"] = opened.projections[k].weight.squeeze(2).chunk(setup.directions)
    if setup.bias:
        parts_of["bias_ih"] = bias.chunk(setup.directions)
        parts_of["bias_hh"] = opened.bias("state", k).chunk(setup.directions)
    return {(name, end): w for name, parts in parts_of.items() for end, w in zip(ends, parts)}


def from_below(setup: Setup, below: Read) -> list[Tensor]:
    """The input weight of each direction of a layer, out of what reads the layer below."""
    parts = [rows[setup.gates :].chunk(setup.directions) for rows in below.rows]
    return [torch.cat(columns, 1) for columns in zip(*parts)]


def made_of(setup: Setup, weights: Mapping[tuple[str, str], Tensor]) -> nn.Module:
    """A stock layer, as narrow as its weights say."""
    named = {f"{name}_l0{end}": weight for (name, end), weight in weights.items()}
    projected = len(named["weight_hr_l0"]) if "weight_hr_l0" in named else 0
    return setup.make(named, named["weight_ih_l0"].shape[1], projected)


def front(links: Sequence[Any]) -> nn.Module:
    """The factors before the last, which lies in the recurrent layer."""
    return links[0] if len(links) == 2 else nn.Sequential(*links[:-1])


def expansion(setup: Setup, opened: Any, last: Read) -> list[nn.Module]:
    """What brings the outputs of each direction back to their size, where they are narrow."""
    if last.projection is None:
        return []
    return [linear_of(rows[setup.gates :] / opened.passes[-1], None) for rows in last.rows]
