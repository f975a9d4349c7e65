"""Synthetic inputs in numbers enough to train on, kept on disk."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.cache import cached
from tenfold.data.synthesise import STEPS, can_synthesise, synthesise
from tenfold.errors import bad_value
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import frozen_rng, keeping_buffers

TOGETHER = 64  # inputs that match the statistics as one batch


def synthetic_inputs(
    model: nn.Module,
    example: Any,
    count: int,
    seed: int = 0,
    progress: Progress = silent,
    *,
    steps: int = STEPS,
) -> Tensor:
    """``count`` inputs shaped like the example's, made from the model's BatchNorm statistics in
    so many ``steps``.

    Raises InputError where there are none, or where the example is not one real tensor.
    """

    def make() -> dict[str, Tensor]:
        sizes = [min(TOGETHER, count - done) for done in range(0, count, TOGETHER)]
        parts = [synthesise(model, example, size, steps=steps, progress=progress) for size in sizes]
        return {"inputs": torch.cat(parts)}

    with frozen_rng(seed), keeping_buffers(model):
        check_synthesisable(model, example)
        key = ("training inputs", count, steps, seed, tuple(example.shape[1:]))
        return cached(key, model, make)["inputs"]


def check_synthesisable(model: nn.Module, example: Any) -> None:
    """Raises InputError without statistics to match, or inputs that could be optimised."""
    if not can_synthesise(model, example):
        raise bad_value(
            "Synthetic inputs need BatchNorm statistics and one input tensor that gradients reach",
            "none",
            "pass data, 100 unlabelled inputs are enough",
        )
