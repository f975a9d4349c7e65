"""model, example -> graph: the program torch.export makes of a model, or why it makes none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from tenfold.explain import not_exported
from tenfold.forward import evaluating, frozen_rng, run
from tenfold.inputs import arguments, batch_of, check_example, leaves, resize, values
from tenfold.quiet import quiet


def trace(model: nn.Module, example: Any, *, dynamic: bool = False) -> ExportedProgram:
    """The forward pass as one graph of ATen operations, in evaluation mode.

    Args:
        dynamic: leave the first mode of every input open, as the batch; the example is then
            tiled to two, because torch.export takes a batch of one for a constant.

    Raises:
        InputError: the model cannot be traced; the sentence names the operation.
    """
    check_example(example)
    inputs = resize(example, 2) if dynamic else example
    args, keywords = arguments(inputs)
    try:
        with quiet(), evaluating(model), torch.no_grad(), frozen_rng():
            return torch.export.export(
                model, args, keywords, dynamic_shapes=open_batch(inputs) if dynamic else None
            )
    except Exception as error:  # it raises whatever the model's own code trips over
        raise not_exported(error, "torch.export") from error


def open_batch(example: Any) -> Any:
    """Dynamic shapes for torch.export: the first mode of each input."""
    if isinstance(example, Mapping):
        return {key: {0: Dim.DYNAMIC} for key in example}
    return tuple({0: Dim.DYNAMIC} for _ in values(example))


def takes_batches(model: nn.Module, example: Any) -> bool:
    """Whether the model runs on another batch size than the example's, and says as much."""
    check_example(example)
    batch = batch_of(example) + 1
    try:
        outputs = leaves(run(model, resize(example, batch)))
    except Exception:  # any error of the model's own code is the answer
        return False
    return any(x.ndim > 0 and len(x) == batch for x in outputs)
