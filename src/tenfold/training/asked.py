"""What a function of the user's makes of an output: one number, or a sentence about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from tenfold.errors import TenfoldError, TrainingError


def one_number(what: str, function: Callable[[Any, Any], Any], output: Any, batch: Any) -> Any:
    """``function(output, batch)``. Raises TrainingError when that raises or is no single number."""
    try:
        found = function(output, batch)
    except TenfoldError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())
        raise not_one(what, f"{type(error).__name__}: {told}") from error
    if isinstance(found, Tensor) and found.numel() != 1:
        raise not_one(what, f"a tensor of shape {tuple(found.shape)}")
    if not isinstance(found, (Tensor, int, float)):
        raise not_one(what, type(found).__name__)
    return found.reshape(()) if isinstance(found, Tensor) else found


def not_one(what: str, found: str) -> TrainingError:
    """The rule, what came instead, the way out."""
    return TrainingError(
        f"The {what} must be one number for a batch, but found {found}; "
        f"try {what}(output, batch) on one batch alone."
    )
