"""``.pte``: ExecuTorch with the XNNPACK delegate, for phones and boards; run in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tenfold.network.inputs import values
from tenfold.runtimes.explain import not_exported
from tenfold.runtimes.exporters._base import EXPORTERS, Exporter, Runner
from tenfold.runtimes.quiet import quiet
from tenfold.runtimes.trace import trace


class ExecuTorch(Exporter):
    """Memory is planned ahead for the example's very shape."""

    name = "executorch"
    suffix = ".pte"
    packages = ("executorch",)
    extra = "executorch"

    def write(self, model: nn.Module, example: Any, path: Path) -> bool:
        """A lowered program; other batch sizes never run."""
        lower(trace(model, example), path)
        return False

    def read(self, path: Path, structure: nn.Module | None = None) -> Runner:
        """The program's ``forward``; outputs are copied out of its planned memory."""
        with quiet():
            from executorch.runtime import Runtime

            method = Runtime.get().load_program(str(path)).load_method("forward")

        def runner(example: Any) -> list[Tensor]:
            inputs = [x.detach().contiguous() for x in values(example)]
            return [y.clone() for y in method.execute(inputs)]  # the next run reuses its memory

        return runner


def lower(program: Any, path: Path) -> None:
    """A traced program as a ``.pte`` file, all that XNNPACK can do delegated to it."""
    try:
        with quiet():
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
                XnnpackPartitioner,
            )
            from executorch.exir import to_edge_transform_and_lower

            edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            made = edge.to_executorch().buffer
    except Exception as error:  # lowering has errors of several libraries
        raise not_exported(error, "ExecuTorch") from error
    path.write_bytes(made)


EXPORTERS.add("executorch", ExecuTorch())
