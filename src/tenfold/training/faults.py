"""The errors that end a run, each naming the step."""

from __future__ import annotations

import torch
from torch import nn

from tenfold.data.batches import Batch
from tenfold.errors import TrainingError
from tenfold.network.call import run
from tenfold.training.checkpoint import BEST
from tenfold.training.distill import recorded
from tenfold.training.state import Moving


def diverged(moving: Moving, batch: Batch, step: int, what: str) -> TrainingError:
    """The error that names the step and the first layer whose output is not finite."""
    first = first_bad_layer(moving.student, batch)
    kept = f"are in {moving.folder / BEST}" if moving.folder else "need a checkpoint= to be kept"
    return TrainingError(
        f"The {what} must stay finite, but found NaN or infinity at step {step + 1} in {first}; "
        f"lower the rate or the clip, or check this batch (the best weights {kept})."
    )


def first_bad_layer(model: nn.Module, batch: Batch) -> str:
    """Name of the first layer that turns out NaN or infinity on a batch."""
    leaves = tuple(n for n, m in model.named_modules() if n and not list(m.children()))
    with recorded(model, leaves) as seen:
        run(model, batch.inputs)
    bad = (name for name, value in seen.items() if not bool(torch.isfinite(value).all()))
    return next(bad, "the loss itself")
