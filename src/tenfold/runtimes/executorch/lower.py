"""model, example -> the bytes of an ExecuTorch program."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.runtimes.talk import not_exported, quiet
from tenfold.runtimes.trace import trace


class Named(nn.Module):
    """The model under a name: lowering trips over weights whose names begin with a digit, as
    those of a plain ``nn.Sequential`` do."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        return self.model(*arguments, **keywords)


def lower(model: nn.Module, example: Any) -> bytes:
    """Traced for the example's very shape, and all that XNNPACK can do delegated to it. Raises
    InputError with the operation that cannot be."""
    program = trace(Named(model), example)
    try:
        with quiet():
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
                XnnpackPartitioner,
            )
            from executorch.exir import to_edge_transform_and_lower

            edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            return bytes(edge.to_executorch().buffer)
    except Exception as error:  # lowering has errors of several libraries
        raise not_exported(error, "ExecuTorch") from error
