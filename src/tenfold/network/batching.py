"""How many inputs a network takes at a time: some are written for one batch size."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tenfold.network.call import run
from tenfold.network.inputs import leaves, resize


def batch_taken(model: nn.Module, example: Any, most: int) -> int:
    """``most``, or the example's own number where one input more does not run or is not answered.

    ``example`` is one tensor with the batch first; of anything else the answer is ``most``.
    """
    if not isinstance(example, Tensor) or not example.ndim or not len(example):
        return most
    count = len(example)
    answers = answers_to(model, example)
    try:
        more = answers_to(model, resize(example, count + 1))
    except Exception:  # whatever somebody's network raises, it does not take them
        return min(count, most)
    return most if answers != count or more == count + 1 else min(count, most)


def answers_to(model: nn.Module, inputs: Any) -> int:
    """The first mode of the first tensor that comes out."""
    return next((len(x) for x in leaves(run(model, inputs)) if x.ndim), 0)
