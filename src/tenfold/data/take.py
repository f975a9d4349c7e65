"""Calibration data -> the first batches of inputs, as many as are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from torch import Tensor, nn

from tenfold.data.batches import Batch, read_batch, rows_of
from tenfold.data.reading import guarded
from tenfold.errors import bad_value

BATCH = 64  # inputs a forward pass


def take(calibration: Iterable[Any], images: int, model: nn.Module) -> tuple[Any, ...]:
    """The inputs of the first batches, until there are enough."""
    return tuple(batch.inputs for batch in take_batches(calibration, images, model))


def take_batches(
    calibration: Iterable[Any], images: int, model: nn.Module, size: int = BATCH
) -> tuple[Batch, ...]:
    """The first batches, until there are enough inputs; one tensor of inputs is cut into some of
    this ``size``."""
    if isinstance(calibration, Tensor):
        calibration = calibration.split(size)
    device = next(model.parameters()).device
    batches: list[Batch] = []
    seen = 0
    for raw in islice(guarded(calibration), images):
        batches.append(read_batch(raw, device))
        seen += rows_of(batches[-1].inputs)
        if seen >= images:
            break
    if not batches:
        raise bad_value("Calibration data must hold a batch", "none", "check the loader")
    return tuple(batches)
