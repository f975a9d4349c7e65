"""``.tflite`` through litert-torch, read back in LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from tenfold.network.arrays import arrays_of
from tenfold.network.inputs import arguments, check_example
from tenfold.runtimes._base import FileRuntime, Loaded, Run, version_of
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.axes import Axes
from tenfold.runtimes.talk import not_exported, quiet
from tenfold.runtimes.trace import as_tensors


class TfLite(FileRuntime):
    """For the example's very shape."""

    name = "tflite"
    label = "LiteRT"
    suffix = ".tflite"
    packages = ("litert_torch", "ai_edge_litert")
    extra = "tflite"
    quick = False

    def version(self) -> str:
        """LiteRT's."""
        return version_of("ai-edge-litert")

    def write(self, model: nn.Module, example: Any, path: Path, sizes: bool = True) -> Axes:
        """Converted by litert-torch; other sizes never run. Raises InputError."""
        check_example(example)
        model, example = as_tensors(model, example)
        args, keywords = arguments(example)
        try:
            with quiet():
                import litert_torch

                litert_torch.convert(model, args, keywords).export(str(path))
        except Exception as error:  # the converter has errors of several libraries
            raise not_exported(error, "litert-torch") from error
        return Axes()

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """An interpreter, into whose memory the inputs are copied at every run."""
        with quiet():
            from ai_edge_litert.interpreter import Interpreter

            reader = Interpreter(str(content), num_threads=threads)
            reader.allocate_tensors()
        inputs, outputs = reader.get_input_details(), reader.get_output_details()

        def ready(example: Any) -> Run:
            arrays = arrays_of(example)

            def run() -> Any:
                for detail, array in zip(inputs, arrays):
                    reader.set_tensor(detail["index"], array)
                reader.invoke()
                return [reader.get_tensor(detail["index"]) for detail in outputs]

            return run

        return ready


RUNTIMES.add("tflite", TfLite())
