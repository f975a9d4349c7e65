"""What an operation read and what its layer was given -> the padding between the two."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tenfold.layers._operation import Operation
from tenfold.layers._pad import FixedPads, Pads, SamePads, Sides

MODES = ("constant", "reflect", "replicate", "circular")


def pads_between(inputs: Sequence[Tensor], operations: Sequence[Operation]) -> Pads | None:
    """The rule that tells all these padded inputs; None where nothing is padded.

    Raises ValueError where there is none.
    """
    first, axes = operations[0], len(operations[0].kernel)
    if not axes or all(torch.equal(x, op.x) for x, op in zip(inputs, operations)):
        return None
    for rule in rules(sides_of(inputs[0], first.x, axes), first):
        if all(same(rule.pad(x, axes), op.x) for x, op in zip(inputs, operations)):
            return rule
    raise ValueError("it changes its input before that, and not by a padding that tenfold knows")


def rules(sides: Sides, operation: Operation) -> list[Pads]:
    """What may have padded an input by these sides."""
    names = ("stride", "dilation")
    geometry = zip(operation.kernel, *(operation.geometry[name] for name in names))
    axes = tuple(geometry)
    return [*(FixedPads(sides, mode) for mode in MODES), SamePads(axes), SamePads(axes, False)]


def sides_of(x: Tensor, padded: Tensor, axes: int) -> Sides:
    """Where an input lies inside a padded one. Raises ValueError where it does not."""
    totals = [b - a for a, b in zip(x.shape[-axes:], padded.shape[-axes:])]
    if x.shape[:-axes] != padded.shape[:-axes] or min(totals) < 0:
        raise ValueError("it changes the shape of its input before that")
    for before in itertools.product(*(range(total + 1) for total in totals)):
        inner = [slice(b, b + n) for b, n in zip(before, x.shape[-axes:])]
        if torch.equal(padded[(slice(None),) * (x.ndim - axes) + tuple(inner)], x):
            return tuple((b, total - b) for b, total in zip(before, totals))
    raise ValueError("it changes the numbers of its input before that")


def same(x: Tensor, y: Tensor) -> bool:
    """Equal in shape and in every number."""
    return x.shape == y.shape and torch.equal(x, y)


def merged(operation: Operation, pads: Pads | None) -> tuple[Operation, Pads | None]:
    """Zeros on both sides alike become padding of the convolution itself."""
    padding = operation.geometry.get("padding")
    if not isinstance(pads, FixedPads) or pads.mode != "constant" or isinstance(padding, str):
        return operation, pads
    if any(before != after for before, after in pads.fixed):
        return operation, pads
    both = tuple(p + side for p, (side, _) in zip(padding or (), pads.fixed))
    return replace(operation, geometry={**operation.geometry, "padding": both}), None
