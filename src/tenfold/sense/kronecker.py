"""Moments of one weight in several places -> those of one place that stands for all.

The Fisher information of a common weight is the sum of that in each place, ``sum of A x G``; the
product that is used for it has the mean of each side, weighted by the traces of the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]  # of the inputs and of the outputs, each a matrix or a diagonal


def sum_of_products(pairs: Sequence[Pair]) -> Pair:
    """One product for several, all in one orientation; its trace is the sum of theirs."""
    energies = [trace(inputs) * trace(outputs) for inputs, outputs in pairs]
    total = max(sum(energies), 1e-300)
    sides = [
        reduce(added, (m * (e / max(trace(m), 1e-300)) for m, e in zip(side, energies)))
        for side in zip(*pairs)
    ]
    return sides[0], sides[1] / total


def trace(moment: Tensor) -> float:
    """Of a matrix, or of the diagonal of one."""
    return float((moment.diagonal() if moment.ndim == 2 else moment).double().sum())


def added(one: Tensor, other: Tensor) -> Tensor:
    """The sum; a diagonal where one of them is no more than that."""
    if one.ndim != other.ndim:
        one, other = (x.diagonal() if x.ndim == 2 else x for x in (one, other))
    return torch.add(one, other)
