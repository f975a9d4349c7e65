"""Which inputs a network takes, and how many at a time: some are written for one batch size."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tenfold.network.call import run
from tenfold.network.inputs import resize
from tenfold.network.names import walk


def rows_out(model: nn.Module, inputs: Any) -> set[int] | None:
    """The sizes of the first modes of what comes out; None where the network does not take these
    inputs, and whatever it raises says so."""
    try:
        output = run(model, inputs)
    except Exception:  # any error of the model's own code
        return None
    return {len(x) for _, x in walk(output) if x.ndim}


def takes(model: nn.Module, inputs: Any) -> bool:
    """Whether the network runs on these inputs."""
    return rows_out(model, inputs) is not None


def takes_rows(model: nn.Module, example: Any, rows: int) -> bool:
    """Whether it runs on so many rows like the example's, and answers with as many."""
    return rows in (rows_out(model, resize(example, rows)) or ())


def batch_taken(model: nn.Module, example: Any, most: int) -> int:
    """``most``, or the example's own number where one input more does not run or is not answered.

    ``example`` is one tensor with the batch first; of anything else the answer is ``most``.
    """
    if not isinstance(example, Tensor) or not example.ndim or not len(example):
        return most
    count = len(example)
    if takes_rows(model, example, count):
        more = takes_rows(model, example, count + 1)
    else:  # it answers with any number, so that running is all there is to see
        more = takes(model, resize(example, count + 1))
    return most if more else min(count, most)
