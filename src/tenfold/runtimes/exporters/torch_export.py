"""``.pt2``: the graph of torch.export, which AOTInductor and torch.export.load take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tenfold.network.call import call
from tenfold.runtimes.exporters._base import EXPORTERS, Exporter, Runner
from tenfold.runtimes.quiet import quiet
from tenfold.runtimes.trace import is_open, trace


class TorchExport(Exporter):
    """The traced program as torch saves it."""

    name = "torch-export"
    suffix = ".pt2"

    def write(self, model: nn.Module, example: Any, path: Path) -> bool:
        """The traced program, the batch left open where it can be."""
        program = trace(model, example, batch="open")
        with quiet():
            torch.export.save(program, str(path))
        return is_open(program)

    def read(self, path: Path, structure: nn.Module | None = None) -> Runner:
        """The program's module, without gradients."""
        with quiet():
            model = torch.export.load(str(path)).module()

        def runner(example: Any) -> Any:
            with torch.no_grad():
                return call(model, example)

        return runner


EXPORTERS.add("torch-export", TorchExport())
