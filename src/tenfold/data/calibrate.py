"""Inputs to calibrate on: the first batches of those that are given; to choose int8 ranges on, else
made from BatchNorm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.batches import Batch, read_batch, rows_of
from tenfold.data.cache import cached
from tenfold.data.reading import guarded
from tenfold.data.synthesise import can_synthesise, synthesise
from tenfold.errors import bad_value
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import frozen_rng
from tenfold.network.inputs import batch_of, cut, resize

REAL, MADE = 512, 128  # inputs, half of them to choose ranges on and half to judge on
BATCH = 64  # inputs a forward pass


def calibration_inputs(
    model: nn.Module,
    example: Any,
    calibration: Iterable[Any] | None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Any, Any, str]:
    """Inputs to choose on, inputs to judge on, and ``"calibration"`` or ``"synthetic"``.

    Raises InputError when there are none and none can be made.
    """
    with frozen_rng(seed):
        if calibration is not None:
            inputs, origin = joined(take(calibration, REAL, model)), "calibration"
        elif can_synthesise(model, example):
            made = cached(
                ("int8", MADE, seed, tuple(example.shape[1:])),
                model,
                lambda: {"inputs": synthesise(model, example, MADE, progress=progress)},
            )
            inputs, origin = made["inputs"], "synthetic"
        else:
            raise bad_value(
                "int8 needs inputs to choose its ranges on",
                "no data and no BatchNorm statistics to make inputs from",
                "pass calibration=..., or --data on the command line",
            )
    half = min(batch_of(inputs), REAL) // 2
    if half < 1:
        raise bad_value("int8 needs two inputs or more to calibrate on", "one", "pass more data")
    return cut(inputs, 0, half), cut(inputs, half, 2 * half), origin


def joined(batches: Sequence[Any]) -> Any:
    """Batches as one."""
    first = batches[0]
    if isinstance(first, Mapping):
        return {key: torch.cat([batch[key] for batch in batches]) for key in first}
    if isinstance(first, (tuple, list)):
        return tuple(torch.cat(parts) for parts in zip(*batches))
    return torch.cat(list(batches))


def in_batches(inputs: Any, size: int) -> list[Any]:
    """The inputs in batches of exactly ``size``: runtimes stack what they see. A rest is left
    out, and fewer than one batch are repeated."""
    whole = max(batch_of(inputs) // size, 1) * size
    filled = resize(inputs, whole)
    return [cut(filled, at, at + size) for at in range(0, whole, size)]


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
