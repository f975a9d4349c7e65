"""How far a second moment of a few inputs is to be trusted: shrinkage that follows their number.

Ledoit and Wolf (2004, lemma 3.3) move a second moment S towards the multiple of the identity with
its trace by ``variance of S / squared distance to the identity``. The variance is read off groups
of whole inputs, since positions of one input are alike, and so counts what is really known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

MOST = 0.95  # of shrinkage: a moment always says something
PIECES = 8  # groups that a batch is looked at in, to see how far they differ


Moment = Callable[[Tensor], Tensor]  # of rows, added up over them


def gram(rows: Tensor) -> Tensor:
    """``(p, p)``."""
    return rows.T @ rows


@dataclass
class Spread:
    """Sums of ``x' x`` over rows, and of how far groups of the rows differ in it."""

    total: Tensor | float = 0.0  # (p, p), or (p,) where a moment is known to be diagonal
    squares: float = 0.0  # sum over groups of the squared norm of their sum
    counts: float = 0.0  # sum over groups of the squared number of their rows
    rows: int = 0
    groups: int = 0
    doubt: float | None = None  # the shrinkage, where it is known from elsewhere

    def add(self, rows: Tensor, inputs: int, weight: float = 1.0, moment_of: Moment = gram) -> None:
        """Rows ``(n, p)`` of so many inputs, one after the other; what they add up to counts
        ``weight`` times."""
        for part in rows.chunk(max(1, min(PIECES, inputs))):
            moment = weight * moment_of(part)
            self.total = moment + torch.as_tensor(self.total, device=moment.device)
            self.squares += float(moment.norm()) ** 2
            self.counts += float(len(part)) ** 2
            self.rows += len(part)
            self.groups += 1

    def block(self, index: int, count: int) -> Spread:
        """One of ``count`` diagonal blocks, taken to spread as the whole does."""
        if not isinstance(self.total, Tensor) or count == 1:
            return self
        size = len(self.total) // count
        own = slice(index * size, (index + 1) * size)
        whole = float(self.total.double().square().sum()) or 1.0
        mine = self.total[own, own] if self.total.ndim == 2 else self.total[own]
        share = float(mine.double().square().sum()) / whole
        return replace(self, total=mine, squares=share * self.squares)

    def ridge(self) -> float:
        """What the number of inputs alone calls for, in mean eigenvalues added to all."""
        share = min(self.shrinkage(), MOST)
        return share / (1 - share)

    def shrinkage(self) -> float:
        """Between 0, where groups agree, and 1, where nothing is known beyond the trace."""
        if self.doubt is not None:
            return self.doubt
        if not isinstance(self.total, Tensor) or not self.rows:
            return 0.0
        if self.groups < 2:
            return 0.5  # a single row: nothing tells how the next would look
        even = self.counts / self.rows**2  # 1 / groups where all are of one size
        square = float(self.total.double().square().sum())
        variance = self.groups / (self.groups - 1) * max(0.0, self.squares - even * square)
        diagonal = self.total.diagonal() if self.total.ndim == 2 else self.total
        mean = float(diagonal.double().mean())
        apart = square - len(self.total) * mean**2
        return min(1.0, variance / apart) if apart > 0 else 1.0
