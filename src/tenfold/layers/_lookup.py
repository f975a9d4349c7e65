"""module -> Lookup: whether, in evaluation, it looks its input up in a fixed table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import in_a_line
from tenfold.layers._prove import close
from tenfold.network.call import evaluating, frozen_rng, keeping_buffers

SHAPES = ((3,), (2, 5), (4, 1), (2, 3, 2))  # of inputs that are tried


@dataclass(frozen=True)
class Lookup:
    """The reason why a module is no lookup, or None; ``scale`` is what its own weight is multiplied
    by, None where its table is anything else."""

    reason: str | None
    scale: float | None = None


@torch.no_grad()
def prove_lookup(module: nn.Module) -> Lookup:
    """Rows of one table have to be the outputs for inputs of several shapes; whatever goes wrong
    is a reason."""
    try:
        with keeping_buffers(module), frozen_rng():
            return shown(module)
    except ValueError as error:
        return Lookup(str(error))
    except Exception as error:  # anybody's code runs here
        return Lookup(f"it does not run on the numbers of its rows ({in_a_line(error)})")


def shown(module: Any) -> Lookup:
    """The proof. Raises ValueError where an output is not a row of the table."""
    table = table_of(module)
    generator = torch.Generator().manual_seed(0)
    for shape in (*SHAPES, SHAPES[0]):  # the first once more: chance would show
        ids = torch.randint(len(table), shape, generator=generator).to(table.device)
        with evaluating(module):
            y = module(ids.clone())
        if not isinstance(y, Tensor) or not close(y, table[ids]):
            raise ValueError("its outputs are not the rows that its input names")
    return Lookup(None, multiple(table, module.weight))


def table_of(module: Any) -> Tensor:
    """What is put out for the number of every row, ``(rows, dim)``, through which gradients flow.
    Raises ValueError where that is no table."""
    ids = torch.arange(module.num_embeddings, device=module.weight.device)
    with evaluating(module):
        table = module(ids[None])
    if not isinstance(table, Tensor) or table.ndim != 3 or table.shape[:2] != (1, len(ids)):
        raise ValueError("it does not put out one row for each number")
    return table[0]


def multiple(table: Tensor, weight: Tensor) -> float | None:
    """What the weight has to be multiplied by to be the table, or None."""
    if weight.shape != table.shape or not weight.any():
        return None
    largest = int(weight.abs().argmax())
    scale = float(table.flatten()[largest] / weight.flatten()[largest])
    return scale if close(weight * scale, table) else None
