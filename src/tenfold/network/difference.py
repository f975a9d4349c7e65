"""How far outputs are from those wanted, and how far rounding may take them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Of the largest output. Runtimes add up in another order and fuse what they can.
TOLERANCE = {torch.float64: 1e-4, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}


def difference(wanted: Sequence[Tensor], got: Sequence[Tensor]) -> float:
    """The largest difference as a share of the largest value; infinite for other shapes."""
    if [x.shape for x in wanted] != [x.shape for x in got]:
        return float("inf")
    return max((gap(x.double(), y.double()) for x, y in zip(wanted, got)), default=0.0)


def gap(wanted: Tensor, got: Tensor) -> float:
    """The same for one pair, as a share of the largest finite value; not-a-number and infinity are
    right where both have them."""
    if wanted.numel() == 0:
        return 0.0
    both = (wanted.isnan() & got.isnan()) | (wanted == got)
    apart = (wanted - got).abs().masked_fill(both, 0).max()
    return float(apart / wanted.nan_to_num(0, 0, 0).abs().max().clamp_min(1e-6))


def tolerance(outputs: Sequence[Tensor]) -> float:
    """What rounding may do, by the coarsest type."""
    return max((TOLERANCE.get(x.dtype, 0.0) for x in outputs), default=0.0)
