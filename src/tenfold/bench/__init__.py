"""Honest latency: interleaved runs, threads pinned and stated, medians with their spread."""

from tenfold.bench.latency import Latency, Timing, compare_latency

__all__ = ["Latency", "Timing", "compare_latency"]
