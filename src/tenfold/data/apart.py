"""Batches of inputs -> those that moments and fits see, and others to judge what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.batches import rows_of
from tenfold.network.batching import takes
from tenfold.network.inputs import mapped

EVERY = 4  # one input in so many is held apart
ENOUGH = 64  # inputs apart at most


@dataclass(frozen=True)
class Split:
    """``seen`` makes moments and factors, ``apart`` measures; both the same batches where a single
    input cannot be divided."""

    seen: tuple[Any, ...]
    apart: tuple[Any, ...]

    @property
    def honest(self) -> bool:
        """Whether what measures has made nothing."""
        return self.seen is not self.apart


def split_apart(model: nn.Module, batches: Sequence[Any]) -> Split:
    """Some batches apart where there are several, else some rows of the only ones."""
    batches = tuple(batches)
    if len(batches) >= EVERY:
        return by_batch(batches, EVERY)
    parted = by_rows(model, batches)
    if parted is not None:
        return parted
    return by_batch(batches, len(batches)) if len(batches) > 1 else Split(batches, batches)


def by_batch(batches: tuple[Any, ...], every: int) -> Split:
    """One batch of every so many apart, until there are enough inputs; rows beyond that go unused,
    for a batch may not be divisible."""
    apart: list[Any] = []
    seen: list[Any] = []
    for index, batch in enumerate(batches):
        wanted = index % every == every - 1 and sum(map(rows_of, apart)) < ENOUGH
        (apart if wanted else seen).append(batch)
    return Split(tuple(seen), tuple(apart))


def by_rows(model: nn.Module, batches: tuple[Any, ...]) -> Split | None:
    """The last rows of every batch apart; None where there is one row, or where the network does
    not take fewer."""
    pairs = [cut_in_two(batch) for batch in batches if rows_of(batch) > 1]
    if not pairs:
        return None
    if not all(takes(model, part) for part in pairs[0]):
        return None
    whole = [batch for batch in batches if rows_of(batch) == 1]
    return Split((*whole, *(a for a, _ in pairs)), tuple(b for _, b in pairs))


def cut_in_two(batch: Any) -> tuple[Any, Any]:
    """Most rows of every tensor that has as many as the batch, and the rest of them."""
    rows = rows_of(batch)
    at = rows - min(ENOUGH, max(1, rows // EVERY))

    def part(start: int, stop: int) -> Any:
        return mapped(lambda x: x[start:stop] if has_rows(x, rows) else x, batch)

    return part(0, at), part(at, rows)


def thinned(model: nn.Module, batches: Sequence[Any], count: int) -> tuple[Any, ...]:
    """About ``count`` of the inputs, spread over the batches; whole batches where the network does
    not take fewer rows."""
    each = max(1, count // max(1, len(batches)))
    if sum(map(rows_of, batches)) <= count:
        return tuple(batches)
    few = tuple(first_rows(batch, each) for batch in batches[:count])
    return few if takes(model, few[0]) else tuple(batches[:1])


def first_rows(batch: Any, count: int) -> Any:
    """The first rows of every tensor that has as many as the batch."""
    rows = rows_of(batch)
    return mapped(lambda x: x[:count] if has_rows(x, rows) else x, batch)


def has_rows(x: Tensor, rows: int) -> bool:
    """Whether a tensor has so many rows that can be cut; those of a sparse one are often no inputs,
    but nodes."""
    return x.ndim > 0 and len(x) == rows and x.layout == torch.strided
