"""Calibration data -> the first batches of inputs, as many as are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from torch import Tensor, nn

from tenfold.data.batches import read_batch, rows_of
from tenfold.data.reading import guarded
from tenfold.errors import bad_value

BATCH = 64  # inputs a forward pass


def take(calibration: Iterable[Any], images: int, model: nn.Module) -> tuple[Any, ...]:
    """The first batches, until there are enough inputs; one tensor of inputs is cut into some."""
    if isinstance(calibration, Tensor):
        calibration = calibration.split(BATCH)
    device = next(model.parameters()).device
    batches: list[Any] = []
    seen = 0
    for raw in islice(guarded(calibration), images):
        inputs = read_batch(raw, device).inputs
        batches.append(inputs)
        seen += rows_of(inputs)
        if seen >= images:
            break
    if not batches:
        raise bad_value("Calibration data must hold a batch", "none", "check the loader")
    return tuple(batches)
