"""Numbers as people write them."""

from __future__ import annotations

import math
from contextlib import suppress


def say_number(value: float) -> str:
    """Three digits, an exponent only where it is small: ``"0.192"``, ``"12,345"``, ``"3e-06"``."""
    if not math.isfinite(value):
        return "unknown"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def say_share(share: float) -> str:
    """``"19.2 %"``."""
    return f"{say_number(100 * share)} %"


def say_times(times: float) -> str:
    """``"5.26x"``; whole above a hundred."""
    return f"{times:,.0f}x" if times >= 100 else f"{times:.2f}x"


def say_asked(asked: str) -> str:
    """What was asked as it was written, but a long fraction with three digits."""
    with suppress(ValueError):
        return say_number(float(asked)) if len(asked) > len("0.0000") else asked
    return asked


def say_less(share: float) -> str:
    """What a share means: ``"5.2x smaller"``."""
    return f"{1 / share:.1f}x smaller" if 0 < share <= 1 else ""


def amount(value: float) -> str:
    """A count in at most four digits and a unit."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.4g}{unit}"
    return f"{value:.4g}"
