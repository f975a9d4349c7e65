"""``.tflite`` through litert-torch, read back in LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.inputs import arguments, check_example, values
from tenfold.runtimes.explain import not_exported
from tenfold.runtimes.exporters._base import EXPORTERS, Exporter, Runner
from tenfold.runtimes.quiet import quiet


class TfLite(Exporter):
    """For the example's very shape."""

    name = "tflite"
    suffix = ".tflite"
    packages = ("litert_torch", "ai_edge_litert")
    extra = "tflite"

    def write(self, model: nn.Module, example: Any, path: Path) -> bool:
        """Converted by litert-torch; other batch sizes never run. Raises InputError."""
        check_example(example)
        args, keywords = arguments(example)
        try:
            with quiet():
                import litert_torch

                litert_torch.convert(model, args, keywords).export(str(path))
        except Exception as error:  # the converter has errors of several libraries
            raise not_exported(error, "litert-torch") from error
        return False

    def read(self, path: Path, structure: nn.Module | None = None) -> Runner:
        """An interpreter of one thread."""
        with quiet():
            from ai_edge_litert.interpreter import Interpreter

            reader = Interpreter(str(path), num_threads=1)
            reader.allocate_tensors()
        inputs, outputs = reader.get_input_details(), reader.get_output_details()

        def runner(example: Any) -> list[Tensor]:
            for detail, x in zip(inputs, values(example)):
                reader.set_tensor(detail["index"], x.detach().cpu().numpy())
            reader.invoke()
            return [torch.from_numpy(reader.get_tensor(y["index"])) for y in outputs]

        return runner


EXPORTERS.add("tflite", TfLite())
