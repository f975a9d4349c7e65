"""model, example -> graph: the program torch.export makes of a model, or why it makes none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from tenfold.network.call import evaluating, frozen_rng, run
from tenfold.network.inputs import arguments, batch_of, check_example, leaves, resize, values
from tenfold.runtimes.explain import not_exported
from tenfold.runtimes.quiet import quiet


def trace(model: nn.Module, example: Any, *, batch: str = "as given") -> ExportedProgram:
    """The forward pass as one graph of ATen operations, in evaluation mode.

    Args:
        batch: ``"as given"`` binds the graph to the example's shape; ``"open"`` leaves the first
            mode of every input open where the model does (``is_open`` tells).

    Raises:
        InputError: the model cannot be traced; the sentence names the operation.
    """
    check_example(example)
    if batch == "open" and takes_batches(model, example):
        # torch.export takes a batch of one for a constant, so it is shown two.
        program = export_program(model, resize(example, 2), open_batch(example))
        if is_open(program):
            return program
    return export_program(model, example, None)


def export_program(model: nn.Module, example: Any, shapes: Any) -> ExportedProgram:
    """torch.export with its errors in one sentence."""
    args, keywords = arguments(example)
    try:
        with quiet(), evaluating(model), torch.no_grad(), frozen_rng():
            return torch.export.export(model, args, keywords, dynamic_shapes=shapes)
    except Exception as error:  # it raises whatever the model's own code trips over
        raise not_exported(error, "torch.export") from error


def open_batch(example: Any) -> Any:
    """Dynamic shapes for torch.export: the first mode of each input, unless the model fixes it."""
    if isinstance(example, Mapping):
        return {key: {0: Dim.AUTO} for key in example}
    return tuple({0: Dim.AUTO} for _ in values(example))


def is_open(program: ExportedProgram) -> bool:
    """Whether the first mode of every input of the graph is left open."""
    given = set(program.graph_signature.user_inputs)
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.name in given]
    return bool(shapes) and not any(is_concrete_int(shape[0]) for shape in shapes)


def takes_batches(model: nn.Module, example: Any) -> bool:
    """Whether the model runs on another batch size than the example's, and says as much."""
    check_example(example)
    batch = batch_of(example) + 1
    try:
        outputs = leaves(run(model, resize(example, batch)))
    except Exception:  # any error of the model's own code is the answer
        return False
    return any(x.ndim > 0 and len(x) == batch for x in outputs)
