"""How a batch of sequences lies in a tensor, and the same row by row, as recurrent layers go
through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


@dataclass(frozen=True)
class Layout:
    """``sizes`` says how many sequences still go on at each step; the longest come first. Rows are
    step after step: ``(sum of sizes, channels)``."""

    sizes: tuple[int, ...]
    batch_first: bool
    batched: bool
    packed: PackedSequence | None

    @classmethod
    def of(cls, x: Tensor | PackedSequence, batch_first: bool) -> Layout:
        """That of an input: packed, ``(time, batch, channels)``, with batch first, or without."""
        if isinstance(x, PackedSequence):
            return cls(tuple(x.batch_sizes.tolist()), False, True, x)
        if x.ndim == 2:
            return cls((1,) * len(x), False, False, None)
        time, batch = (x.shape[1], x.shape[0]) if batch_first else x.shape[:2]
        return cls((batch,) * time, batch_first, True, None)

    def rows(self, x: Tensor) -> Tensor:
        """Data in the layout of the input as rows."""
        if x.ndim == 2:
            return x
        return (x.transpose(0, 1) if self.batch_first else x).flatten(0, 1)

    def data(self, rows: Tensor) -> Tensor:
        """Rows as data in the layout of the input."""
        if self.packed is not None or not self.batched:
            return rows
        x = rows.unflatten(0, (len(self.sizes), self.sizes[0]))
        return x.transpose(0, 1) if self.batch_first else x

    def sequences(self, data: Tensor) -> Tensor | PackedSequence:
        """Data as the caller has it."""
        return data if self.packed is None else repacked(data, self.packed)

    def sorted_states(self, states: Tensor) -> Tensor:
        """States ``(layers, batch, channels)``, or without a batch, in the order of the rows."""
        states = states if self.batched else states.unsqueeze(1)
        order = None if self.packed is None else self.packed.sorted_indices
        return states if order is None else states.index_select(1, order)

    def states(self, ordered: Tensor) -> Tensor:
        """The same back in the order of the caller."""
        order = None if self.packed is None else self.packed.unsorted_indices
        states = ordered if order is None else ordered.index_select(1, order)
        return states if self.batched else states.squeeze(1)

    @cached_property
    def starts(self) -> list[int]:
        """The first row of each step."""
        return [0, *accumulate(self.sizes)][:-1]

    @cached_property
    def lengths(self) -> list[int]:
        """Steps of each sequence."""
        return [sum(size > n for size in self.sizes) for n in range(self.sizes[0])]

    @cached_property
    def backwards(self) -> list[int]:
        """For each row the one that is as far from the other end of its sequence."""
        return [
            self.starts[self.lengths[n] - 1 - step] + n
            for step, size in enumerate(self.sizes)
            for n in range(size)
        ]

    @cached_property
    def last(self) -> list[int]:
        """The last row of each sequence."""
        return [self.starts[length - 1] + n for n, length in enumerate(self.lengths)]


def repacked(data: Tensor, like: PackedSequence) -> PackedSequence:
    """Other data in the order of a packed batch."""
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)


def on_data(
    change: Callable[[Tensor], Tensor], x: Tensor | PackedSequence
) -> Tensor | PackedSequence:
    """Every step changed alike, packed or not."""
    if isinstance(x, PackedSequence):
        return repacked(change(x.data), x)
    return change(x)


def picked(rows: Tensor, places: list[int]) -> Tensor:
    """Rows in another order."""
    return rows.index_select(0, torch.tensor(places, device=rows.device))
