"""ONNX with an open batch, read back in ONNX Runtime on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.call import run
from tenfold.network.inputs import leaves, names, values
from tenfold.runtimes.explain import not_exported
from tenfold.runtimes.exporters._base import EXPORTERS, Exporter, Runner
from tenfold.runtimes.quiet import quiet
from tenfold.runtimes.trace import is_open, trace


class Onnx(Exporter):
    """Weights inside the file; names, source lines and paths of this machine are left out."""

    name = "onnx"
    suffix = ".onnx"
    packages = ("onnx", "onnxscript", "onnxruntime")
    extra = "onnx"

    def write(self, model: nn.Module, example: Any, path: Path) -> bool:
        """By torch's exporter, the batch left open where it can be. Raises InputError."""
        program = trace(model, example, batch="open")
        count = len(leaves(run(model, example)))
        outputs = ["output"] if count == 1 else [f"output{index}" for index in range(count)]
        try:
            with quiet():
                made: Any = torch.onnx.export(
                    program,
                    input_names=names(example),
                    output_names=outputs,
                    dynamo=True,
                    verbose=False,
                )
                made.save(str(path))
        except Exception as error:  # the converter has errors of several libraries
            raise not_exported(error, "torch.onnx.export") from error
        strip(path)
        return is_open(program)

    def read(self, path: Path, structure: nn.Module | None = None) -> Runner:
        """A session on one thread."""
        return open_session(path)


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


def open_session(path: Path, threads: int = 1) -> Runner:
    """An ONNX Runtime session on the CPU as a function of an example. Inputs go by name where
    the example has names, else by position."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    wanted = [x.name for x in session.get_inputs()]

    def runner(example: Any) -> list[Tensor]:
        named = dict(zip(names(example), values(example)))
        fed = [named[name] for name in wanted] if set(wanted) <= set(named) else values(example)
        feed = {name: x.detach().cpu().numpy() for name, x in zip(wanted, fed)}
        return [torch.from_numpy(y) for y in session.run(None, feed)]

    return runner


EXPORTERS.add("onnx", Onnx())
