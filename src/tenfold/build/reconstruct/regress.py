"""What a layer of the compressed network sees, and what it should say: second moments of both.

The inputs are those of the compressed network, the outputs those of the original, so a layer
also makes up for what the layers before it got wrong (Zhang et al. 2016, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from tenfold.build.reconstruct.pair import Pair
from tenfold.layers import LAYERS
from tenfold.machine.processes import share, world
from tenfold.network.padding import counted_rows, masks_of
from tenfold.values import Site

POSITIONS = 2**18  # receptive fields looked at over all inputs; more add time, not knowledge
CHUNK = 2**25  # numbers of unfolded input held at once


@dataclass
class Regression:
    """Running sums over receptive fields ``x`` ``(p,)`` and wanted outputs ``y`` ``(out,)``."""

    xx: Tensor
    yx: Tensor
    x: Tensor
    y: Tensor
    count: int = 0

    @classmethod
    def empty(cls, site: Site) -> Regression:
        """Sums of nothing, for a layer without groups."""
        p, out = site.in_channels * site.window, site.out_channels
        zeros = partial(torch.zeros, dtype=torch.float32)  # whatever the caller's default is
        return cls(zeros(p, p), zeros(out, p), zeros(p), zeros(out))

    def add(self, x: Tensor, y: Tensor) -> None:
        """Rows of receptive fields ``(n, p)`` and outputs ``(n, out)``."""
        self.xx += x.T @ x
        self.yx += y.T @ x
        self.x += x.sum(0)
        self.y += y.sum(0)
        self.count += len(x)

    def merge(self, other: Regression) -> None:
        """Add another's sums."""
        for mine, theirs in zip(
            (self.xx, self.yx, self.x, self.y), (other.xx, other.yx, other.x, other.y)
        ):
            mine += theirs
        self.count += other.count

    def means(self) -> tuple[Tensor, Tensor]:
        """Mean receptive field ``(p,)`` and mean output ``(out,)``."""
        return self.x / max(1, self.count), self.y / max(1, self.count)

    def moments(self, central: bool) -> tuple[Tensor, Tensor]:
        """Second moments ``(p, p)`` and ``(out, p)``; about the means if those are put right
        otherwise."""
        n, (x, y) = max(1, self.count), self.means()
        if not central:
            return self.xx / n, self.yx / n
        return self.xx / n - torch.outer(x, x), self.yx / n - torch.outer(y, x)


@torch.no_grad()
def regress(pair: Pair, site: Site, calls: int) -> list[Regression]:
    """Moments of each group of one site over the pair's batches, each network run as far as the
    site's last call of ``calls``; with several processes each takes every n-th batch."""
    limit = POSITIONS // (calls * len(pair.batches))
    sums, together = empty_of_groups(site), world().size

    def sums_of(index: int) -> list[Regression]:
        given, wanted = pair.seen_at(site.name, index, calls)
        return regress_on(site, given, wanted, limit, masks_of(pair.original, pair.batches[index]))

    places = range(len(pair.batches))
    for start in range(0, len(places), together):  # no more held than there are processes
        for parts in share(sums_of, places[start : start + together]):
            for mine, theirs in zip(sums, parts):
                mine.merge(theirs)
    return sums


def empty_of_groups(site: Site) -> list[Regression]:
    """Sums of nothing, one a group."""
    return [Regression.empty(site.group) for _ in range(site.groups)]


def regress_on(
    site: Site,
    given: Sequence[Tensor],
    wanted: Sequence[Tensor],
    limit: int,
    masks: Mapping[str, Tensor],
) -> list[Regression]:
    """Moments of each group over the calls of one batch, of about ``limit`` receptive fields each
    at most, none of them padding."""
    sums = empty_of_groups(site)
    for x, y in zip(given, wanted):
        x, y = x.float().cpu(), y.float().cpu()
        found = (
            [counted_rows(t, rows, masks, site.name) for t, rows in zip((x, y), pair)]
            for pair in receptive_fields(site, x, y)
        )
        whole = y.numel() // site.out_channels
        whole = len(counted_rows(y, y.new_empty(whole, 0), masks, site.name))
        step = max(1, whole // max(1, limit))
        for fields, outputs in found:
            pairs = zip(*(rows[::step].chunk(site.groups, 1) for rows in (fields, outputs)))
            for part, (some, theirs) in zip(sums, pairs):
                part.add(some, theirs)
    return sums


def receptive_fields(site: Site, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows ``(n, in * window)`` of input and ``(n, out)`` of output, a few images at a time where
    fields overlap."""
    kind = LAYERS[site.kind]
    x, y = kind.batched(site, x), kind.batched(site, y)
    size = len(x)
    if site.axes:
        numbers = len(kind.rows(site, y[:1])) * site.in_channels * site.window
        size = max(1, CHUNK // max(1, numbers))
    for some, theirs in zip(x.split(size), y.split(size)):
        yield kind.fields(site, some), kind.rows(site, theirs)
