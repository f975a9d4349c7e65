"""``.pt2``: the graph of torch.export, which AOTInductor and torch.export.load take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tenfold.network.call import copied, invoke
from tenfold.runtimes._base import FileRuntime, Loaded, Run
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.axes import Axes
from tenfold.runtimes.eager import pinned
from tenfold.runtimes.talk import quiet
from tenfold.runtimes.tensors_only import without_constants
from tenfold.runtimes.trace import trace_open


class TorchExport(FileRuntime):
    """The traced program as torch saves it, run by PyTorch's own kernels."""

    name = "torch-export"
    label = "PyTorch, exported graph"
    suffix = ".pt2"
    quick = False

    def write(self, model: nn.Module, example: Any, path: Path, sizes: bool = True) -> Axes:
        """The traced program, all sizes left open that can be."""
        program, axes = trace_open(model, example, sizes)
        with quiet():
            torch.export.save(program, str(path))
        return axes

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """The program's module, without gradients, on copies of the example."""
        with quiet():
            model = torch.export.load(str(content)).module()

        def ready(example: Any) -> Run:
            inputs = copied(without_constants(example))
            return pinned(lambda: invoke(model, inputs), threads)

        return ready


RUNTIMES.add("torch-export", TorchExport())
