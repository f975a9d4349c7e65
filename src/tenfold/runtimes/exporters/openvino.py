"""OpenVINO IR: ``.xml`` with its ``.bin``, in the precision of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.inputs import values
from tenfold.runtimes.explain import not_exported
from tenfold.runtimes.exporters._base import EXPORTERS, Exporter, Runner
from tenfold.runtimes.quiet import quiet
from tenfold.runtimes.trace import is_open, trace


class OpenVino(Exporter):
    """Not rounded to 16 bits on saving, which OpenVINO does unless told otherwise."""

    name = "openvino"
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

    def read(self, path: Path, structure: nn.Module | None = None) -> Runner:
        """Compiled for the CPU, one thread, plain float32."""
        import openvino

        # Plain float32: by default a CPU that can multiply in 16 bits does.
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
        compiled = openvino.Core().compile_model(str(path), "CPU", settings)

        def runner(example: Any) -> list[Tensor]:
            found = compiled([x.detach().cpu().numpy() for x in values(example)])
            return [torch.from_numpy(found[port].copy()) for port in compiled.outputs]

        return runner


EXPORTERS.add("openvino", OpenVino())
