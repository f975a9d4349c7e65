"""Chains in several places of one weight: which of their links hold the same numbers.

Places of one orientation and scale share every link. A place where the weight is transposed, or
multiplied by something, has its own link on the narrow side and shares the first one of the first
place, which is a table where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tenfold.values import Op, Site


def relations(places: Iterable[Site]) -> Iterator[tuple[Site, bool]]:
    """Each place beside the first, and whether a place before it has its orientation and scale."""
    known = {(False, 1.0)}
    for place in places:
        relation = (place.turned, place.scale)
        yield place, relation in known
        known.add(relation)


def shared_links(place: Site, count: int, repeated: bool) -> tuple[int, ...]:
    """Which of ``count`` links a place shares, by their position in its own chain."""
    if repeated:
        return tuple(range(count))
    return (count - 1,) if place.turned else (0,)


def mark_shared(others: Sequence[tuple[Site, tuple[Op, ...]]]) -> tuple[Op, ...]:
    """The operations of the places beside the first, with those marked whose weights are held
    before."""
    priced = [ops for _, ops in others]
    return tuple(
        replace(op, shared=True) if index in shared_links(place, len(ops), repeated) else op
        for (place, repeated), ops in zip(relations(p for p, _ in others), priced)
        for index, op in enumerate(ops)
    )
