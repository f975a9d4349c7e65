"""OpenVINO on the CPU: ``.xml`` with its ``.bin``, in the precision of the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from tenfold.network.arrays import arrays_of
from tenfold.network.call import run
from tenfold.network.names import input_names, output_names
from tenfold.runtimes._base import FileRuntime, Loaded, Run
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.axes import Axes, inputs_of
from tenfold.runtimes.openvino.chain import chain_to_ir
from tenfold.runtimes.talk import not_exported, quiet
from tenfold.runtimes.trace import convert_open


class OpenVino(FileRuntime):
    """Not rounded to 16 bits on saving, which OpenVINO does unless told otherwise."""

    name = "openvino"
    label = "OpenVINO"
    suffix = ".xml"
    packages = ("openvino",)
    extra = "openvino"

    def write(self, model: nn.Module, example: Any, path: Path, sizes: bool = True) -> Axes:
        """Converted from the traced program, all sizes open that can be, inputs and outputs under
        their names. Raises InputError."""
        names = input_names(model, example)
        called = names, output_names(run(model, example), names)
        return convert_open(model, example, sizes, lambda program: save(program, called, path))

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


def save(program: ExportedProgram, called: tuple[list[str], list[str]], path: Path) -> None:
    """Convert a graph and write it. Raises InputError."""
    sizes = [x.shape for x in inputs_of(program)]
    shapes = [[int(x) if is_concrete_int(x) else -1 for x in each] for each in sizes]
    try:
        with quiet():
            import openvino

            made = openvino.convert_model(program)
            made.reshape(dict(enumerate(map(openvino.PartialShape, shapes))))
            for ports, names in zip((made.inputs, made.outputs), called):
                for port, name in zip(ports, names):
                    port.get_tensor().set_names({name})
            openvino.save_model(made, str(path), compress_to_fp16=False)
    except Exception as error:  # the converter has errors of its own frontend
        raise not_exported(error, "OpenVINO") from error


RUNTIMES.add("openvino", OpenVino())
