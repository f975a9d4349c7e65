"""OpenVINO on the CPU: ``.xml`` with its ``.bin``, in the precision of the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tenfold.network.arrays import arrays_of
from tenfold.network.inputs import values
from tenfold.runtimes._base import FileRuntime, Loaded, Run
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.explain import not_exported
from tenfold.runtimes.openvino.chain import chain_to_ir
from tenfold.runtimes.quiet import quiet
from tenfold.runtimes.trace import is_open, trace


class OpenVino(FileRuntime):
    """Not rounded to 16 bits on saving, which OpenVINO does unless told otherwise."""

    name = "openvino"
    label = "OpenVINO"
    suffix = ".xml"
    packages = ("openvino",)
    extra = "openvino"

    def write(self, model: nn.Module, example: Any, path: Path) -> bool:
        """Converted from the traced program, the batch open where it can be. Raises InputError."""
        program = trace(model, example, batch="open")
        shapes = [[-1 if is_open(program) else len(x), *x.shape[1:]] for x in values(example)]
        try:
            with quiet():
                import openvino

                made = openvino.convert_model(program)
                made.reshape(dict(enumerate(map(openvino.PartialShape, shapes))))
                openvino.save_model(made, str(path), compress_to_fp16=False)
        except Exception as error:  # the converter has errors of its own frontend
            raise not_exported(error, "OpenVINO") from error
        return is_open(program)

    def write_chain(self, layers: Sequence[nn.Module], example: Tensor, path: Path) -> bool:
        """Operation by operation."""
        import openvino

        openvino.save_model(chain_to_ir(layers, example), str(path), compress_to_fp16=False)
        return True

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """Compiled for latency. Inputs are shared, outputs are only valid until the next run."""
        import openvino

        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            # Plain float32: by default a CPU that can multiply in 16 bits does.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = openvino.Core().compile_model(str(content), "CPU", settings)

        def ready(example: Any) -> Run:
            request, arrays = compiled.create_infer_request(), arrays_of(example)

            def run() -> Any:
                request.infer(arrays, share_inputs=True)
                return [request.get_output_tensor(k).data for k in range(len(compiled.outputs))]

            return run

        return ready


RUNTIMES.add("openvino", OpenVino())
