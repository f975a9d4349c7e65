"""A value of a cost in words."""

from __future__ import annotations


def say_quantity(cost: str, value: float) -> str:
    """``"1,234"`` for what is counted, ``"0.684 ms"`` for a latency."""
    return f"{value:.3f} ms" if cost == "latency" else f"{value:,.0f}"
