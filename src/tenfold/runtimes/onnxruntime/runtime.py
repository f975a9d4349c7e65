"""ONNX Runtime on the CPU: one session, sequential, all graph optimisations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tenfold.network.arrays import arrays_of
from tenfold.network.names import named_inputs
from tenfold.runtimes._base import FileRuntime, Loaded, Run
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.axes import Axes
from tenfold.runtimes.onnxruntime.chain import chain_to_onnx, stored
from tenfold.runtimes.onnxruntime.int8 import OnnxInt8
from tenfold.runtimes.onnxruntime.write import write_onnx


class OnnxRuntime(FileRuntime):
    """The default CPU provider; inputs and outputs stay arrays, no copy is timed."""

    name = "onnxruntime"
    label = "ONNX Runtime"
    file = "onnx"
    suffix = ".onnx"
    packages = ("onnxruntime", "onnx", "onnxscript")
    extra = "onnx"
    int8 = OnnxInt8()

    def write(self, model: nn.Module, example: Any, path: Path, sizes: bool = True) -> Axes:
        """Weights inside the file, all sizes left open that can be. Raises InputError."""
        return write_onnx(model, example, path, sizes)

    def write_chain(self, layers: Sequence[nn.Module], example: Tensor, path: Path) -> bool:
        """Node by node."""
        path.write_bytes(chain_to_onnx(layers, example, stored))
        return True

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """A session. Inputs go by name where the example has names, else by position."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(content), options, ["CPUExecutionProvider"])
        wanted = [each.name for each in session.get_inputs()]

        def ready(example: Any) -> Run:
            arrays = arrays_of(example)
            named = dict(zip((name for name, _ in named_inputs(example)), arrays))
            by_name = set(wanted) <= set(named)
            feed = {x: named[x] for x in wanted} if by_name else dict(zip(wanted, arrays))
            return lambda: session.run(None, feed)

        return ready


RUNTIMES.add("onnxruntime", OnnxRuntime())
