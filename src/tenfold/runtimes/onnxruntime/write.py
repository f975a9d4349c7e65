"""model, example -> ONNX file, with an open batch where the model has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tenfold.network.call import run
from tenfold.network.inputs import leaves, names
from tenfold.runtimes.explain import not_exported
from tenfold.runtimes.onnxruntime.unproject import unprojected
from tenfold.runtimes.quiet import quiet
from tenfold.runtimes.trace import is_open, trace

OPSET = 20
IR_VERSION = 10  # of the file; older runtimes refuse newer ones


def write_onnx(model: nn.Module, example: Any, path: Path) -> bool:
    """By torch's exporter; returns whether the batch is open. Names, source lines and paths of
    this machine are left out. Raises InputError."""
    model = unprojected(model)
    program = trace(model, example, batch="open")
    count = len(leaves(run(model, example)))
    outputs = ["output"] if count == 1 else [f"output{index}" for index in range(count)]
    try:
        with quiet():
            made: Any = torch.onnx.export(
                program,
                input_names=names(example),
                output_names=outputs,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
            made.save(str(path))
    except Exception as error:  # the converter has errors of several libraries
        raise not_exported(error, "torch.onnx.export") from error
    strip(path)
    return is_open(program)


def strip(path: Path) -> None:
    """Without notes on where each node came from, which are long and tell paths."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del noted.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    del graph.value_info[:]
    onnx.save(model, str(path))
