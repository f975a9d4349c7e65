"""ONNX Runtime on the CPU, sequential execution, all graph optimisations."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.errors import as_bad_value
from tenfold.network.arrays import flat_arrays
from tenfold.network.copying import copy_of
from tenfold.runtimes.engines._base import ENGINES, Engine, Package, Run, lacking, version_of
from tenfold.runtimes.engines._onnx import to_onnx


class OnnxRuntime(Engine):
    """The default CPU provider; inputs and outputs stay arrays, no copy is timed."""

    name = "onnxruntime"
    label = "ONNX Runtime"

    def unavailable(self) -> str | None:
        """ONNX Runtime, and what writes its files."""
        return lacking(("onnx", "onnxscript", "onnxruntime"), "onnx")

    def version(self) -> str:
        """ONNX Runtime's."""
        return version_of("onnxruntime")

    def package(self, model: nn.Module, example: Any) -> Package:
        """The model in evaluation mode as ONNX bytes."""
        written = to_onnx(copy_of(model).eval(), example)
        return Package(written, len(written))

    def load(self, package: Package, example: Any, threads: int) -> Run:
        """A session that has run once. Raises InputError for what it cannot run."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        arrays = flat_arrays(example)
        with as_bad_value(
            "A model must run in ONNX Runtime to be timed there", "time it on the engine eager"
        ):
            session = onnxruntime.InferenceSession(
                package.content, options, providers=["CPUExecutionProvider"]
            )
            feed = dict(zip((each.name for each in session.get_inputs()), arrays))
            session.run(None, feed)
        return lambda: session.run(None, feed)


ENGINES.add("onnxruntime", OnnxRuntime())
