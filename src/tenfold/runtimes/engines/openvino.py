"""OpenVINO on the CPU, tuned for latency, single precision."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.network.arrays import flat_arrays
from tenfold.network.copying import copy_of
from tenfold.runtimes.engines._base import ENGINES, Engine, Package, Run, lacking, version_of
from tenfold.runtimes.engines._onnx import to_onnx


class OpenVino(Engine):
    """Reads the model as ONNX."""

    name = "openvino"
    label = "OpenVINO"

    def unavailable(self) -> str | None:
        """OpenVINO, and what writes the ONNX that it reads."""
        return lacking(("openvino",), "openvino") or lacking(("onnx", "onnxscript"), "onnx")

    def version(self) -> str:
        """OpenVINO's."""
        return version_of("openvino")

    def package(self, model: nn.Module, example: Any) -> Package:
        """The model in evaluation mode as ONNX bytes."""
        written = to_onnx(copy_of(model).eval(), example)
        return Package(written, len(written))

    def load(self, package: Package, example: Any, threads: int) -> Run:
        """An inference request on shared inputs; its outputs are only valid until the next run."""
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = core.compile_model(core.read_model(package.content), "CPU", settings)
        request, arrays = compiled.create_infer_request(), flat_arrays(example)

        def run() -> Any:
            request.infer(arrays, share_inputs=True)
            return [request.get_output_tensor(k).data for k in range(len(compiled.outputs))]

        return run


ENGINES.add("openvino", OpenVino())
