"""model, example -> graph: the program torch.export makes of a model, or why it makes none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from tenfold.errors import InputError
from tenfold.network.batching import takes_rows
from tenfold.network.call import evaluating, frozen_rng
from tenfold.network.inputs import arguments, batch_of, check_example, leaves, mapped, resize
from tenfold.runtimes.axes import Axes, Place, axes_of, refused
from tenfold.runtimes.talk import not_exported, quiet
from tenfold.runtimes.tensors_only import tensors_only


def trace(model: nn.Module, example: Any) -> ExportedProgram:
    """The forward pass as one graph of ATen operations, in evaluation mode, for the example's very
    shape. Raises InputError where the model cannot be traced; the sentence names the operation.
    """
    check_example(example)
    return export_program(*as_tensors(model, example), None)


def trace_open(model: nn.Module, example: Any, sizes: bool = True) -> tuple[ExportedProgram, Axes]:
    """The same graph with every size of the inputs left open where the model does: the batch and,
    unless ``sizes`` is False, all others, such as height, width and the length of a sequence.
    """
    check_example(example)
    model, example = as_tensors(model, example)
    first, inner = places(example, first=True), places(example, first=False)
    closed = set() if sizes else set(inner)
    closed |= set() if takes_rows(model, example, batch_of(example) + 1) else first
    while True:
        # torch.export takes a batch of one for a constant, so it is shown two.
        shown = example if closed >= first else resize(example, 2)
        try:
            program = export_program(model, shown, open_shapes(shown, closed))
        except InputError:
            if closed >= first | inner:
                raise
            closed |= inner if not closed >= inner else first
            continue
        axes = axes_of(program)
        if not axes.batch and not closed >= first:
            closed |= first
        elif fixed := refused(model, example, axes.sizes):
            closed |= {place for group in fixed for place in group}
        else:
            return program, axes


def convert_open(
    model: nn.Module, example: Any, sizes: bool, convert: Callable[[ExportedProgram], None]
) -> Axes:
    """Convert the open graph, or where the converter cannot, the one whose batch alone is open.
    Raises InputError."""
    program, axes = trace_open(model, example, sizes)
    try:
        convert(program)
    except InputError:
        if not axes.sizes:
            raise
        program, axes = trace_open(model, example, sizes=False)
        convert(program)
    return axes


def as_tensors(model: nn.Module, example: Any) -> tuple[nn.Module, Any]:
    """With tensors alone going in and coming out; a model that does not run is left to the
    tracing, which says where it fails."""
    try:
        return tensors_only(model, example)
    except Exception:  # any error of the model's own code
        return model, example


def export_program(model: nn.Module, example: Any, shapes: Any) -> ExportedProgram:
    """torch.export with its errors in one sentence."""
    args, keywords = arguments(example)
    try:
        with quiet(), evaluating(model), torch.no_grad(), frozen_rng():
            return torch.export.export(model, args, keywords, dynamic_shapes=shapes)
    except Exception as error:  # it raises whatever the model's own code trips over
        raise not_exported(error, "torch.export") from error


def places(example: Any, first: bool) -> set[Place]:
    """The first axis of every input, or all others."""
    axes = (slice(0, 1) if first else slice(1, None)).indices
    return {
        (number, axis) for number, x in enumerate(leaves(example)) for axis in range(*axes(x.ndim))
    }


def open_shapes(example: Any, closed: set[Place]) -> Any:
    """Dynamic shapes for torch.export: every axis that is not closed, unless the model fixes it."""
    numbers = iter(range(len(leaves(example))))

    def one(x: Tensor) -> dict[int, Any]:
        number = next(numbers)
        return {axis: Dim.AUTO for axis in range(x.ndim) if (number, axis) not in closed}

    if closed >= places(example, first=True) | places(example, first=False):
        return None
    shapes = mapped(one, example)
    return shapes if isinstance(example, (Mapping, tuple, list)) else (shapes,)
