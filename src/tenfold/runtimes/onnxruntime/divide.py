"""Floor division of sizes: torch's exporter rounds towards zero, so that a size padded by
``-(-n // stride)`` would be one short in the file."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any


def floor_divided(left: Any, right: Any) -> Any:
    """``left // right`` of integers: what is left over has the sign of the divisor in both
    Python and ONNX."""
    from onnxscript import opset20 as op

    return op.Div(op.Sub(left, op.Mod(left, right)), right)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {operator.floordiv: floor_divided}
