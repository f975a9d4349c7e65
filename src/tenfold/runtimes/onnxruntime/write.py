"""model, example -> ONNX file, with open sizes where the model leaves them open."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from tenfold.network.call import run
from tenfold.network.names import input_names, output_names
from tenfold.runtimes.axes import Axes
from tenfold.runtimes.onnxruntime.unproject import unprojected
from tenfold.runtimes.talk import not_exported, quiet
from tenfold.runtimes.trace import convert_open

OPSET = 20
IR_VERSION = 10  # of the file; older runtimes refuse newer ones


def write_onnx(model: nn.Module, example: Any, path: Path, sizes: bool = True) -> Axes:
    """By torch's exporter, inputs and outputs under their names; returns what is open. Names of
    layers' code, source lines and paths of this machine are left out. Raises InputError."""
    model = unprojected(model)
    names = input_names(model, example)
    called = names, output_names(run(model, example), names)
    axes = convert_open(model, example, sizes, lambda program: convert(program, called, path))
    strip(path)
    return axes


def convert(program: ExportedProgram, called: tuple[list[str], list[str]], path: Path) -> None:
    """The graph as a file. Raises InputError."""
    inputs, outputs = called
    try:
        with quiet():
            made: Any = torch.onnx.export(
                program,
                input_names=inputs,
                output_names=outputs,
                opset_version=OPSET,
                custom_translation_table=TRANSLATIONS,
                dynamo=True,
                verbose=False,
            )
            made.save(str(path))
    except Exception as error:  # the converter has errors of several libraries
        raise not_exported(error, "torch.onnx.export") from error


def strip(path: Path) -> None:
    """Without notes on where each node came from, which are long and tell paths."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del noted.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    for size in (d for x in (*graph.input, *graph.output) for d in x.type.tensor_type.shape.dim):
        if size.dim_param.isdigit():  # a size that was let open, and that the model fixed
            size.dim_value = int(size.dim_param)
    del graph.value_info[:]
    onnx.save(model, str(path))


def floor_divided(left: Any, right: Any) -> Any:
    """``left // right`` of integers: what is left over has the sign of the divisor in both
    Python and ONNX. Torch's exporter rounds towards zero, so that a size padded by
    ``-(-n // stride)`` would be one short in the file."""
    from onnxscript import opset20 as op

    return op.Div(op.Sub(left, op.Mod(left, right)), right)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {operator.floordiv: floor_divided}
