"""Which ranks are fast: convolution kernels compute whole vectors of channels."""

from __future__ import annotations

from tenfold.values import Site

WIDE = 64  # channels on both sides from which a rank of 16 more is a small step


def fast_step(site: Site) -> int:
    """Ranks of a site are multiples of this when a latency is limited: a rank of 24 takes the time
    of 32 where vectors hold 16 floats (``benchmarks/rank_steps.py``)."""
    return 16 if min(site.group.in_channels, site.group.out_channels) >= WIDE else 8
