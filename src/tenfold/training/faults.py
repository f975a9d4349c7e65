"""What ends a run: numbers that are not finite, a user's function that gives no number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.batches import Batch
from tenfold.errors import TenfoldError, TrainingError
from tenfold.network.call import run
from tenfold.training.checkpoint import BEST
from tenfold.training.replaced import recorded
from tenfold.training.state import RunState


def diverged(state: RunState, batch: Batch, step: int, what: str) -> TrainingError:
    """The error that names the step and the first layer whose output is not finite."""
    first = first_bad_layer(state.student, batch)
    best = f"are in {state.folder / BEST}" if state.folder else "need a checkpoint= to be kept"
    return TrainingError(
        f"The {what} must stay finite, but found NaN or infinity at step {step + 1} in {first}; "
        f"lower the rate or the clip, or check this batch (the best weights {best})."
    )


def first_bad_layer(model: nn.Module, batch: Batch) -> str:
    """Name of the first layer that turns out NaN or infinity on a batch."""
    leaves = tuple(n for n, m in model.named_modules() if n and not list(m.children()))
    with recorded(model, leaves) as seen:
        run(model, batch.inputs)
    bad = (name for name, value in seen.items() if not bool(torch.isfinite(value).all()))
    return next(bad, "the loss itself")


def one_number(what: str, function: Callable[[Any, Any], Any], output: Any, batch: Any) -> Any:
    """``function(output, batch)``. Raises TrainingError when that raises or is no single number."""
    try:
        value = function(output, batch)
    except TenfoldError:
        raise
    except Exception as error:
        message = " ".join(str(error).split())
        raise not_one(what, f"{type(error).__name__}: {message}") from error
    if isinstance(value, Tensor) and value.numel() != 1:
        raise not_one(what, f"a tensor of shape {tuple(value.shape)}")
    if not isinstance(value, (Tensor, int, float)):
        raise not_one(what, type(value).__name__)
    return value.reshape(()) if isinstance(value, Tensor) else value


def not_one(what: str, value: str) -> TrainingError:
    """The rule, what came instead, the way out."""
    return TrainingError(
        f"The {what} must be one number for a batch, but found {value}; "
        f"try {what}(output, batch) on one batch alone."
    )
